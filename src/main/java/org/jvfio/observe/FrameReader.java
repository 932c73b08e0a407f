package org.jvfio.observe;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Decodes frames that {@link Frame} has encoded. What is malformed is a {@link RecordException}. */
final class FrameReader {
    private static final int MAX_SHIFT = 63;

    private final String name;
    private final byte[] bytes;
    private final int end;
    private int at;

    /** @param name what is read, for messages */
    FrameReader(String name, byte[] bytes, int start, int end) {
        this.name = name;
        this.bytes = bytes;
        this.at = start;
        this.end = end;
    }

    boolean hasMore() {
        return at < end;
    }

    int octet() throws RecordException {
        if (at >= end) {
            throw damaged("a frame ends in the middle of a number");
        }
        return Byte.toUnsignedInt(bytes[at++]);
    }

    long unsigned() throws RecordException {
        long value = 0;
        for (int shift = 0; shift <= MAX_SHIFT; shift += 7) {
            int octet = octet();
            value |= (octet & 0x7fL) << shift;
            if (octet < 0x80) {
                return value;
            }
        }
        throw damaged("a number has more than 64 bits");
    }

    long signed() throws RecordException {
        long value = unsigned();
        return value >>> 1 ^ -(value & 1);
    }

    byte[] data() throws RecordException {
        int length = length();
        byte[] data = Arrays.copyOfRange(bytes, at, at + length);
        at += length;
        return data;
    }

    String text() throws RecordException {
        int length = length();
        String text = new String(bytes, at, length, StandardCharsets.UTF_8);
        at += length;
        return text;
    }

    private int length() throws RecordException {
        long length = unsigned();
        if (length < 0 || length > end - at) {
            throw damaged("a length is larger than the rest of the frame");
        }
        return (int) length;
    }

    /** The next frame, of which this one's bytes have the length and the contents. */
    FrameReader frame() throws RecordException {
        int length = length();
        FrameReader frame = new FrameReader(name, bytes, at, at + length);
        at += length;
        return frame;
    }

    RecordException damaged(String reason) {
        return new RecordException(name + " is damaged: " + reason);
    }
}
