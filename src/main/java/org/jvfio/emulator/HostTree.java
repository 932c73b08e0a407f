package org.jvfio.emulator;

import java.util.Map;
import java.util.function.Supplier;

/**
 * The files of sysfs, procfs, the device tree and {@code /dev} that administrators read: drivers and modules,
 * processor and memory, and what the host uses its devices for.
 */
final class HostTree {
    private static final String PCI = "/sys/bus/pci/";
    private static final String DEVICES = PCI + "devices/";
    private static final String DRIVERS = PCI + "drivers/";
    private static final String MODULES = "/sys/module/";
    private static final String HUGE_PAGES = "/sys/kernel/mm/hugepages/";
    private static final String BLOCK = "/sys/class/block/";
    private static final String BLOCK_NUMBERS = "/sys/dev/block/";
    private static final String VFIO_NODES = "/dev/vfio/";
    private static final String DEVICE_TREE = "/sys/firmware/devicetree/base/";
    /** The addresses of the registers of POWER9's host bridges, by which firmware names them. */
    private static final long FIRST_BRIDGE = 0x600c3c0000000L;

    private static final int BRIDGE_SHIFT = 20;
    /** Device numbers of each drive: the whole, a root file system, swap. */
    private static final int PARTITIONS = 4;

    private final EmulatedHost host;
    private final EmulatedMachine machine;

    HostTree(EmulatedHost host) {
        this.host = host;
        this.machine = host.machine();
    }

    /**
     * Adds the files that a path may mean, or that are below it, but for those of devices and groups.
     *
     * @param wanted the path
     */
    void addFiles(Map<String, Supplier<String>> files, String wanted) {
        if (Sysfs.isRelated("/proc/", wanted)) {
            addUses(files);
        }
        if (Sysfs.isRelated(BLOCK, wanted)) {
            addBlocks(files);
        }
        if (Sysfs.isRelated(PCI, wanted) && !wanted.startsWith(DEVICES)) {
            addDrivers(files);
        }
        if (Sysfs.isRelated(MODULES, wanted)) {
            addModules(files);
        }
        if (Sysfs.isRelated(DEVICE_TREE, wanted) || Sysfs.isRelated("/proc/", wanted)) {
            addProcessor(files);
        }
        if (Sysfs.isRelated(HUGE_PAGES, wanted) || Sysfs.isRelated("/proc/", wanted)) {
            addMemory(files);
        }
        if (machine.vfioModule() && Sysfs.isRelated(VFIO_NODES, wanted)) {
            files.put(VFIO_NODES + "vfio", () -> "");
            host.iommuGroups().values().stream()
                    .filter(group -> group.hasNode() && machine.kernel().bindsDevices())
                    .forEach(group -> files.put(VFIO_NODES + group.number(), () -> ""));
        }
    }

    private void addDrivers(Map<String, Supplier<String>> files) {
        files.put(PCI + "drivers_probe", () -> "");
        for (HostDriver driver : HostDriver.values()) {
            if (driver != HostDriver.VFIO_PCI || machine.vfioModule()) {
                for (String name : driver.sysfsNames()) {
                    files.put(DRIVERS + name + "/bind", () -> "");
                    files.put(DRIVERS + name + "/unbind", () -> "");
                }
            }
        }
    }

    private void addModules(Map<String, Supplier<String>> files) {
        if (machine.vfioModule()) {
            files.put(MODULES + "vfio/refcnt", () -> "0\n");
            String pci = MODULES + "vfio_pci/";
            files.put(pci + "refcnt", () -> "0\n");
            files.put(pci + "parameters/disable_denylist", () -> "N\n");
            files.put(pci + "parameters/disable_idle_d3", () -> "N\n");
            files.put(pci + "parameters/enable_sriov", () -> "N\n");
            files.put(pci + "parameters/nointxmask", () -> "N\n");
            files.put(MODULES + "vfio_pci_core/refcnt", () -> "1\n");
        }
        if (machine.spaprModule()) {
            files.put(MODULES + "vfio_iommu_spapr_tce/refcnt", () -> "0\n");
        }
    }

    private void addProcessor(Map<String, Supplier<String>> files) {
        Platform platform = machine.platform();
        boolean hash = platform.hugePageShifts().getFirst() == 24;
        files.put(
                "/proc/cpuinfo",
                () ->
                        "processor\t: 0\ncpu\t\t: %s\n\ntimebase\t: 512000000\nplatform\t: %s\nmodel\t\t: emulated\nmachine\t\t: %s\n%sMMU\t\t: %s\n"
                                .formatted(
                                        machine.processor(),
                                        platform.isPowernv() ? "PowerNV" : "pSeries",
                                        platform.isPowernv() ? "PowerNV emulated" : "CHRP IBM pSeries (emulated)",
                                        platform.isPowernv() ? "firmware\t: OPAL\n" : "",
                                        hash ? "Hash" : "Radix"));
        host.functions().values().forEach(function -> {
            files.put(DEVICE_TREE + node(function, platform.isPowernv()) + "/name", () -> "device\0");
            if (!platform.isPowernv()) {
                String bridge = DEVICE_TREE + bridgeNode(function, false);
                files.put(bridge + "/ibm,dma-window", () -> "");
                files.put(bridge + "/ibm,ddw-applicable", () -> "");
            }
        });
    }

    /** The path of the host bridge of a function in the device tree, without the slash before it. */
    private static String bridgeNode(PciFunction function, boolean powernv) {
        return powernv
                ? "pciex@%x/pci@0".formatted(FIRST_BRIDGE + ((long) function.domain() << BRIDGE_SHIFT))
                : "pci@%016x".formatted(0x800000020000000L | function.domain());
    }

