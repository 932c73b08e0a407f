package org.jvfio.cli;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.jvfio.PciAddress;
import org.jvfio.cli.host.Host;
import org.jvfio.cli.host.HostFunction;
import org.jvfio.cli.host.HostGroup;
import org.jvfio.cli.host.HostUses;
import org.jvfio.kernel.Errno;

/** {@code jvfio bind}: gives the groups of devices to vfio-pci. */
final class BindCommand extends Command {
    private static final long DEFAULT_WAIT = 5;
    private static final long MAX_WAIT = 600;

    BindCommand() {
        super("bind", "bind the whole groups of devices to vfio-pci");
    }

    @Override
    void describe(CommandSyntax syntax) {
        HostChoice.addTo(syntax)
                .repeatedArgument("DEVICE", "a PCI address; all devices of its group are bound")
                .flag("dry-run", "print what would be written, and change nothing")
                .flag("persist", "also write the udev rule and the module list that bind at each boot")
                .option("root", "DIRECTORY", "write the files of --persist below this directory (default: /)")
                .option(
                        "despite",
                        "REASON",
                        "bind although the host lives on a device, for exactly this reason; may be repeated")
                .option("wait", "SECONDS", "wait this long for the group's file and its permissions (default: 5)")
                .about("Sets driver_override, unbinds the present driver and has the kernel probe again. A device that"
                        + " the host lives on (mounted file systems, swap, the network, the console) is refused. If a"
                        + " step fails, the devices get the drivers back that they had.")
                .json(shape())
                .example("jvfio bind 0001:01:00.0", "bind a device and the others of its group")
                .example("jvfio bind 0001:01:00.0 --dry-run", "see what this would write")
                .example("jvfio bind 0001:01:00.0 --persist", "bind it now and at each boot");
    }

    static JsonShape shape() {
        return JsonShape.object("what was done")
                .with("dryRun", JsonShape.bool("whether nothing was changed"))
                .with(
                        "groups",
                        JsonShape.list(
                                "the groups",
                                JsonShape.object("a group")
                                        .with("number", JsonShape.integer("N of /dev/vfio/N"))
                                        .with("devices", JsonShape.strings("addresses of its functions"))
                                        .with("writes", JsonShape.strings("writes to sysfs, as shell commands"))
                                        .withOptional("node", JsonShape.string("the device file"))
                                        .withOptional("accessible", JsonShape.bool("whether this user may open it"))
                                        .withOptional(
                                                "drivers", JsonShape.strings("drivers that have its devices now"))))
                .with("files", JsonShape.strings("files that were written or removed"));
    }

    @Override
    int run(Invocation in) throws Failure {
        HostChoice choice = HostChoice.of(in);
        boolean dryRun = in.has("dry-run");
        long seconds = in.number("wait", DEFAULT_WAIT, 0, MAX_WAIT);
        Optional<SystemFiles> files = in.has("persist") ? Optional.of(SystemFiles.of(in, choice)) : Optional.empty();
        List<PciAddress> addresses = new ArrayList<>();
        for (String argument : in.arguments()) {
            addresses.add(Devices.address(argument));
        }
        Host host = new Host(choice.inspect(in));
        requireBinding(host);
        List<HostGroup> groups = groups(host, addresses);
        HostUses uses = HostUses.of(host.files());
        for (HostGroup group : groups) {
            requireFree(group, uses, in.values("despite"));
        }
        if (dryRun) {
            report(
                    in,
                    true,
                    bind(host, groups, true, seconds),
                    files.isPresent() ? files.get().toPersist(groups) : List.of());
        } else if (files.isPresent()) {
            try (FileDrafts drafts = files.get().persist(groups)) {
                List<String> names = drafts.files();
                List<Map<String, Object>> results = bind(host, groups, false, seconds);
                drafts.commit();
                report(in, false, results, names);
            }
        } else {
            report(in, false, bind(host, groups, false, seconds), List.of());
        }
        return 0;
    }

    private static List<Map<String, Object>> bind(Host host, List<HostGroup> groups, boolean dryRun, long seconds)
            throws Failure {
        List<Map<String, Object>> results = new ArrayList<>();
        Binding binding = new Binding(host);
        for (HostGroup group : groups) {
            List<String> writes = new ArrayList<>();
            for (HostFunction function : endpoints(group)) {
                List<Binding.Write> needed = Binding.bindWrites(function);
                needed.forEach(write -> writes.add(write.toString()));
                if (!dryRun && !needed.isEmpty()) {
                    binding.apply(function, needed, Optional.of(Binding.VFIO_PCI));
                }
            }
            Map<String, Object> result = result(group, writes);
            if (!dryRun) {
                Optional<Errno> error = binding.awaitNode(group.node(), seconds);
                result.put("node", group.node());
                result.put("accessible", error.isEmpty());
            }
            results.add(result);
        }
        return results;
    }

