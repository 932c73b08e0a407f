package org.jvfio;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.ToIntFunction;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_h;

/** A kernel in front of another one that counts the system calls of the thread that made it, and makes one of them fail. */
public final class ObservedKernel {
    private static final Set<String> SYSTEM_CALLS = Set.of(
            "open", "close", "ioctl", "mmap", "munmap", "pread", "pwrite", "read", "getrlimit", "sysconf", "eventfd");
    // The kernel lets go of a descriptor or of memory even where it reports an error of the file behind it.
    private static final Set<String> DONE_ALTHOUGH_FAILED = Set.of("close", "munmap");

    private static final Map<Integer, String> RELEASES = Map.of(
            vfio_h.VFIO_IOMMU_UNMAP_DMA, "UNMAP_DMA",
            vfio_h.VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, "UNREGISTER_MEMORY",
            vfio_h.VFIO_IOMMU_SPAPR_TCE_REMOVE, "TCE_REMOVE");

    private static final ValueLayout.OfInt LITTLE_INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort LITTLE_SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final long CONFIG = (long) vfio_h.VFIO_PCI_CONFIG_REGION_INDEX << 40;

    private final Kernel behind;
    private final Kernel kernel;
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
        this.behind = behind;
        this.kernel = (Kernel)
                Proxy.newProxyInstance(Kernel.class.getClassLoader(), new Class<?>[] {Kernel.class}, this::invoke);
    }

    /** The kernel to be used. */
    public Kernel kernel() {
        return kernel;
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

    private void noteRelease(String name, Object[] arguments) {
        switch (name) {
            case "ioctl" ->
                Optional.ofNullable(RELEASES.get((Integer) arguments[1])).ifPresent(releases::add);
            case "munmap" -> releases.add(name);
            case "close" ->
                Optional.ofNullable(opened.remove((Integer) arguments[0]))
                        .ifPresent(file -> releases.add("close " + file));
            case "pwrite" -> {
                boolean isCommand = arguments[2].equals(CONFIG + vfio_h.PCI_COMMAND);
                if (isCommand
                        && (((MemorySegment) arguments[1]).get(LITTLE_SHORT, 0) & vfio_h.PCI_COMMAND_MASTER) == 0) {
                    releases.add("BUS_MASTER off");
                }
            }
            default -> {}
        }
    }

    private void noteOpened(String name, Object[] arguments, @Nullable Object result) {
        boolean isFile = name.equals("open") && ((String) arguments[0]).startsWith("/dev/vfio/");
        boolean isDevice = name.equals("ioctl") && arguments[1].equals(vfio_h.VFIO_GROUP_GET_DEVICE_FD);
        if ((isFile || isDevice) && result instanceof Integer descriptor && descriptor >= 0) {
            opened.put(descriptor, isDevice ? "device" : (String) arguments[0]);
        }
    }

    private synchronized void made(Object[] arguments) {
        requests.add((Integer) arguments[1]);
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

    private boolean failsAtRandom(Method method) {
        if (faults == null || faults.nextInt(8) != 0) {
            return false;
        }
        List<Errno> errors = List.of(Errno.EIO, Errno.EINVAL, Errno.ENOMEM, Errno.EPERM, Errno.ENXIO, Errno.EFAULT);
        // An ioctl that opens a device answers with a descriptor: a positive number would be one.
        boolean positive = method.getName().equals("ioctl") && lastRequest() != vfio_h.VFIO_GROUP_GET_DEVICE_FD;
        answer = positive && faults.nextInt(4) == 0
                ? 1
                : errors.get(faults.nextInt(errors.size())).negated();
        return true;
    }

    private synchronized int lastRequest() {
        return requests.getLast();
    }

    /** Answers ioctls of a number in the kernel's place, from now on; what it gets is the caller's struct. */
    void answerRequest(int request, ToIntFunction<MemorySegment> answerer) {
        answers.put(request, answerer);
    }

    /** Answers reads of configuration space from these bytes, and has writes change them, from now on. */
    void answerConfig(byte[] bytes) {
        config = bytes;
    }

    /** Lets only some bits of registers of 4 bytes be set in what {@link #answerConfig} answers; the lowest 4 stay as they are. */
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

    private @Nullable Object answeredOfMapped(Method method, Object[] arguments) {
        MemorySegment memory = mappedMemory;
        if (memory == null) {
            return null;
        }
        return switch (method.getName()) {
            case "mmap" -> (Integer) arguments[3] >= 0 ? (Object) memory.address() : null;
            case "memory" -> arguments[0].equals(memory.address()) ? memory.asSlice(0, (Long) arguments[1]) : null;
            case "munmap" -> arguments[0].equals(memory.address()) ? (Object) 0 : null;
            default -> null;
        };
    }

    private @Nullable Object answered(Method method, Object[] arguments) {
        return switch (method.getName()) {
            case "ioctl" -> {
                ToIntFunction<MemorySegment> answerer = answers.get((Integer) arguments[1]);
                yield answerer == null ? null : (Object) answerer.applyAsInt((MemorySegment) arguments[2]);
            }
            case "pread", "pwrite" -> {
                MemorySegment buffer = (MemorySegment) arguments[1];
                long at = (Long) arguments[2] - CONFIG;
                if (config == null || at < 0) {
                    yield null;
                }
                MemorySegment bytes = MemorySegment.ofArray(config).asSlice(at, buffer.byteSize());
                if (method.getName().equals("pread")) {
                    buffer.copyFrom(bytes);
                } else {
                    writeConfig(bytes, (int) at, buffer);
                }
                yield (Object) buffer.byteSize();
            }
            case "mmap" ->
                mapsZeros && (Integer) arguments[3] >= 0
                        ? (Object) behind.mmap(
                                (Long) arguments[0],
                                (Integer) arguments[1],
                                vfio_h.MAP_PRIVATE | vfio_h.MAP_ANONYMOUS,
                                -1,
                                0)
                        : null;
            default -> null;
        };
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

    private @Nullable Object invoke(Object proxy, Method method, Object[] arguments) throws Throwable {
        try {
            if (method.getName().equals("poll") && pollAnswer != 0) {
                return pollAnswer;
            }
            Object ofMapped = answeredOfMapped(method, arguments);
            if (ofMapped != null) {
                return ofMapped;
            }
            if (!SYSTEM_CALLS.contains(method.getName()) || Thread.currentThread() != observed) {
                return method.invoke(behind, arguments);
            }
            names.add(method.getName());
            noteRelease(method.getName(), arguments);
            if (method.getName().equals("ioctl")) {
                made(arguments);
            }
            boolean fails = calls++ == failing
                    || failsAtRandom(method)
                    || (method.getName().equals("ioctl") && arguments[1].equals(failingRequest) && passing-- <= 0);
            if (!fails && method.getName().equals("ioctl") && arguments[1].equals(replacedRequest)) {
                try (Arena arena = Arena.ofConfined()) {
                    Object struct = replacement.apply(arena, (MemorySegment) arguments[2]);
                    return method.invoke(behind, arguments[0], arguments[1], struct);
                }
            }
            if (!fails) {
                Object answered = answered(method, arguments);
                Object result = answered != null ? answered : method.invoke(behind, arguments);
                noteOpened(method.getName(), arguments, result);
                return result;
            }
            if (DONE_ALTHOUGH_FAILED.contains(method.getName())) {
                method.invoke(behind, arguments);
            }
            return method.getReturnType() == int.class ? (Object) (int) answer : (Object) answer;
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }
}
