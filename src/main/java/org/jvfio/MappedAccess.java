package org.jvfio;

import java.lang.foreign.MemorySegment;

/**
 * Loads and stores of a mapped BAR that throw when the device does not decode them.
 *
 * <p>Such an access is a SIGBUS. HotSpot skips the instruction, which leaves an arbitrary value, and makes an {@link
 * InternalError} pending. The thread throws it at its next transition from native code, or in compiled code at the
 * poll with which every method returns. A method that is inlined has no such poll. So these methods are too large to
 * be inlined: their poll is what checks for the fault, and costs a few instructions where a native call costs hundreds.
 *
 * <p>C1 and C2 inline no method with more bytecode than {@code -XX:FreqInlineSize} (325 bytes by default). Other
 * compilers have other rules: with them a native call makes the check.
 */
final class MappedAccess {
    /** C1 and C2 only: Graal names its interface in the version, and other JVMs have other names. */
    private static final boolean POLLS_AT_RETURN =
            pollsAtReturn(System.getProperty("java.vm.name", ""), System.getProperty("java.vm.version", ""));

    private static final Object UNLOCKED = new Object();

    private MappedAccess() {}

    static boolean pollsAtReturn(String name, String version) {
        return (name.startsWith("OpenJDK ") || name.startsWith("Java HotSpot(TM) ")) && !version.contains("jvmci");
    }

    /** The number of a width in bytes, with a byte order, for {@link #load} and {@link #store}. */
    static int kind(int width, boolean little) {
        return 2 * Integer.numberOfTrailingZeros(width) + (little ? 1 : 0);
    }

    /**
     * Loads a value, zero-extended.
     *
     * @throws InternalError if the device does not decode the access
     */
    static long load(MemorySegment memory, long at, int kind) {
        long value = loadPolled(memory, at, kind);
        if (!POLLS_AT_RETURN) {
            throwPendingFault();
        }
        return value;
    }

    /**
     * Stores the lowest bytes of a value.
     *
     * @throws InternalError if the device does not decode the access
     */
    static void store(MemorySegment memory, long at, int kind, long value) {
        storePolled(memory, at, kind, value);
        if (!POLLS_AT_RETURN) {
            throwPendingFault();
        }
    }

    private static long loadPolled(MemorySegment memory, long at, int kind) {
        switch (kind) {
            case 0, 1 -> {
                return OpaqueAccess.get(memory, at, Byte.BYTES, true);
            }
            case 2 -> {
                return OpaqueAccess.get(memory, at, Short.BYTES, false);
            }
            case 3 -> {
                return OpaqueAccess.get(memory, at, Short.BYTES, true);
            }
            case 4 -> {
                return OpaqueAccess.get(memory, at, Integer.BYTES, false);
            }
            case 5 -> {
                return OpaqueAccess.get(memory, at, Integer.BYTES, true);
            }
            case 6 -> {
                return OpaqueAccess.get(memory, at, Long.BYTES, false);
            }
            case 7 -> {
                return OpaqueAccess.get(memory, at, Long.BYTES, true);
            }
            default -> {}
        }
        // No number is that of a case here. The switch has a table of 4 bytes for each number up to the last, which
        // makes the method large. It is not the one above, as code that collects profiles compares with each number in
        // turn.
        switch (kind) {
            case 8, 9, 10, 13, 18, 23, 28, 33, 38, 43, 48, 53, 58, 63, 68, 73, 78, 83, 88, 93, 98, 103, 108, 113, 118:
            case 123, 128, 133, 138, 143, 148, 153, 158, 163, 168, 173, 178, 183, 188, 193, 198, 203, 208, 213, 218:
            case 223, 228, 233, 238, 243, 248, 253, 258, 263, 268:
            default:
                throw new IllegalArgumentException("no width has number " + kind);
        }
    }

    private static void storePolled(MemorySegment memory, long at, int kind, long value) {
        switch (kind) {
            case 0, 1 -> {
                OpaqueAccess.set(memory, at, Byte.BYTES, true, value);
                return;
            }
            case 2 -> {
                OpaqueAccess.set(memory, at, Short.BYTES, false, value);
                return;
            }
            case 3 -> {
                OpaqueAccess.set(memory, at, Short.BYTES, true, value);
                return;
            }
            case 4 -> {
                OpaqueAccess.set(memory, at, Integer.BYTES, false, value);
                return;
            }
            case 5 -> {
                OpaqueAccess.set(memory, at, Integer.BYTES, true, value);
                return;
            }
            case 6 -> {
                OpaqueAccess.set(memory, at, Long.BYTES, false, value);
                return;
            }
            case 7 -> {
                OpaqueAccess.set(memory, at, Long.BYTES, true, value);
                return;
            }
            default -> {}
        }
        // As in loadPolled.
        switch (kind) {
            case 8, 9, 10, 13, 18, 23, 28, 33, 38, 43, 48, 53, 58, 63, 68, 73, 78, 83, 88, 93, 98, 103, 108, 113, 118:
            case 123, 128, 133, 138, 143, 148, 153, 158, 163, 168, 173, 178, 183, 188, 193, 198, 203, 208, 213, 218:
            case 223, 228, 233, 238, 243, 248, 253, 258, 263, 268:
            default:
                throw new IllegalArgumentException("no width has number " + kind);
        }
    }

    /**
     * Throws the fault of an earlier access of this thread: a transition into the JVM, by the cheapest native method of
     * the JDK.
     *
     * @throws InternalError if an access was not decoded
     */
    static void throwPendingFault() {
        if (Thread.holdsLock(UNLOCKED)) {
            throw new AssertionError("no thread locks it");
        }
    }
}
