package org.jvfio.emulator;

import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The files of sysfs and procfs about PCI devices, IOMMU groups, memory, processes and the kernel. */
final class Sysfs {
    private static final String DEVICES = "/sys/bus/pci/devices/";
    private static final String GROUPS = "/sys/kernel/iommu_groups/";

    private static final long ALL_CAPABILITIES = (1L << 41) - 1;
    private static final long CAP_IPC_LOCK = 1L << 14;
    private static final int ROOT = 0;
    private static final int FIRST_USER = 1000;
    private static final Pattern NUMBER = Pattern.compile("0|[1-9][0-9]{0,8}");

    private final EmulatedHost host;
    private final Task task;
    private final boolean root;
    private final HostTree tree;
    private final FunctionFiles functionFiles;

    Sysfs(EmulatedHost host, Task task, boolean root) {
        this.host = host;
        this.task = task;
        this.root = root;
        this.tree = new HostTree(host);
        this.functionFiles = new FunctionFiles(host);
    }

    String readFile(String path) throws IOException {
        PciFunction function = function(path);
        int directory = function == null
                ? path.length()
                : DEVICES.length() + function.address().length() + 1;
        Supplier<String> file = function != null && directory < path.length()
                ? functionFiles.find(function, path.substring(directory))
                : files(path).get(path);
        return existing(path, file).get();
    }

    /** The function whose directory a path is below, or goes to. */
    private @Nullable PciFunction function(String path) {
        String address = nameBelow(DEVICES, path);
        return address.isEmpty() ? null : host.functions().get(address);
    }

    String readLink(String path) throws IOException {
        return existing(path, links(path).get(path));
    }

    List<String> list(String directory) throws IOException {
        String prefix = directory.endsWith("/") ? directory : directory + "/";
        Set<String> names = new TreeSet<>();
        addNames(names, prefix, files(prefix));
        addNames(names, prefix, links(prefix));
        if (prefix.equals(GROUPS + "0/devices/") && hasEmptyGroup()) {
            return List.of();
        }
        if (prefix.equals(GROUPS + "0/") && hasEmptyGroup()) {
            names.add("devices");
        }
        return List.copyOf(existing(directory, names.isEmpty() ? null : names));
    }

