package power;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** The machines that QEMU emulates. */
enum Machine {
    // Two processors that take turns do not boot on powernv8.
    POWERNV8(1, 3, false),
    POWERNV9(2, 6, true),
    POWERNV10(2, 6, true),
    // Linux polls while it idles on this machine, whose firmware names two states to stop in, and processors that take
    // turns would poll half of the time.
    POWERNV11(1, 6, true),
    PSERIES(2, 0, false);

    private final int processors;
    private final int bridges;
    private final boolean hasRadixPages;

    Machine(int processors, int bridges, boolean hasRadixPages) {
        this.processors = processors;
        this.bridges = bridges;
        this.hasRadixPages = hasRadixPages;
    }

    static List<String> names() {
        return Arrays.stream(values()).map(Machine::toString).toList();
    }

    static Machine of(String name) {
        return valueOf(name.toUpperCase(Locale.ROOT));
    }

    int processors() {
        return processors;
    }

    /** Firmware of real hosts says which radix page sizes the processor has; QEMU's device tree does not. */
    boolean lacksRadixPages() {
        return hasRadixPages;
    }

    /** Whether the initrd may have 128 MiB only, where firmware puts it. */
    boolean isPowernv() {
        return this != PSERIES;
    }

    /** More of QEMU's options for the machine. */
    List<String> options() {
        // A machine whose memory cannot grow has no room for the 64-bit window that the kernel makes for its own
        // drivers: its hypervisor fails to, and then no other window can be made for that device.
        return isPowernv() ? List.of("-m", "4G") : List.of("-m", "4G,slots=1,maxmem=8G", "-vga", "none");
    }

    /**
     * The names of as many buses, in order, and QEMU's options that make them. Each is behind a host bridge of its own,
     * which makes an IOMMU group, as long as the machine has another. The rest are behind a switch at the last host
     * bridge, each at a port of its own, which makes a group, too.
     */
    List<String> buses(int count, List<String> qemuOptions) {
        List<String> buses = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            if (!isPowernv()) {
                int index = i + 1;
                qemuOptions.addAll(List.of("-device", "spapr-pci-host-bridge,index=" + index + ",id=bridge" + index));
                buses.add("bridge" + index + ".0");
            } else if (count <= bridges || i < bridges - 1) {
                buses.add("pcie." + i);
            } else {
                if (i == bridges - 1) {
                    qemuOptions.addAll(List.of("-device", "x3130-upstream,id=switch,bus=pcie." + i));
                }
                String port = "port" + i;
                qemuOptions.addAll(
                        List.of("-device", "xio3130-downstream,bus=switch,chassis=1,slot=" + i + ",id=" + port));
                buses.add(port);
            }
        }
        return buses;
    }

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
