package org.jvfio;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.function.BiFunction;
import java.util.function.ToIntFunction;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.ForwardingKernel;
import org.jvfio.uapi.vfio_h;

/**
 * A kernel in front of another one that counts the system calls of the thread that made it, and makes one of them fail.
 */
public final class ObservedKernel extends ForwardingKernel {
    private static final Map<Integer, String> RELEASES = Map.of(
            vfio_h.VFIO_IOMMU_UNMAP_DMA, "UNMAP_DMA",
            vfio_h.VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, "UNREGISTER_MEMORY",
            vfio_h.VFIO_IOMMU_SPAPR_TCE_REMOVE, "TCE_REMOVE");

    private static final ValueLayout.OfInt LITTLE_INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort LITTLE_SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final long CONFIG = (long) vfio_h.VFIO_PCI_CONFIG_REGION_INDEX << 40;

    private final Thread observed = Thread.currentThread();
    private final List<Integer> requests = new ArrayList<>();
    private final List<String> names = new ArrayList<>();
    private final Map<Integer, String> opened = new HashMap<>();
    private final List<String> releases = new ArrayList<>();
    private final Map<Integer, ToIntFunction<MemorySegment>> answers = new HashMap<>();
    private final Map<Integer, Integer> configMasks = new HashMap<>();
    private final Map<Integer, Short> configFlags = new HashMap<>();
    private byte @Nullable [] config;
    private boolean mapsZeros;
    private @Nullable MemorySegment mappedMemory;
    private volatile int pollAnswer;
    private int calls;
    private int failing = -1;
    private int failingRequest = -1;
    private @Nullable Random faults;
    private int passing;
    private int replacedRequest = -1;
    private BiFunction<Arena, MemorySegment, MemorySegment> replacement = (arena, struct) -> struct;
    private long answer = Errno.EIO.negated();

    /** In front of a kernel, letting everything through. */
    public ObservedKernel(Kernel behind) {
        super(behind);
    }

    /** The kernel to be used. */
    public Kernel kernel() {
        return this;
    }

    /** How many system calls were made. */
    public int calls() {
        return calls;
    }

    /** How many calls of a name were made. */
    long calls(String name) {
        return names.stream().filter(name::equals).count();
    }

    /** How many ioctls of this number were made. */
    public synchronized long made(int request) {
        return requests.stream().filter(made -> made == request).count();
    }

    /**
     * The calls so far that give something back, in their order: bus mastering of a device turned off, requests by the
     * end of their names, memory given back, and files of VFIO, or devices, closed. Those that failed are among them.
     */
    List<String> releases() {
        return List.copyOf(releases);
    }

    private int noteOpened(int descriptor, String file) {
        if (descriptor >= 0) {
            opened.put(descriptor, file);
        }
        return descriptor;
    }

    /** Makes the system call of this number fail, counted from 0. */
    void failCall(int number) {
        failing = number;
    }

    /** Makes every ioctl of this number answer so, from now on. */
    public void failRequest(int request, long newAnswer) {
        failingRequest = request;
        answer = newAnswer;
    }

    /** Makes every ioctl of this number answer so, after some that are let through. */
    void failRequest(int request, long newAnswer, int letThrough) {
        failRequest(request, newAnswer);
        passing = letThrough;
    }

    /** Passes other structs than the caller's to ioctls of a number, from now on. */
    void replaceArgument(int request, BiFunction<Arena, MemorySegment, MemorySegment> replacement) {
        replacedRequest = request;
        this.replacement = replacement;
    }

    /** Makes one in eight system calls fail, with errors, or where it is an ioctl with a positive answer, at random. */
    void failAtRandom(Random source) {
        faults = source;
    }

    /** Counts a system call of the observed thread: whether it fails. */
    private boolean fails(String name, boolean mayBePositive) {
        names.add(name);
        return calls++ == failing || failsAtRandom(mayBePositive);
    }

