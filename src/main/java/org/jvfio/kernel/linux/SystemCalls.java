package org.jvfio.kernel.linux;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;
import java.lang.ref.WeakReference;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/**
 * The functions of the C library that make system calls, each with its C types: {@code int} is an int; {@code long},
 * {@code size_t}, {@code ssize_t} and {@code off_t} are longs; a pointer is a segment, or a long where it is only a
 * number. A failed call, for which C returns -1, returns the negated {@code errno}.
 *
 * <p>The linker writes {@code errno} into memory that the caller passes in, as part of the call itself: between the
 * call and the copy nothing else of this thread can run. The memory is one native {@code int} per thread, allocated at
 * the thread's first call, and freed some time after the thread has ended. An arena for each call would cost about 45
 * ns and 96 bytes of heap, on a path (map and unmap) that allocates nothing otherwise. A virtual thread has its own
 * too: it does not leave its carrier between the call and the reading of {@code errno}, but nothing in Java could ask
 * for the carrier's. The first threads have theirs in memory that is never freed: a compiler knows all about it, and so
 * leaves out the checks of the linker, which cost more than the {@code ThreadLocal} of other threads.
 *
 * <p>No call is linked as {@code critical}: any of them may block, and would then delay the garbage collector.
 *
 * <p>Initializing this class needs native access.
 */
final class SystemCalls {
    private static final Linker LINKER = Linker.nativeLinker();
    private static final Linker.Option ERRNO = Linker.Option.captureCallState("errno");

