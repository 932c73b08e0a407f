package org.jvfio.emulator;

import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.util.List;
import java.util.Locale;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.DeviceIdentity;

/** The files of sysfs and procfs about PCI devices, IOMMU groups, memory, processes and the kernel. */
final class Sysfs {
    private static final String DEVICES = "/sys/bus/pci/devices/";
    private static final String GROUPS = "/sys/kernel/iommu_groups/";

    private static final long ALL_CAPABILITIES = (1L << 41) - 1;
    private static final long CAP_IPC_LOCK = 1L << 14;
    private static final int ROOT = 0;
    private static final int FIRST_USER = 1000;

    private final EmulatedHost host;
    private final Task task;
    private final HostTree tree;

    Sysfs(EmulatedHost host, Task task) {
        this.host = host;
        this.task = task;
        this.tree = new HostTree(host);
    }

    String readFile(String path) throws IOException {
        return existing(path, files(path).get(path));
    }

    String readLink(String path) throws IOException {
        return existing(path, links().get(path));
    }

    List<String> list(String directory) throws IOException {
        String prefix = directory.endsWith("/") ? directory : directory + "/";
        Set<String> names = new TreeSet<>();
        addNames(names, prefix, files(prefix));
        addNames(names, prefix, links());
        return List.copyOf(existing(directory, names.isEmpty() ? null : names));
    }

    private static void addNames(Set<String> names, String prefix, NavigableMap<String, String> paths) {
        for (String path : paths.tailMap(prefix, false).keySet()) {
            if (!path.startsWith(prefix)) {
                return;
            }
            int end = path.indexOf('/', prefix.length());
            names.add(path.substring(prefix.length(), end < 0 ? path.length() : end));
        }
    }

    private static <T> T existing(String path, @Nullable T found) throws IOException {
        if (found == null) {
            throw new NoSuchFileException(path);
        }
        return found;
    }

    /** Whether one of two paths is the other, or below it. */
    static boolean isRelated(String path, String wanted) {
        return wanted.startsWith(path) || path.startsWith(wanted);
    }

    /** The files that a path may mean, or that are below it. */
    private NavigableMap<String, String> files(String wanted) {
        NavigableMap<String, String> files = new TreeMap<>();
        tree.addFiles(files, wanted);
        for (PciFunction function : host.functions().values()) {
            String device = DEVICES + function.address();
            if (!isRelated(device, wanted)) {
                continue;
            }
            DeviceIdentity identity = function.identity();
            files.put(device + "/vendor", "0x%04x\n".formatted(identity.vendor()));
            files.put(device + "/device", "0x%04x\n".formatted(identity.device()));
            files.put(device + "/class", "0x%06x\n".formatted(identity.classCode()));
            files.put(
                    device + "/driver_override",
                    Objects.requireNonNullElse(function.driverOverride(), "(null)") + "\n");
            files.put(device + "/revision", "0x%02x\n".formatted(identity.revision()));
        }
        if (wanted.startsWith(DEVICES)) {
            return files;
        }
        for (IommuGroup group : host.iommuGroups().values()) {
            int domain = group.functions().getFirst().domain();
            files.put(GROUPS + group.number() + "/name", name(domain, group.pe().bridge()));
            files.put(GROUPS + group.number() + "/reserved_regions", "");
            files.put(GROUPS + group.number() + "/type", "unknown\n");
        }
        long kibPerPage = (1L << host.machine().pageShift()) / 1024;
        files.put(
                "/proc/self/status",
                String.format(
                        Locale.ROOT,
                        "Uid:\t%1$d\t%1$d\t%1$d\t%1$d\nVmLck:\t%2$8d kB\nCapEff:\t%3$016x\n",
                        task.mm().mayLock() && host.machine().groupsAccessible() ? ROOT : FIRST_USER,
                        task.mm().lockedPages() * kibPerPage,
                        task.mm().mayLock() ? ALL_CAPABILITIES : ALL_CAPABILITIES & ~CAP_IPC_LOCK));
        host.tasks().keySet().forEach(pid -> files.put("/proc/" + pid + "/comm", "java\n"));
        files.put("/proc/sys/kernel/osrelease", host.machine().release() + ".0-emulated\n");
        return files;
    }

    private static String name(int domain, HostBridge bridge) {
        return "domain%d-pe%s\n".formatted(domain, bridge.platform().endpoint(domain));
    }

    private NavigableMap<String, String> links() {
        NavigableMap<String, String> links = new TreeMap<>();
        tree.addLinks(links);
        host.tasks().forEach((pid, each) -> {
            if (each == task) {
                links.put("/proc/self", pid.toString());
            }
            each.descriptors().forEach(fd -> links.put("/proc/" + pid + "/fd/" + fd, each.path(fd)));
        });
        for (IommuGroup group : host.iommuGroups().values()) {
            for (PciFunction function : group.functions()) {
                String device = DEVICES + function.address();
                links.put(device + "/iommu_group", "../../../../kernel/iommu_groups/" + group.number());
                links.put(
                        GROUPS + group.number() + "/devices/" + function.address(),
                        "../../../../devices/pci" + function.address().substring(0, 7) + "/" + function.address());
                if (function.driver() != HostDriver.NONE) {
                    String driver = function.driver().sysfsName();
                    links.put(device + "/driver", "../../../../bus/pci/drivers/" + driver);
                }
            }
        }
        return links;
    }
}
