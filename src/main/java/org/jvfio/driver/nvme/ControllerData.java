package org.jvfio.driver.nvme;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.math.BigInteger;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** A copy of a data structure that a controller wrote for an admin command; the controller cannot change it. */
final class ControllerData {
    /** The maximum size of an Identify data structure or a log page that the driver reads. */
    static final int BYTES = 4096;

    /** A data structure of zeros. */
    static final ControllerData ZEROS = new ControllerData(new byte[BYTES]);

    private static final ValueLayout.OfShort SHORT = JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final byte[] bytes;

    ControllerData(byte[] bytes) {
        this.bytes = bytes;
    }

    static ControllerData copy(MemorySegment page) {
        return new ControllerData(page.toArray(ValueLayout.JAVA_BYTE));
    }

    int unsignedByte(int offset) {
        return bytes[offset] & 0xff;
    }

    int unsignedShort(int offset) {
        return Short.toUnsignedInt(MemorySegment.ofArray(bytes).get(SHORT, offset));
    }

    int integer(int offset) {
        return MemorySegment.ofArray(bytes).get(INT, offset);
    }

    long longInteger(int offset) {
        return MemorySegment.ofArray(bytes).get(LONG, offset);
    }

    /** An unsigned integer of 16 bytes. */
    BigInteger wide(int offset) {
        byte[] bigEndian = new byte[16];
        for (int i = 0; i < bigEndian.length; i++) {
            bigEndian[i] = bytes[offset + bigEndian.length - 1 - i];
        }
        return new BigInteger(1, bigEndian);
    }

    /** An ASCII string padded with spaces or zeroes; characters that are not printable become question marks. */
    String text(int offset, int length) {
        String text = new String(bytes, offset, length, StandardCharsets.US_ASCII);
        int end = text.indexOf('\0');
        return (end < 0 ? text : text.substring(0, end))
                .replaceAll("[^ -~]", "?")
                .strip();
    }
}
