package org.jvfio.kernel.linux;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** CAP_IPC_LOCK of the calling thread, which RLIMIT_MEMLOCK does not bind while it has it. Needs native access. */
public final class IpcLock {
    private static final int CAP_IPC_LOCK = 14;
    /** {@code _LINUX_CAPABILITY_VERSION_3}. */
    private static final int VERSION = 0x20080522;

    private static final MethodHandle CAPGET = function("capget");
    private static final MethodHandle CAPSET = function("capset");

    private IpcLock() {}

    @SuppressWarnings("restricted")
    private static MethodHandle function(String name) {
        Linker linker = Linker.nativeLinker();
        return linker.downcallHandle(
                linker.defaultLookup().findOrThrow(name), FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS));
    }

    /** Makes the capability effective or not; the thread must be permitted to have it. */
    public static void set(boolean effective) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment header = arena.allocateFrom(JAVA_INT, VERSION, 0);
            // Two times effective, permitted and inheritable.
            MemorySegment data = arena.allocate(JAVA_INT, 6);
            call(CAPGET, header, data);
            int others = data.get(JAVA_INT, 0) & ~(1 << CAP_IPC_LOCK);
            data.set(JAVA_INT, 0, effective ? others | 1 << CAP_IPC_LOCK : others);
            call(CAPSET, header, data);
        }
    }

    private static void call(MethodHandle function, MemorySegment header, MemorySegment data) {
        int answer;
        try {
            answer = (int) function.invokeExact(header, data);
        } catch (Throwable failure) {
            throw new LinkageError("capget and capset throw nothing", failure);
        }
        if (answer != 0) {
            throw new IllegalStateException("this thread may not change its CAP_IPC_LOCK; run as root");
        }
    }
}