    private static void addNames(Set<String> names, String prefix, NavigableMap<String, ?> paths) {
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

    /**
     * The name below a directory that a path goes through; empty if the path is the directory or above it.
     *
     * @param directory ends with a slash
     */
    static String nameBelow(String directory, String wanted) {
        if (!wanted.startsWith(directory)) {
            return "";
        }
        int end = wanted.indexOf('/', directory.length());
        return wanted.substring(directory.length(), end < 0 ? wanted.length() : end);
    }

    /**
     * The files that a path may mean, or enough of those below it to tell the names in it. Only these are made, as a
     * program reads many files, each of them alone, and a host may have many devices.
     */
    private NavigableMap<String, Supplier<String>> files(String wanted) {
        NavigableMap<String, Supplier<String>> files = new TreeMap<>();
        tree.addFiles(files, wanted);
        addDevices(files, wanted);
        addGroups(files, wanted);
        if (isRelated("/proc/", wanted)) {
            addProcesses(files);
        }
        return files;
    }

    private void addDevices(Map<String, Supplier<String>> files, String wanted) {
        if (!isRelated(DEVICES, wanted)) {
            return;
        }
        String address = nameBelow(DEVICES, wanted);
        if (address.isEmpty()) {
            host.functions().keySet().forEach(each -> files.put(DEVICES + each + "/vendor", () -> ""));
            return;
        }
        PciFunction function = host.functions().get(address);
        if (function != null) {
            functionFiles.all(function).forEach((name, text) -> files.put(DEVICES + address + "/" + name, text));
        }
    }

    private void addGroups(Map<String, Supplier<String>> files, String wanted) {
        if (!isRelated(GROUPS, wanted)) {
            return;
        }
        String name = nameBelow(GROUPS, wanted);
        if (hasEmptyGroup() && (name.isEmpty() || name.equals("0"))) {
            files.put(GROUPS + "0/type", () -> "unknown\n");
            files.put(GROUPS + "0/name", () -> "domain0-pe0\n");
            files.put(GROUPS + "0/reserved_regions", () -> "");
        }
        for (IommuGroup group : groups(name)) {
            String directory = GROUPS + group.number() + "/";
            files.put(directory + "type", () -> "unknown\n");
            if (!name.isEmpty()) {
                int domain = group.functions().getFirst().domain();
                files.put(directory + "name", () -> name(domain, group.pe().bridge()));
                files.put(directory + "reserved_regions", () -> "");
            }
        }
    }

    /** In an LPAR, the bridge that comes with it has a group, whether or not a device is below it. */
    private boolean hasEmptyGroup() {
        return !host.machine().platform().isPowernv() && host.iommuGroup(0) == null;
    }

    /** The group of this number, or all for no name. */
    private Collection<IommuGroup> groups(String name) {
        if (name.isEmpty()) {
            return host.iommuGroups().values();
        }
        IommuGroup group = NUMBER.matcher(name).matches() ? host.iommuGroup(Integer.parseInt(name)) : null;
        return group == null ? List.of() : List.of(group);
    }

    private void addProcesses(Map<String, Supplier<String>> files) {
        long kibPerPage = (1L << host.machine().pageShift()) / 1024;
        files.put(
                "/proc/self/status",
                () -> String.format(
                        Locale.ROOT,
                        "Uid:\t%1$d\t%1$d\t%1$d\t%1$d\nVmLck:\t%2$8d kB\nCapEff:\t%3$016x\n",
                        root && task.mm().mayLock() ? ROOT : FIRST_USER,
                        task.mm().lockedPages() * kibPerPage,
                        task.mm().mayLock() ? ALL_CAPABILITIES : ALL_CAPABILITIES & ~CAP_IPC_LOCK));
        host.tasks().keySet().forEach(pid -> files.put("/proc/" + pid + "/comm", () -> "java\n"));
        files.put("/proc/sys/kernel/osrelease", () -> host.machine().release() + ".0-emulated\n");
    }

    private static String name(int domain, HostBridge bridge) {
        return "domain" + domain + "-pe" + bridge.platform().endpoint(domain) + "\n";
    }

    /** The links that a path may mean, or that are below it, as of {@link #files}. */
    private NavigableMap<String, String> links(String wanted) {
        NavigableMap<String, String> links = new TreeMap<>();
        tree.addLinks(links, wanted);
        if (isRelated("/proc/", wanted)) {
            addDescriptors(links);
        }
        PciFunction function = function(wanted);
        if (function != null) {
            String device = DEVICES + function.address();
            links.put(
                    device + "/iommu_group",
                    up(function) + "kernel/iommu_groups/"
                            + host.groupOf(function).number());
            if (function.driver() != HostDriver.NONE) {
                links.put(device + "/driver", up(function) + "bus/pci/drivers/" + function.driverName());
            }
        }
        String name = nameBelow(GROUPS, wanted);
        if (!name.isEmpty()) {
            groups(name)
                    .forEach(group -> group.functions()
                            .forEach(each -> links.put(
                                    GROUPS + group.number() + "/devices/" + each.address(),
                                    "../../../../devices/pci" + each.address().substring(0, 7) + "/"
                                            + each.address())));
        }
        return links;
    }

    /** From the directory of a function up to that of sysfs: behind a root port it is one deeper than on a root bus. */
    private static String up(PciFunction function) {
        return function.address().startsWith("00", 5) ? "../../../" : "../../../../";
    }

    private void addDescriptors(Map<String, String> links) {
        host.tasks().forEach((pid, each) -> {
            if (each == task) {
                links.put("/proc/self", pid.toString());
            }
            each.descriptors().forEach(fd -> links.put("/proc/" + pid + "/fd/" + fd, each.path(fd)));
        });
    }
}
