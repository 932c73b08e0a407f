package org.jvfio;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/** A configuration space that is made up for a test, and its text as {@code lspci -F} reads it. */
final class ConfigDump implements ConfigBytes {
    private static final int ROW = 16;

    private final String name;
    private final ByteBuffer bytes;

    /** The space of a network card with a capability list, without capabilities. */
    ConfigDump(String name, int size) {
        this(name, new byte[size]);
        bytes.putInt(0x00, 0x5678_1234)
                .putInt(0x04, 0x0010_0002)
                .putInt(0x08, 0x0200_0001)
                .putInt(0x2c, 0xbcde_9abc);
    }

    ConfigDump(String name, byte[] space) {
        this.name = name;
        this.bytes = ByteBuffer.wrap(space).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** The space of a PCI Express function, whose list begins with that capability at 0x40; its link is to be set. */
    static ConfigDump express(String name) {
        return new ConfigDump(name, 4096).first(0x40).standard(0x40, 0x10, 0).put16(0x42, 2);
    }

    String name() {
        return name;
    }

    byte[] toArray() {
        return bytes.array().clone();
    }

    ConfigDump first(int offset) {
        return put8(0x34, offset);
    }

    ConfigDump standard(int offset, int id, int next) {
        return put8(offset, id).put8(offset + 1, next);
    }

    ConfigDump extended(int offset, int id, int version, int next) {
        return put32(offset, next << 20 | version << 16 | id);
    }

    ConfigDump put8(int offset, int value) {
        bytes.put(offset, (byte) value);
        return this;
    }

    ConfigDump put16(int offset, int value) {
        bytes.putShort(offset, (short) value);
        return this;
    }

    ConfigDump put32(int offset, int value) {
        bytes.putInt(offset, value);
        return this;
    }

    ConfigDump fill(int from, int to, int value) {
        Arrays.fill(bytes.array(), from, to, (byte) value);
        return this;
    }

    /** As {@code lspci -xxxx} prints it. */
    String text(String address) {
        StringBuilder text = new StringBuilder(address)
                .append(" Ethernet controller: ")
                .append(name)
                .append('\n');
        for (int row = 0; row < bytes.capacity(); row += ROW) {
            text.append("%02x:".formatted(row));
            for (int at = row; at < row + ROW; at++) {
                text.append(" %02x".formatted(bytes.get(at)));
            }
            text.append('\n');
        }
        return text.append('\n').toString();
    }

    @Override
    public long size() {
        return bytes.capacity();
    }

    @Override
    public byte readByte(long offset) {
        return bytes.get((int) offset);
    }

    @Override
    public short readShort(long offset) {
        return bytes.getShort((int) offset);
    }

    @Override
    public int readInt(long offset) {
        return bytes.getInt((int) offset);
    }
}