    private static final StructLayout CALL_STATE = Linker.Option.captureStateLayout();
    private static final long ERRNO_OFFSET = CALL_STATE.byteOffset(PathElement.groupElement("errno"));
    private static final ThreadLocal<MemorySegment> CAPTURED =
            ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(CALL_STATE));
    private static final int SLOTS = 64;
    // A cache line.
    private static final int SLOT_BYTES = 128;
    private static final MemorySegment SLOT_MEMORY = Arena.global().allocate(SLOTS * SLOT_BYTES, SLOT_BYTES);
    private static final AtomicReferenceArray<@Nullable Owner> OWNERS = new AtomicReferenceArray<>(SLOTS);

    /** The thread that uses a part of the memory until it ends. Numbers of threads are not reused. */
    private record Owner(long number, WeakReference<Thread> thread) {
        boolean hasEnded() {
            Thread known = thread.get();
            return known == null || !known.isAlive();
        }
    }

    private static final MethodHandle OPEN =
            variadic("open", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT));
    private static final MethodHandle CLOSE = function("close", FunctionDescriptor.of(JAVA_INT, JAVA_INT));
    private static final MethodHandle IOCTL_VALUE =
            variadic("ioctl", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle IOCTL_STRUCT =
            variadic("ioctl", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, ADDRESS));
    private static final MethodHandle MMAP = function(
            "mmap", FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle MUNMAP =
            function("munmap", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle PREAD =
            function("pread", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle PWRITE =
            function("pwrite", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle READ =
            function("read", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG));
    private static final MethodHandle WRITE =
            function("write", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG));
    private static final MethodHandle EVENTFD =
            function("eventfd", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));
    private static final MethodHandle POLL =
            function("poll", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT));
    private static final MethodHandle GETRLIMIT =
            function("getrlimit", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS));
    private static final MethodHandle SETRLIMIT =
            function("setrlimit", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS));
    private static final MethodHandle SYSCONF = function("sysconf", FunctionDescriptor.of(JAVA_LONG, JAVA_INT));

    private SystemCalls() {}

    /** The memory for {@code errno} of this thread. */
    private static MemorySegment callState() {
        Thread thread = Thread.currentThread();
        long number = thread.threadId();
        int slot = (int) number & (SLOTS - 1);
        // A thread that reads its own number here has written it, so it need not synchronize with anybody.
        Owner owner = OWNERS.getPlain(slot);
        return (owner != null && owner.number() == number) || claim(slot, thread)
                ? SLOT_MEMORY.asSlice((long) slot * SLOT_BYTES, SLOT_BYTES)
                : CAPTURED.get();
    }

    /** Makes a thread the owner of a slot, unless another one is that has not ended. */
    private static boolean claim(int slot, Thread thread) {
        Owner owner = OWNERS.get(slot);
        return (owner == null || owner.hasEnded())
                && OWNERS.compareAndSet(slot, owner, new Owner(thread.threadId(), new WeakReference<>(thread)));
    }

    static int open(MemorySegment path, int flags, int mode) {
        MemorySegment state = callState();
        try {
            return answer((int) OPEN.invokeExact(state, path, flags, mode), state);
        } catch (Throwable thrown) {
            throw unchecked(thrown);
        }
    }

    static int close(int fd) {
        MemorySegment state = callState();
        try {
            return answer((int) CLOSE.invokeExact(state, fd), state);
        } catch (Throwable thrown) {
            throw unchecked(thrown);
        }
    }

    static int ioctl(int fd, long request, long argument) {
        MemorySegment state = callState();
        try {
            return answer((int) IOCTL_VALUE.invokeExact(state, fd, request, argument), state);
        } catch (Throwable thrown) {
            throw unchecked(thrown);
        }
    }

    static int ioctl(int fd, long request, MemorySegment argument) {
        MemorySegment state = callState();
        try {
            return answer((int) IOCTL_STRUCT.invokeExact(state, fd, request, argument), state);
        } catch (Throwable thrown) {
            throw unchecked(thrown);
        }
    }

    static long mmap(long address, long length, int protection, int flags, int fd, long offset) {
        MemorySegment state = callState();
        try {
            return answer((long) MMAP.invokeExact(state, address, length, protection, flags, fd, offset), state);
        } catch (Throwable thrown) {
            throw unchecked(thrown);
        }
    }

    static int munmap(long address, long length) {
        MemorySegment state = callState();
        try {
            return answer((int) MUNMAP.invokeExact(state, address, length), state);
        } catch (Throwable thrown) {
            throw unchecked(thrown);
        }
    }

    static long pread(int fd, MemorySegment buffer, long count, long offset) {
        MemorySegment state = callState();
        try {
            return answer((long) PREAD.invokeExact(state, fd, buffer, count, offset), state);
        } catch (Throwable thrown) {
            throw unchecked(thrown);
        }
    }

    static long pwrite(int fd, MemorySegment buffer, long count, long offset) {
        MemorySegment state = callState();
        try {
            return answer((long) PWRITE.invokeExact(state, fd, buffer, count, offset), state);
        } catch (Throwable thrown) {
            throw unchecked(thrown);
        }
    }

    static long read(int fd, MemorySegment buffer, long count) {
        MemorySegment state = callState();
        try {
            return answer((long) READ.invokeExact(state, fd, buffer, count), state);
        } catch (Throwable thrown) {
            throw unchecked(thrown);
        }
    }

    static long write(int fd, MemorySegment buffer, long count) {
        MemorySegment state = callState();
        try {
            return answer((long) WRITE.invokeExact(state, fd, buffer, count), state);
        } catch (Throwable thrown) {
            throw unchecked(thrown);
        }
    }

    static int eventfd(int initialValue, int flags) {
        MemorySegment state = callState();
        try {
            return answer((int) EVENTFD.invokeExact(state, initialValue, flags), state);
        } catch (Throwable thrown) {
            throw unchecked(thrown);
        }
    }

    static int poll(MemorySegment pollfds, long count, int timeoutMillis) {
        MemorySegment state = callState();
        try {
            return answer((int) POLL.invokeExact(state, pollfds, count, timeoutMillis), state);
        } catch (Throwable thrown) {
            throw unchecked(thrown);
        }
    }

    static int getrlimit(int resource, MemorySegment rlimit) {
        MemorySegment state = callState();
        try {
            return answer((int) GETRLIMIT.invokeExact(state, resource, rlimit), state);
        } catch (Throwable thrown) {
            throw unchecked(thrown);
        }
    }

    static int setrlimit(int resource, MemorySegment rlimit) {
        MemorySegment state = callState();
        try {
            return answer((int) SETRLIMIT.invokeExact(state, resource, rlimit), state);
        } catch (Throwable thrown) {
            throw unchecked(thrown);
        }
    }

    static long sysconf(int name) {
        MemorySegment state = callState();
        try {
            return answer((long) SYSCONF.invokeExact(state, name), state);
        } catch (Throwable thrown) {
            throw unchecked(thrown);
        }
    }

    @SuppressWarnings("restricted")
    private static MethodHandle function(String name, FunctionDescriptor type, Linker.Option... options) {
        Linker.Option[] all = Arrays.copyOf(options, options.length + 1);
        all[options.length] = ERRNO;
        return LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow(name), type, all);
    }

    /** A function whose third parameter is C's {@code ...}, which some ABIs pass in another way than a declared one. */
    private static MethodHandle variadic(String name, FunctionDescriptor type) {
        return function(name, type, Linker.Option.firstVariadicArg(2));
    }

    private static int answer(int answer, MemorySegment state) {
        return answer == -1 ? -state.get(JAVA_INT, ERRNO_OFFSET) : answer;
    }

    private static long answer(long answer, MemorySegment state) {
        return answer == -1 ? -state.get(JAVA_INT, ERRNO_OFFSET) : answer;
    }

    /** An exception of the linker, as for a segment whose arena is closed. C throws nothing. */
    private static RuntimeException unchecked(Throwable thrown) {
        switch (thrown) {
            case RuntimeException exception -> throw exception;
            case Error error -> throw error;
            default -> throw new AssertionError(thrown);
        }
    }
}
