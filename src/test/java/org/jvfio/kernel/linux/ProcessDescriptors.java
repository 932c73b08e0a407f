package org.jvfio.kernel.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;

/**
 * Descriptors of another process's open files, by {@code pidfd_getfd(2)}, which the caller must be permitted to trace.
 * Unlike {@code /proc/PID/fd}, which opens the path anew, it gives the same open file. Needs native access.
 */
public final class ProcessDescriptors {
    /**
     * The numbers of the system calls, for which the C library need not have functions; they are those of all machines.
     */
    private static final long PIDFD_OPEN = 434;

    private static final long PIDFD_GETFD = 438;

    private static final StructLayout CALL_STATE = Linker.Option.captureStateLayout();
    private static final long ERRNO = CALL_STATE.byteOffset(PathElement.groupElement("errno"));
    private static final MethodHandle SYSCALL = syscall();

    private ProcessDescriptors() {}

    @SuppressWarnings("restricted")
    private static MethodHandle syscall() {
        Linker linker = Linker.nativeLinker();
        return linker.downcallHandle(
                linker.defaultLookup().findOrThrow("syscall"),
                FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG),
                Linker.Option.firstVariadicArg(1),
                Linker.Option.captureCallState("errno"));
    }

    /**
     * A descriptor in this process of what another one has open: it, or a negated errno.
     *
     * @param process the other one's id
     * @param descriptor its descriptor
     */
    public static int get(long process, int descriptor) {
        int handle = call(PIDFD_OPEN, process, 0);
        if (handle < 0) {
            throw new IllegalStateException("pidfd_open of process " + process + ": " + handle);
        }
        try {
            return call(PIDFD_GETFD, handle, descriptor);
        } finally {
            SystemCalls.close(handle);
        }
    }

    private static int call(long number, long first, long second) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(CALL_STATE);
            long answer = (long) SYSCALL.invokeExact(state, number, first, second, 0L);
            return answer == -1 ? -state.get(JAVA_INT, ERRNO) : (int) answer;
        } catch (Throwable failure) {
            throw new LinkageError("system calls throw nothing", failure);
        }
    }
}