    /** The path of a function in the device tree, without the slash before it. */
    static String node(PciFunction function, boolean powernv) {
        return bridgeNode(function, powernv) + "/device@" + function.devfn();
    }

    private void addMemory(Map<String, Supplier<String>> files) {
        files.put("/proc/meminfo", () -> "MemTotal: " + (machine.memoryBytes() >> 10) + " kB\n");
        for (int shift : machine.platform().hugePageShifts()) {
            String pool = HUGE_PAGES + "hugepages-" + (1L << (shift - 10)) + "kB/";
            int count = machine.hugePages().getOrDefault(shift, 0);
            files.put(pool + "nr_hugepages", () -> count + "\n");
            files.put(pool + "free_hugepages", () -> count + "\n");
        }
    }

    private void addUses(Map<String, Supplier<String>> files) {
        StringBuilder mounts = new StringBuilder("proc /proc proc rw 0 0\nsysfs /sys sysfs rw 0 0\n");
        StringBuilder mountInfo =
                new StringBuilder("21 1 0:20 / /proc rw - proc proc rw\n22 1 0:21 / /sys rw - sysfs sysfs rw\n");
        StringBuilder swaps = new StringBuilder("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
        StringBuilder routes = new StringBuilder(
                "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n");
        machine.hostUses().forEach((address, use) -> {
            PciFunction function = host.functions().get(address);
            if (function == null) {
                return;
            }
            if (function.isUsedByHost()) {
                switch (use) {
                    case ROOT_DISK -> {
                        String node = "/dev/" + disk(address) + "p1";
                        mounts.append(node).append(" / ext4 rw 0 0\n");
                        mountInfo.append("1 0 %s / / rw - ext4 %s rw\n".formatted(number(address, 1), node));
                    }
                    case SWAP -> swaps.append("/dev/").append(disk(address)).append("p2\tpartition\t1048576\t0\t-2\n");
                    case NETWORK ->
                        routes.append(network(address))
                                .append("\t00000000\t010A000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
                    case BOOT_DISPLAY -> {
                        // A file of the device tells.
                    }
                }
            }
        });
        files.put("/proc/mounts", () -> mounts.toString());
        files.put("/proc/self/mountinfo", () -> mountInfo.toString());
        files.put("/proc/swaps", () -> swaps.toString());
        files.put("/proc/net/route", () -> routes.toString());
    }

    private void addBlocks(Map<String, Supplier<String>> files) {
        machine.hostUses().forEach((address, use) -> {
            PciFunction function = host.functions().get(address);
            if (function != null && function.isUsedByHost() && isDisk(use)) {
                int partition = partition(use);
                files.put(BLOCK + disk(address) + "/dev", () -> number(address, 0) + "\n");
                String path = BLOCK + disk(address) + "p" + partition;
                files.put(path + "/dev", () -> number(address, partition) + "\n");
                files.put(path + "/partition", () -> partition + "\n");
            }
        });
    }

    private static boolean isDisk(HostUse use) {
        return use == HostUse.ROOT_DISK || use == HostUse.SWAP;
    }

    private static int partition(HostUse use) {
        return use == HostUse.ROOT_DISK ? 1 : 2;
    }

    private static int index(String address) {
        return Integer.parseInt(address, 0, 4, 16);
    }

    private static String disk(String address) {
        return "nvme" + index(address) + "n1";
    }

    /** The device number of a drive, or of a partition from 1 on. */
    private static String number(String address, int partition) {
        return "259:" + (index(address) * PARTITIONS + partition);
    }

    private static String network(String address) {
        return "eth" + index(address);
    }

    /** Adds the links that a path may mean, or that are below it, but for those of devices to group and driver. */
    void addLinks(Map<String, String> links, String wanted) {
        if (Sysfs.isRelated(DRIVERS, wanted)) {
            String driver = Sysfs.nameBelow(DRIVERS, wanted);
            host.functions().values().stream()
                    .filter(function -> function.driver() != HostDriver.NONE)
                    .filter(function ->
                            driver.isEmpty() || function.driverName().equals(driver))
                    .forEach(function -> links.put(
                            DRIVERS + function.driverName() + "/" + function.address(),
                            "../../../../devices/" + path(function.address())));
        }
        PciFunction function = host.functions().get(Sysfs.nameBelow(DEVICES, wanted));
        if (function != null) {
            links.put(
                    DEVICES + function.address() + "/of_node",
                    Sysfs.up(function) + "firmware/devicetree/base/"
                            + node(function, machine.platform().isPowernv()));
        }
        if (Sysfs.isRelated("/sys/class/", wanted) || Sysfs.isRelated(BLOCK_NUMBERS, wanted)) {
            machine.hostUses().forEach((address, use) -> {
                PciFunction user = host.functions().get(address);
                if (user != null && user.isUsedByHost()) {
                    addUse(links, address, use);
                }
            });
        }
    }

    private static void addUse(Map<String, String> links, String address, HostUse use) {
        String devices = "../../devices/" + path(address);
        if (isDisk(use)) {
            String disk = devices + "/nvme/nvme" + index(address) + "/" + disk(address);
            String partition = disk(address) + "p" + partition(use);
            links.put(BLOCK + disk(address), disk);
            links.put(BLOCK + partition, disk + "/" + partition);
            links.put(BLOCK_NUMBERS + number(address, 0), disk);
            links.put(BLOCK_NUMBERS + number(address, partition(use)), disk + "/" + partition);
        } else if (use == HostUse.NETWORK) {
            links.put("/sys/class/net/" + network(address), devices + "/net/" + network(address));
        }
    }

    private static String path(String address) {
        return "pci" + address.substring(0, 7) + "/" + address;
    }
}
