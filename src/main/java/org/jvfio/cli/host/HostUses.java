package org.jvfio.cli.host;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jvfio.PciAddress;

/**
 * What a host lives on: devices that would take file systems, swap, the network or the console with them if their
 * driver were unbound.
 */
public final class HostUses {
    private static final String BLOCK = "/sys/class/block/";
    private static final String NET = "/sys/class/net/";

    private final HostFiles files;
    /** The block devices that are used, each with what for. */
    private final Map<String, String> blocks = new LinkedHashMap<>();
    /** The network interfaces that have routes. */
    private final Map<String, String> interfaces = new LinkedHashMap<>();

    private HostUses(HostFiles files) {
        this.files = files;
    }

    /** What the host uses at this moment. */
    public static HostUses of(HostFiles files) {
        HostUses uses = new HostUses(files);
        uses.findMounts();
        uses.findSwaps();
        uses.findRoutes();
        return uses;
    }

    private void findMounts() {
        for (String line : files.lines("/proc/mounts")) {
            String[] fields = line.split(" ", -1);
            if (fields.length > 1 && fields[0].startsWith("/dev/")) {
                use(fields[0], "mounted at " + unescape(fields[1]));
            }
        }
    }

    private void findSwaps() {
        for (String line : files.lines("/proc/swaps")) {
            if (line.startsWith("/dev/")) {
                use(line.split("\\s", -1)[0], "in use as swap");
            }
        }
    }

    /** A space is \040 there. */
    private static String unescape(String path) {
        return path.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\");
    }

    private void use(String node, String purpose) {
        String name = node.substring("/dev/".length());
        String block = name.startsWith("mapper/") ? mapped(name.substring("mapper/".length())) : name;
        useBlock(block, "%s is %s".formatted(node, purpose), new HashSet<>());
    }

    /** The dm-N of a name of the device mapper. */
    private String mapped(String name) {
        for (String block : files.list(BLOCK)) {
            if (files.read(BLOCK + block + "/dm/name").filter(name::equals).isPresent()) {
                return block;
            }
        }
        return name;
    }

    /** A block device, and those that it is made of. */
    private void useBlock(String block, String why, Set<String> seen) {
        if (seen.add(block)) {
            blocks.putIfAbsent(block, why);
            files.list(BLOCK + block + "/slaves").forEach(slave -> useBlock(slave, why, seen));
        }
    }

    private void findRoutes() {
        Map<String, Boolean> routed = new TreeMap<>();
        for (String line : files.lines("/proc/net/route")) {
            String[] fields = line.split("\\s+", -1);
            if (fields.length > 2 && !fields[0].equals("Iface")) {
                routed.merge(fields[0], fields[1].equals("00000000"), Boolean::logicalOr);
            }
        }
        for (String line : files.lines("/proc/net/ipv6_route")) {
            String[] fields = line.strip().split("\\s+", -1);
            String last = fields[fields.length - 1];
            // Link-local and multicast routes come with every interface that is up.
            if (fields.length > 9
                    && !fields[0].startsWith("fe80")
                    && !fields[0].startsWith("ff")
                    && !last.equals("lo")) {
                routed.merge(last, fields[0].matches("0+") && fields[1].equals("00"), Boolean::logicalOr);
            }
        }
        routed.forEach((name, isDefault) -> useInterface(
                name, "%s has %s".formatted(name, isDefault ? "the default route" : "a route"), new HashSet<>()));
    }

    /** An interface, and those that it is made of, as a bond or a bridge is. */
    private void useInterface(String name, String why, Set<String> seen) {
        if (!name.equals("lo") && seen.add(name)) {
            interfaces.putIfAbsent(name, why);
            for (String file : files.list(NET + name)) {
                if (file.startsWith("lower_")) {
                    useInterface(file.substring("lower_".length()), why, seen);
                }
            }
            files.list(NET + name + "/brif").forEach(port -> useInterface(port, why, seen));
        }
    }

    /** What the host uses a function for; empty if it can do without. */
    public List<String> of(HostFunction function) {
        List<String> uses = new ArrayList<>();
        blocks.forEach((block, why) -> {
            if (isOn(BLOCK + block, function.address())) {
                uses.add(why);
            }
        });
        interfaces.forEach((name, why) -> {
            if (isOn(NET + name, function.address())) {
                uses.add(why);
            }
        });
        if (function.bootDisplay() && function.function().holdsGroup()) {
            uses.add("the console is on this display");
        }
        return uses;
    }

    /** Whether a class device is below a function. */
    private boolean isOn(String path, PciAddress address) {
        String target = files.link(path).orElse("");
        if (target.contains("/" + address + "/")) {
            return true;
        }
        int subsystem = target.indexOf("/nvme-subsystem/");
        if (subsystem < 0) {
            return false;
        }
        // With multipath a namespace belongs to a subsystem, and that to its controllers.
        String name = target.substring(subsystem + "/nvme-subsystem/".length()).split("/", -1)[0];
        return files.list("/sys/class/nvme-subsystem/" + name).stream()
                .filter(controller -> controller.matches("nvme[0-9]+"))
                .anyMatch(controller -> files.link("/sys/class/nvme/" + controller)
                        .filter(link -> link.contains("/" + address + "/"))
                        .isPresent());
    }
}
