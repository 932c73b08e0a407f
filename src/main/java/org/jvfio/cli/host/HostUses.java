package org.jvfio.cli.host;

import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.jvfio.PciAddress;

/**
 * What a host lives on: devices that would take file systems, swap, the network or the console with them if their
 * driver were unbound.
 */
public final class HostUses {
    private static final String NET = "/sys/class/net/";

    private final HostFiles files;
    private final BlockUses blocks;
    /** The network interfaces that have routes. */
    private final Map<String, String> interfaces = new LinkedHashMap<>();

    private HostUses(HostFiles files) {
        this.files = files;
        this.blocks = new BlockUses(files);
    }

    /** What the host uses at this moment. */
    public static HostUses of(HostFiles files) {
        HostUses uses = new HostUses(files);
        uses.findRoutes();
        uses.findPorts();
        return uses;
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

    /** Ports of what has its routes elsewhere: an Open vSwitch, a VRF, a bridge of virtual machines. */
    private void findPorts() {
        for (String name : files.list(NET)) {
            Optional<String> master = files.linkName(NET + name + "/master");
            boolean up = files.number(NET + name + "/flags").orElse(0L) % 2 == 1;
            if (master.isPresent() && up) {
                useInterface(name, "%s is a port of %s".formatted(name, master.get()), new HashSet<>());
            }
        }
    }

    /** What the host uses a function for; empty if it can do without. */
    public List<String> of(HostFunction function) {
        Set<String> uses = new LinkedHashSet<>();
        blocks.links().forEach((link, why) -> {
            if (isOn(link, function.address())) {
                uses.add(why);
            }
        });
        if (!blocks.somewhere().isEmpty() && hasBlocks(function.address())) {
            uses.addAll(blocks.somewhere());
        }
        interfaces.forEach((name, why) -> {
            if (isOn(NET + name, function.address())) {
                uses.add(why);
            }
        });
        if (function.bootDisplay() && function.function().holdsGroup()) {
            uses.add("the console is on this display");
        }
        return List.copyOf(uses);
    }

    private boolean hasBlocks(PciAddress address) {
        return files.list(BlockUses.BLOCK).stream().anyMatch(block -> isOn(BlockUses.BLOCK + block, address));
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