    private static void requireBinding(Host host) throws Failure {
        if (host.bindsNothing()) {
            throw Failure.failed("cannot bind: Linux %s cannot bind a device to vfio-pci on POWER; boot %s or newer"
                    .formatted(host.release(), host.usableRelease()));
        }
        if (!host.hasModule("vfio_pci")) {
            throw Failure.failed("cannot bind: the module vfio-pci is not loaded; load it, as root: modprobe vfio-pci");
        }
    }

    /** The groups of some devices. */
    static List<HostGroup> groups(Host host, List<PciAddress> addresses) throws Failure {
        Set<Integer> numbers = new LinkedHashSet<>();
        for (PciAddress address : addresses) {
            HostFunction function = host.function(address);
            if (function.isBridge()) {
                throw Failure.failed("cannot use %s: it is a bridge; name a device behind it".formatted(address));
            }
            if (function.function().group().isEmpty()) {
                throw Failure.failed("cannot use %s: it is in no IOMMU group; see jvfio doctor".formatted(address));
            }
            numbers.add(function.function().group().getAsInt());
        }
        return numbers.stream().map(host::group).toList();
    }

    /** The functions that vfio-pci takes; bridges of the group stay with their driver, which does no DMA. */
    static List<HostFunction> endpoints(HostGroup group) {
        return group.functions().stream()
                .filter(function -> !function.isBridge())
                .toList();
    }

    private static void requireFree(HostGroup group, HostUses uses, List<String> despite) throws Failure {
        for (HostFunction function : endpoints(group)) {
            for (String reason : uses.of(function)) {
                if (!despite.contains(reason)) {
                    throw Failure.failed(
                            "cannot bind %s: the host lives on it: %s; use another device, or --despite '%s'"
                                    .formatted(function.address(), reason, reason));
                }
            }
        }
    }

    static Map<String, Object> result(HostGroup group, List<String> writes) {
        return Json.object(
                "number",
                group.number(),
                "devices",
                endpoints(group).stream()
                        .map(function -> function.address().toString())
                        .toList(),
                "writes",
                writes);
    }

    /** The line before the writes of a group. */
    static String heading(HostGroup group) {
        return heading(
                group.number(),
                endpoints(group).stream()
                        .map(function -> function.address().toString())
                        .collect(Collectors.joining(", ")));
    }

    private static String heading(@Nullable Object number, String devices) {
        return "# group %s: %s".formatted(number, devices);
    }

    private static Object first(Map<String, Object> result) {
        return result.get("devices") instanceof List<?> devices && !devices.isEmpty() ? devices.getFirst() : "";
    }

    private static void report(Invocation in, boolean dryRun, List<Map<String, Object>> results, List<String> files) {
        if (in.json()) {
            in.out().println(Json.text(Json.object("dryRun", dryRun, "groups", results, "files", files)));
            return;
        }
        for (Map<String, Object> result : results) {
            List<?> writes = (List<?>) result.getOrDefault("writes", List.of());
            String devices = String.join(
                    ", ",
                    ((List<?>) result.getOrDefault("devices", List.of()))
                            .stream().map(Object::toString).toList());
            if (dryRun) {
                in.out().println(heading(result.get("number"), devices));
                writes.forEach(in.out()::println);
                if (writes.isEmpty()) {
                    in.out().println("# already bound");
                }
                continue;
            }
            in.out()
                    .println("%s: %s to vfio-pci, in group %s"
                            .formatted(devices, writes.isEmpty() ? "already bound" : "bound", result.get("number")));
            boolean accessible = Boolean.TRUE.equals(result.get("accessible"));
            in.out()
                    .println(
                            accessible
                                    ? "this user may open " + result.get("node")
                                    : "this user may not open %s; as root: jvfio setup --user NAME --apply"
                                            .formatted(result.get("node")));
            in.out().println("next: jvfio doctor " + first(result));
        }
        files.forEach(file -> in.out().println((dryRun ? "# would write " : "wrote ") + file));
    }
}
