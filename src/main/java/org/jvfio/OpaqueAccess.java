package org.jvfio;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Accesses of 1, 2, 4 and 8 bytes in opaque mode: each is one load or store, which the compiler neither removes,
 * repeats, merges nor splits. They are not ordered with other accesses.
 */
final class OpaqueAccess {
    private static final VarHandle BYTE = JAVA_BYTE.varHandle();
    private static final VarHandle SHORT_LITTLE =
            JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();
    private static final VarHandle SHORT_BIG =
            JAVA_SHORT.withOrder(ByteOrder.BIG_ENDIAN).varHandle();
    private static final VarHandle INT_LITTLE =
            JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();
    private static final VarHandle INT_BIG =
            JAVA_INT.withOrder(ByteOrder.BIG_ENDIAN).varHandle();
    private static final VarHandle LONG_LITTLE =
            JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();
    private static final VarHandle LONG_BIG =
            JAVA_LONG.withOrder(ByteOrder.BIG_ENDIAN).varHandle();

    private OpaqueAccess() {}

    /**
     * Loads {@code width} bytes, zero-extended: HotSpot for x86 does not find the end of some instructions that load
     * and extend the sign, so a fault of one would end the JVM.
     */
    static long get(MemorySegment memory, long at, int width, boolean little) {
        return switch (width) {
            case Byte.BYTES -> Byte.toUnsignedLong((byte) BYTE.getOpaque(memory, at));
            case Short.BYTES -> Short.toUnsignedLong((short) (little ? SHORT_LITTLE : SHORT_BIG).getOpaque(memory, at));
            case Integer.BYTES -> Integer.toUnsignedLong((int) (little ? INT_LITTLE : INT_BIG).getOpaque(memory, at));
            default -> (long) (little ? LONG_LITTLE : LONG_BIG).getOpaque(memory, at);
        };
    }

    /** Stores the lowest {@code width} bytes of a value. */
    static void set(MemorySegment memory, long at, int width, boolean little, long value) {
        switch (width) {
            case Byte.BYTES -> BYTE.setOpaque(memory, at, (byte) value);
            case Short.BYTES -> (little ? SHORT_LITTLE : SHORT_BIG).setOpaque(memory, at, (short) value);
            case Integer.BYTES -> (little ? INT_LITTLE : INT_BIG).setOpaque(memory, at, (int) value);
            default -> (little ? LONG_LITTLE : LONG_BIG).setOpaque(memory, at, value);
        }
    }
}
