package org.jvfio.emulator;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
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
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

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

    /** {@code open(2)}: a descriptor, or a negated errno. */
    int open(String path, int flags) {
        boolean reads = (flags & vfio_h.O_ACCMODE) != vfio_h.O_WRONLY;
        boolean writes = (flags & vfio_h.O_ACCMODE) != vfio_h.O_RDONLY;
        HostFile file = find(path);
        if (file != null) {
            return file.allows(reads, writes, root)
                    ? task.add(path, file.opener().get())
                    : Errno.EACCES.negated();
        }
        if (!isDirectory(path)) {
            return Errno.ENOENT.negated();
        }
        return writes ? Errno.EISDIR.negated() : task.add(path, new Directory());
    }

    /** Whether a path is a directory, or one of the links of sysfs, all of which go to directories. */
    private boolean isDirectory(String path) {
        return links(path).containsKey(path) || !names(path).isEmpty();
    }

    private @Nullable HostFile find(String path) {
        HostFile command = DriverFile.find(host, path);
        if (command != null) {
            return command;
        }
        PciFunction function = function(path);
        if (function != null) {
            int directory = DEVICES.length() + function.address().length() + 1;
            return directory < path.length() ? functionFiles.find(function, path.substring(directory), root) : null;
        }
        Supplier<String> text = files(path).get(path);
        return text == null ? null : HostFile.ofText(text);
    }

    /** The text of a file. One that cannot be opened or read fails with the error of that call. */
    String readFile(String path) throws IOException {
        HostFile file = find(path);
        if (file == null) {
            throw isDirectory(path) ? failure(path, Errno.EISDIR) : new NoSuchFileException(path);
        }
        if (!file.allows(true, false, root)) {
            throw new AccessDeniedException(path);
        }
        Supplier<String> text = file.text();
        return text != null ? text.get() : readBytes(path, file.opener().get());
    }

    private static String readBytes(String path, OpenFile file) throws IOException {
        MemorySegment buffer = MemorySegment.ofArray(new byte[VitalProductData.MAX_BYTES]);
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        long count;
        do {
            count = file.pread(buffer, bytes.size());
            if (count < 0) {
                throw failure(path, Errno.of((int) -count).orElseThrow());
            }
            bytes.writeBytes(buffer.asSlice(0, count).toArray(ValueLayout.JAVA_BYTE));
        } while (count > 0);
        return StandardCharsets.UTF_8
                .newDecoder()
                .decode(ByteBuffer.wrap(bytes.toByteArray()))
                .toString();
    }

    private static IOException failure(String path, Errno errno) {
        return new FileSystemException(path, null, errno.text());
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
        if (directory.equals(GROUPS + "0/devices") && hasEmptyGroup()) {
            return List.of();
        }
        Set<String> names = names(directory);
        return List.copyOf(existing(directory, names.isEmpty() ? null : names));
    }

    private Set<String> names(String directory) {
        String prefix = directory.endsWith("/") ? directory : directory + "/";
        Set<String> names = new TreeSet<>();
        addNames(names, prefix, files(prefix));
        addNames(names, prefix, links(prefix));
        if (prefix.equals(GROUPS + "0/") && hasEmptyGroup()) {
            names.add("devices");
        }
        return names;
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
            // Only their names matter here: find() has the files themselves.
            functionFiles.names(function).forEach(name -> files.put(DEVICES + address + "/" + name, () -> ""));
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
    static String up(PciFunction function) {
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
