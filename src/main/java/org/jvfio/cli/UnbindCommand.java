package org.jvfio.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jvfio.PciAddress;
import org.jvfio.cli.host.Host;
import org.jvfio.cli.host.HostFunction;
import org.jvfio.cli.host.HostGroup;

/** {@code jvfio unbind}: gives the groups of devices back to the host's drivers. */
final class UnbindCommand extends Command {
    UnbindCommand() {
        super("unbind", "give the whole groups of devices back to the host's drivers");
    }

    @Override
    void describe(CommandSyntax syntax) {
        HostChoice.addTo(syntax)
                .repeatedArgument("DEVICE", "a PCI address; all devices of its group are given back")
                .flag("dry-run", "print what would be written, and change nothing")
                .flag("persist", "also remove the files that 'bind --persist' wrote")
                .option("root", "DIRECTORY", "remove the files of --persist below this directory (default: /)")
                .about("Clears driver_override, unbinds vfio-pci and has the kernel probe again. A group that a process"
                        + " has open is refused: the kernel would wait for it.")
                .json(BindCommand.shape())
                .example("jvfio unbind 0001:01:00.0", "give a device and the others of its group back");
    }

    @Override
    int run(Invocation in) throws Failure {
        HostChoice choice = HostChoice.of(in);
        boolean dryRun = in.has("dry-run");
        Optional<SystemFiles> files = in.has("persist") ? Optional.of(SystemFiles.of(in, choice)) : Optional.empty();
        List<PciAddress> addresses = new ArrayList<>();
        for (String argument : in.arguments()) {
            addresses.add(Devices.address(argument));
        }
        Host host = new Host(choice.inspect(in));
        List<HostGroup> groups = BindCommand.groups(host, addresses);
        for (HostGroup group : groups) {
            if (!group.users().isEmpty()) {
                throw Failure.failed(
                        "cannot unbind group %d: it is %s; end that first".formatted(group.number(), group.explain()));
            }
        }
        List<Map<String, Object>> results = new ArrayList<>();
        List<String> lines = new ArrayList<>();
        Binding binding = new Binding(host);
        for (HostGroup group : groups) {
            List<String> writes = new ArrayList<>();
            List<String> drivers = new ArrayList<>();
            for (HostFunction function : BindCommand.endpoints(group)) {
                if (!function.function().isForVfio()
                        && function.driverOverride().isEmpty()) {
                    drivers.add(function.function().driver().orElse("none"));
                    continue;
                }
                List<Binding.Write> needed = Binding.unbindWrites(function);
                needed.forEach(write -> writes.add(write.toString()));
                if (!dryRun) {
                    binding.apply(function, needed, Optional.empty());
                    String driver = host.function(function.address())
                            .function()
                            .driver()
                            .orElse("none");
                    drivers.add(driver);
                    lines.add("%s: unbound from vfio-pci; its driver is %s".formatted(function.address(), driver));
                }
            }
            Map<String, Object> result = BindCommand.result(group, writes);
            if (!dryRun) {
                result.put("drivers", drivers);
            } else {
                lines.add(BindCommand.heading(group));
                lines.addAll(writes);
            }
            if (writes.isEmpty()) {
                String found =
                        group.group().functions().stream().map(Object::toString).collect(Collectors.joining(", "));
                lines.add(
                        dryRun
                                ? "# nothing to do: " + found
                                : "group %d: nothing to do: %s".formatted(group.number(), found));
            }
            results.add(result);
        }
        List<String> removed = files.isPresent() ? files.get().forget(groups, dryRun) : List.of();
        removed.forEach(file -> lines.add((dryRun ? "# would remove " : "removed ") + file));
        if (in.json()) {
            in.out().println(Json.text(Json.object("dryRun", dryRun, "groups", results, "files", removed)));
        } else {
            lines.forEach(in.out()::println);
        }
        return 0;
    }
}
