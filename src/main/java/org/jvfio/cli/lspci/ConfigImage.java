package org.jvfio.cli.lspci;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/** The bytes of a configuration space, or as many of its first bytes as this user may read. */
public final class ConfigImage {
    private static final int ROW = 16;

    private final ByteBuffer bytes;

    public ConfigImage(byte[] bytes) {
        this.bytes = ByteBuffer.wrap(bytes.clone()).order(ByteOrder.LITTLE_ENDIAN);
    }

    public int size() {
        return bytes.capacity();
    }

    /** Whether so many bytes from an offset on are there. */
    boolean has(int offset, int count) {
        return offset >= 0 && count <= size() - offset;
    }

    int get8(int offset) {
        return Byte.toUnsignedInt(bytes.get(offset));
    }

    int get16(int offset) {
        return Short.toUnsignedInt(bytes.getShort(offset));
    }

    int get32(int offset) {
        return bytes.getInt(offset);
    }

    long getUnsigned32(int offset) {
        return Integer.toUnsignedLong(bytes.getInt(offset));
    }

    /** Whether it reads all ones, as of a device that does not answer. */
    public boolean isAllOnes() {
        for (int offset = 0; offset < size(); offset++) {
            if (get8(offset) != 0xff) {
                return false;
            }
        }
        return true;
    }

    /** The bytes in hexadecimal, 16 a line, as {@code lspci -xxxx} prints them and {@code lspci -F} reads them. */
    public List<String> dump() {
        List<String> lines = new ArrayList<>();
        for (int row = 0; row < size(); row += ROW) {
            StringBuilder line = new StringBuilder(String.format("%02x:", row));
            for (int offset = row; offset < Math.min(size(), row + ROW); offset++) {
                line.append(String.format(" %02x", get8(offset)));
            }
            lines.add(line.toString());
        }
        return lines;
    }
}
