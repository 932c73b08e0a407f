package org.jvfio.observe;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * One frame of a record while it is encoded. Numbers are variable-length: seven bits a byte, the lowest first, the
 * highest bit set in all bytes but the last; signed ones are zigzag encoded. Guarded by its user.
 */
final class Frame {
    /** A call begins: kind, thread, time, numbers, text, bytes. */
    static final byte BEGIN = 1;
    /** A call ends: thread, time, outcome, result, bytes. */
    static final byte END = 2;
    /** The name of a thread: number, text. */
    static final byte THREAD = 3;
    /** An open file: descriptor, text. */
    static final byte FILE = 4;
    /** DMA memory has changed: address, bytes. */
    static final byte MEMORY = 5;

    /** Bytes of one call's data that a record keeps; the rest is cut off. */
    static final int MAX_DATA = 512 << 10;
    /** A frame's bytes besides its data. */
    static final int MAX_OTHER = 256;

    private static final int MAX_NUMBER = 10;

    private byte[] bytes = new byte[MAX_OTHER];
    private int length;

    Frame start(byte type) {
        length = 0;
        return octet(type);
    }

    Frame octet(int value) {
        ensure(1);
        bytes[length++] = (byte) value;
        return this;
    }

    Frame unsigned(long value) {
        ensure(MAX_NUMBER);
        long left = value;
        while ((left & ~0x7fL) != 0) {
            bytes[length++] = (byte) (left | 0x80);
            left >>>= 7;
        }
        bytes[length++] = (byte) left;
        return this;
    }

    Frame signed(long value) {
        return unsigned(value << 1 ^ value >> 63);
    }

    /** The length, then UTF-8; of a text that is too long, the beginning. */
    Frame text(String text) {
        byte[] encoded = text.getBytes(StandardCharsets.UTF_8);
        return data(encoded, Math.min(encoded.length, MAX_DATA));
    }

    Frame data(byte[] data, int count) {
        unsigned(count);
        ensure(count);
        System.arraycopy(data, 0, bytes, length, count);
        length += count;
        return this;
    }

    /** The length, then the first bytes of a segment, {@link #MAX_DATA} at most. */
    Frame data(MemorySegment data, long count) {
        int kept = (int) Math.min(count, MAX_DATA);
        unsigned(kept);
        ensure(kept);
        MemorySegment.copy(data, ValueLayout.JAVA_BYTE, 0, bytes, length, kept);
        length += kept;
        return this;
    }

    private void ensure(int more) {
        if (bytes.length - length < more) {
            bytes = Arrays.copyOf(bytes, Math.max(bytes.length * 2, length + more));
        }
    }

    byte[] bytes() {
        return bytes;
    }

    int length() {
        return length;
    }
}