    private boolean failsAtRandom(boolean mayBePositive) {
        if (faults == null || faults.nextInt(8) != 0) {
            return false;
        }
        List<Errno> errors = List.of(Errno.EIO, Errno.EINVAL, Errno.ENOMEM, Errno.EPERM, Errno.ENXIO, Errno.EFAULT);
        answer = mayBePositive && faults.nextInt(4) == 0
                ? 1
                : errors.get(faults.nextInt(errors.size())).negated();
        return true;
    }

    private boolean isObserved() {
        return Thread.currentThread() == observed;
    }

    /** Answers ioctls of a number in the kernel's place, from now on; what it gets is the caller's struct. */
    void answerRequest(int request, ToIntFunction<MemorySegment> answerer) {
        answers.put(request, answerer);
    }

    /** Answers reads of configuration space from these bytes, and has writes change them, from now on. */
    void answerConfig(byte[] bytes) {
        config = bytes;
    }

    /**
     * Lets only some bits of registers of 4 bytes be set in what {@link #answerConfig} answers; the lowest 4 stay as
     * they are.
     */
    void maskConfig(int offset, int... masks) {
        for (int each = 0; each < masks.length; each++) {
            configMasks.put(offset + each * Integer.BYTES, masks[each]);
        }
    }

    /** Sets bits whenever a register of 2 bytes is written in what {@link #answerConfig} answers. */
    void flagWrites(int offset, short flags) {
        configFlags.put(offset, flags);
    }

    private void writeConfig(MemorySegment bytes, int at, MemorySegment buffer) {
        bytes.copyFrom(buffer);
        Integer mask = configMasks.get(at);
        if (mask != null && mask != -1) {
            int flags = mask & 0xf;
            bytes.set(LITTLE_INT, 0, (bytes.get(LITTLE_INT, 0) & mask & ~0xf) | flags);
        }
        Short flags = configFlags.get(at);
        if (flags != null) {
            bytes.set(LITTLE_SHORT, 0, (short) (bytes.get(LITTLE_SHORT, 0) | flags));
        }
    }

    /** Gives zeros to who maps a device, as if its BARs were memory. */
    void mapZeros() {
        mapsZeros = true;
    }

    /** Gives memory to who maps a device, as if it were a BAR of it. */
    void mapMemory(MemorySegment memory) {
        mappedMemory = memory;
    }

    /** Makes polls fail, of whatever thread, from now on. */
    void failPolls(Errno errno) {
        pollAnswer = errno.negated();
    }

    /** Lets everything through again. */
    public void heal() {
        answers.clear();
        config = null;
        mapsZeros = false;
        pollAnswer = 0;
        passing = 0;
        replacedRequest = -1;
        failing = -1;
        failingRequest = -1;
        faults = null;
    }

    @Override
    public int open(String path, int flags) {
        if (!isObserved()) {
            return super.open(path, flags);
        }
        if (fails("open", false)) {
            return (int) answer;
        }
        int descriptor = super.open(path, flags);
        return path.startsWith("/dev/vfio/") ? noteOpened(descriptor, path) : descriptor;
    }

    /** Closes the file even where it reports an error, as the kernel does. */
    @Override
    public int close(int fd) {
        if (!isObserved()) {
            return super.close(fd);
        }
        Optional.ofNullable(opened.remove(fd)).ifPresent(file -> releases.add("close " + file));
        boolean fails = fails("close", false);
        int result = super.close(fd);
        return fails ? (int) answer : result;
    }

    @Override
    public int ioctl(int fd, int request, long argument) {
        return isObserved() && requestFails(request) ? (int) answer : super.ioctl(fd, request, argument);
    }

    @Override
    public int ioctl(int fd, int request, MemorySegment argument) {
        if (!isObserved()) {
            return super.ioctl(fd, request, argument);
        }
        if (requestFails(request)) {
            return (int) answer;
        }
        if (request == replacedRequest) {
            try (Arena arena = Arena.ofConfined()) {
                return super.ioctl(fd, request, replacement.apply(arena, argument));
            }
        }
        ToIntFunction<MemorySegment> answerer = answers.get(request);
        int result = answerer == null ? super.ioctl(fd, request, argument) : answerer.applyAsInt(argument);
        return request == vfio_h.VFIO_GROUP_GET_DEVICE_FD ? noteOpened(result, "device") : result;
    }

