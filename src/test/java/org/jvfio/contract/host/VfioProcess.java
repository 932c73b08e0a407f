package org.jvfio.contract.host;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.kernel.ProcessStatus;
import org.jvfio.uapi.rlimit;
import org.jvfio.uapi.vfio_h;

/** A process that uses VFIO. It knows what it has open and mapped, and must end with nothing left of it. */
public final class VfioProcess {
    public static final ValueLayout.OfShort LITTLE_ENDIAN_SHORT =
            ValueLayout.JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final long MEMORY_ALIGNMENT = 1L << 16;
    private static final String DEVICES = "/sys/bus/pci/devices/";

    private final Kernel kernel;
    private final Consumer<Boolean> capIpcLock;
    private final Supplier<SecondProcess> second;
    private final Runnable exit;
    private final Arena arena = Arena.ofConfined();
    private final LinkedHashSet<Integer> descriptors = new LinkedHashSet<>();
    private final TreeMap<Long, Long> mappings = new TreeMap<>();
    private final List<PciDevice> edus;
    private final long lockedAtStart;
    private final long memlockAtStart;
    private long leakedBytes;

    /**
     * A process.
     *
     * @param capIpcLock gives the process CAP_IPC_LOCK or takes it, which is no call of the seam
     * @param second another process of the same host, to begin with nothing open
     * @param exit ends the process, when all that it had open is closed
     */
    public VfioProcess(Kernel kernel, Consumer<Boolean> capIpcLock, Supplier<SecondProcess> second, Runnable exit) {
        this.kernel = kernel;
        this.capIpcLock = capIpcLock;
        this.second = second;
        this.exit = exit;
        edus = boundDevices(kernel, device -> is(kernel, device, "0x1234", "0x11e8"));
        lockedAtStart = lockedBytes();
        memlockAtStart = rlimit.rlim_cur(memlock());
    }

    public Kernel kernel() {
        return kernel;
    }

    /** Another process of the same host. */
    public SecondProcess second() {
        return second.get();
    }

    public long pageSize() {
        return kernel.sysconf(vfio_h._SC_PAGESIZE);
    }

    /** Allocates structs that live as long as the process. */
    public SegmentAllocator arena() {
        return arena;
    }

    /** A struct of zeros that lives as long as the process. */
    public MemorySegment struct(MemoryLayout layout) {
        return arena.allocate(layout);
    }

    public RawContainer openContainer() {
        return new RawContainer(this, mustOpen("/dev/vfio/vfio"));
    }

    public RawGroup openGroup(int number) {
        return new RawGroup(this, mustOpen("/dev/vfio/" + number));
    }

    private int mustOpen(String path) {
        int descriptor = open(path, vfio_h.O_RDWR);
        assertTrue(descriptor >= 0, () -> path + ": " + descriptor);
        return descriptor;
    }

    /** {@code open(2)}: a descriptor or a negated errno. */
    public int open(String path, int flags) {
        return opened(kernel.open(path, flags));
    }

    /** A descriptor that a call answered belongs to the process. */
    public int opened(int descriptor) {
        if (descriptor >= 0) {
            descriptors.add(descriptor);
        }
        return descriptor;
    }

    public int close(int descriptor) {
        descriptors.remove(descriptor);
        return kernel.close(descriptor);
    }

    /** Writes to a file of sysfs: 0, or a negated errno. */
    public long store(String path, String text) {
        int file = kernel.open(path, vfio_h.O_WRONLY);
        assertTrue(file >= 0, () -> path + ": " + file);
        try (Arena local = Arena.ofConfined()) {
            MemorySegment bytes = local.allocateFrom(text);
            long written = kernel.write(file, bytes.asSlice(0, bytes.byteSize() - 1));
            return written < 0 ? written : 0;
        } finally {
            assertEquals(0, kernel.close(file));
        }
    }

    /** The edu devices that vfio-pci had when the process started. */
    public List<PciDevice> edus() {
        return edus;
    }

    /** The NVMe controllers of QEMU that vfio-pci has, with their MSI-X and PCI Express capabilities. */
    public List<PciDevice> nvmes() {
        return boundDevices(kernel, device -> isNvme(kernel, device));
    }

    /** Whether a directory of sysfs is that of an NVMe controller of QEMU. */
    public static boolean isNvme(Kernel kernel, String device) {
        return is(kernel, device, "0x1b36", "0x0010");
    }

    private static boolean is(Kernel kernel, String device, String vendor, String id) {
        return text(kernel, device + "/vendor").equals(vendor)
                && text(kernel, device + "/device").equals(id);
    }