    private boolean requestFails(int request) {
        Optional.ofNullable(RELEASES.get(request)).ifPresent(releases::add);
        synchronized (this) {
            requests.add(request);
        }
        // An ioctl that opens a device answers with a descriptor: a positive number would be one.
        return fails("ioctl", request != vfio_h.VFIO_GROUP_GET_DEVICE_FD)
                || (request == failingRequest && passing-- <= 0);
    }

    @Override
    public long mmap(long length, int protection, int flags, int fd, long offset) {
        MemorySegment memory = mappedMemory;
        if (memory != null && fd >= 0) {
            return memory.address();
        }
        if (isObserved() && fails("mmap", false)) {
            return answer;
        }
        return isObserved() && mapsZeros && fd >= 0
                ? super.mmap(length, protection, vfio_h.MAP_PRIVATE | vfio_h.MAP_ANONYMOUS, -1, 0)
                : super.mmap(length, protection, flags, fd, offset);
    }

    /** Unmaps the memory even where it reports an error, as the kernel does. */
    @Override
    public int munmap(long address, long length) {
        if (isMappedMemory(address)) {
            return 0;
        }
        if (!isObserved()) {
            return super.munmap(address, length);
        }
        releases.add("munmap");
        boolean fails = fails("munmap", false);
        int result = super.munmap(address, length);
        return fails ? (int) answer : result;
    }

    @Override
    public MemorySegment memory(long address, long length) {
        MemorySegment memory = mappedMemory;
        return memory != null && isMappedMemory(address) ? memory.asSlice(0, length) : super.memory(address, length);
    }

    private boolean isMappedMemory(long address) {
        MemorySegment memory = mappedMemory;
        return memory != null && memory.address() == address;
    }

    @Override
    public long pread(int fd, MemorySegment buffer, long offset) {
        if (!isObserved()) {
            return super.pread(fd, buffer, offset);
        }
        if (fails("pread", false)) {
            return answer;
        }
        MemorySegment bytes = answeredConfig(buffer, offset);
        if (bytes == null) {
            return super.pread(fd, buffer, offset);
        }
        buffer.copyFrom(bytes);
        return buffer.byteSize();
    }

    @Override
    public long pwrite(int fd, MemorySegment buffer, long offset) {
        if (!isObserved()) {
            return super.pwrite(fd, buffer, offset);
        }
        boolean isCommand = offset == CONFIG + vfio_h.PCI_COMMAND;
        if (isCommand && (buffer.get(LITTLE_SHORT, 0) & vfio_h.PCI_COMMAND_MASTER) == 0) {
            releases.add("BUS_MASTER off");
        }
        if (fails("pwrite", false)) {
            return answer;
        }
        MemorySegment bytes = answeredConfig(buffer, offset);
        if (bytes == null) {
            return super.pwrite(fd, buffer, offset);
        }
        writeConfig(bytes, (int) (offset - CONFIG), buffer);
        return buffer.byteSize();
    }

    private @Nullable MemorySegment answeredConfig(MemorySegment buffer, long offset) {
        byte[] bytes = config;
        return bytes == null || offset < CONFIG
                ? null
                : MemorySegment.ofArray(bytes).asSlice(offset - CONFIG, buffer.byteSize());
    }

    @Override
    public long read(int fd, MemorySegment buffer) {
        return isObserved() && fails("read", false) ? answer : super.read(fd, buffer);
    }

    @Override
    public int getrlimit(int resource, MemorySegment rlimit) {
        return isObserved() && fails("getrlimit", false) ? (int) answer : super.getrlimit(resource, rlimit);
    }

    @Override
    public long sysconf(int name) {
        return isObserved() && fails("sysconf", false) ? answer : super.sysconf(name);
    }

    @Override
    public int eventfd(int initialValue, int flags) {
        return isObserved() && fails("eventfd", false) ? (int) answer : super.eventfd(initialValue, flags);
    }

    @Override
    public int poll(MemorySegment pollfds, int timeoutMillis) {
        int failure = pollAnswer;
        return failure != 0 ? failure : super.poll(pollfds, timeoutMillis);
    }
}