    private static String text(Kernel kernel, String path) {
        try {
            return kernel.readFile(path).strip();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The devices that vfio-pci has and whose directory in sysfs is accepted, in the order of their addresses. */
    public static List<PciDevice> boundDevices(Kernel kernel, Predicate<String> accepted) {
        List<PciDevice> found = new ArrayList<>();
        try {
            for (String address : kernel.list(DEVICES)) {
                String device = DEVICES + address;
                if (kernel.list(device).contains("driver")
                        && lastName(kernel, device + "/driver").equals("vfio-pci")
                        && accepted.test(device)) {
                    found.add(new PciDevice(address, Integer.parseInt(lastName(kernel, device + "/iommu_group"))));
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return found;
    }

    private static String lastName(Kernel kernel, String link) throws IOException {
        String target = kernel.readLink(link);
        return target.substring(target.lastIndexOf('/') + 1);
    }

    /** Anonymous memory that can be read and written, aligned to 64K: its address. */
    public long memory(long bytes) {
        return memory(bytes, vfio_h.PROT_READ | vfio_h.PROT_WRITE);
    }

    /** Anonymous memory that can only be read, aligned to 64K: its address. */
    public long readOnlyMemory(long bytes) {
        return memory(bytes, vfio_h.PROT_READ);
    }

    private long memory(long bytes, int protection) {
        long all = bytes + MEMORY_ALIGNMENT;
        long start = kernel.mmap(all, protection, vfio_h.MAP_PRIVATE | vfio_h.MAP_ANONYMOUS, -1, 0);
        assertTrue(!Errno.isError(start), () -> "mmap: " + start);
        mappings.put(start, all);
        long aligned = (start + MEMORY_ALIGNMENT - 1) & -MEMORY_ALIGNMENT;
        // What is left over on either side goes, so that the memory ends where it is said to.
        free(start, aligned - start);
        free(aligned + bytes, start + all - aligned - bytes);
        return aligned;
    }

    /** Shared anonymous memory in huge pages of this shift, if the host has them: its address. */
    public OptionalLong hugeMemory(int pageShift, long bytes) {
        int flags = vfio_h.MAP_SHARED | vfio_h.MAP_ANONYMOUS | vfio_h.MAP_HUGETLB | pageShift << vfio_h.MAP_HUGE_SHIFT;
        long start = kernel.mmap(bytes, vfio_h.PROT_READ | vfio_h.PROT_WRITE, flags, -1, 0);
        if (start == Errno.EINVAL.negated() || start == Errno.ENOMEM.negated()) {
            return OptionalLong.empty();
        }
        assertTrue(!Errno.isError(start), () -> "mmap: " + start);
        mappings.put(start, bytes);
        return OptionalLong.of(start);
    }

    /** {@code munmap(2)} of a part of memory. */
    public void free(long address, long bytes) {
        if (bytes == 0) {
            return;
        }
        assertEquals(0, kernel.munmap(address, bytes));
        Map.Entry<Long, Long> mapping = mappings.floorEntry(address);
        assertNotNull(mapping);
        long start = mapping.getKey();
        long end = start + mapping.getValue();
        mappings.remove(start);
        if (start != address) {
            mappings.put(start, address - start);
        }
        if (end != address + bytes) {
            mappings.put(address + bytes, end - address - bytes);
        }
    }

    /** Memory stays mapped for good: the kernel has not released it, and would not accept its addresses again. */
    public void keep(long address) {
        mappings.remove(address);
    }

    public MemorySegment segment(long address, long bytes) {
        return kernel.memory(address, bytes);
    }

    /** VmLck: the bytes of memory that are charged to the process as locked. */
    public long lockedBytes() {
        return ProcessStatus.lockedBytes(kernel);
    }

    /** The process may lock this much more than it has locked now, and is bound by it. */
    public void mayLock(long bytes) {
        setMemlock(lockedBytes() + bytes);
        capIpcLock.accept(false);
    }

    /** The process may lock what it likes. */
    public void mayLockAll() {
        capIpcLock.accept(true);
    }

    /** Runs what must not find a free descriptor. */
    public void withoutFreeDescriptors(Runnable calls) {
        MemorySegment limit = struct(rlimit.layout());
        assertEquals(0, kernel.getrlimit(vfio_h.RLIMIT_NOFILE, limit));
        long most = rlimit.rlim_cur(limit);
        int next = kernel.eventfd(0, 0);
        assertEquals(0, kernel.close(next));
        rlimit.rlim_cur(limit, next);
        assertEquals(0, kernel.setrlimit(vfio_h.RLIMIT_NOFILE, limit));
        try {
            calls.run();
        } finally {
            rlimit.rlim_cur(limit, most);
            assertEquals(0, kernel.setrlimit(vfio_h.RLIMIT_NOFILE, limit));
        }
    }

    private void setMemlock(long bytes) {
        MemorySegment limit = memlock();
        rlimit.rlim_cur(limit, bytes);
        if (Long.compareUnsigned(rlimit.rlim_max(limit), bytes) < 0) {
            rlimit.rlim_max(limit, bytes);
        }
        assertEquals(0, kernel.setrlimit(vfio_h.RLIMIT_MEMLOCK, limit));
    }

    private MemorySegment memlock() {
        MemorySegment limit = struct(rlimit.layout());
        assertEquals(0, kernel.getrlimit(vfio_h.RLIMIT_MEMLOCK, limit));
        return limit;
    }

    /** The test makes the kernel lose track of this much locked memory. */
    public void leaks(long bytes) {
        leakedBytes += bytes;
    }

    /** Closes and frees all, and checks that the kernel has released it. */
    public void end() {
        try {
            List.copyOf(descriptors).reversed().forEach(descriptor -> assertEquals(0, close(descriptor)));
            mappings.forEach((address, bytes) -> assertEquals(0, kernel.munmap(address, bytes)));
            assertEquals(lockedAtStart + leakedBytes, lockedBytes(), "locked memory");
            for (PciDevice device : edus) {
                RawGroup group = openGroup(device.group());
                assertEquals(vfio_h.VFIO_GROUP_FLAGS_VIABLE, group.flags());
                assertEquals(0, group.close());
            }
        } finally {
            mayLockAll();
            setMemlock(memlockAtStart);
            arena.close();
            exit.run();
        }
    }
}
