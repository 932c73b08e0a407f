package org.jvfio;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.jvfio.uapi.vfio_h.VFIO_REGION_INFO_FLAG_READ;
import static org.jvfio.uapi.vfio_h.VFIO_REGION_INFO_FLAG_WRITE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;

/**
 * A region of a device: a BAR, or its configuration space. Each access is one access of the device, of the width of its
 * name, in the byte order of the region: little-endian, as PCI has it, unless {@link #withOrder} gives another.
 *
 * <p>Offsets are in bytes and must be multiples of the access's width: the kernel would split any other access into
 * smaller ones, which some devices answer with a machine check.
 *
 * <p>A device that is gone, or whose PE is frozen, answers all ones. All accesses throw {@link VfioException} if the
 * offset is outside or misaligned or the kernel refuses, and {@link IllegalStateException} if the device is closed.
 */
public final class Region {
    private final Descriptor device;
    private final String name;
    private final long size;
    private final int flags;
    private final long fileOffset;
    private final ByteOrder order;

    Region(Descriptor device, String name, long size, int flags, long fileOffset) {
        this(device, name, size, flags, fileOffset, ByteOrder.LITTLE_ENDIAN);
    }

    private Region(Descriptor device, String name, long size, int flags, long fileOffset, ByteOrder order) {
        this.device = device;
        this.name = name;
        this.size = size;
        this.flags = flags;
        this.fileOffset = fileOffset;
        this.order = order;
    }

    /** The same region, accessed in a byte order. */
    public Region withOrder(ByteOrder byteOrder) {
        return new Region(device, name, size, flags, fileOffset, byteOrder);
    }

    /** The byte order of its accesses. */
    public ByteOrder order() {
        return order;
    }

    /** Its size in bytes. */
    public long size() {
        return size;
    }

    /** Reads 1 byte. */
    public byte readByte(long offset) {
        return (byte) read(offset, Byte.BYTES);
    }

    /** Reads 2 bytes. */
    public short readShort(long offset) {
        return (short) read(offset, Short.BYTES);
    }

    /** Reads 4 bytes. */
    public int readInt(long offset) {
        return (int) read(offset, Integer.BYTES);
    }

    /** Reads 8 bytes; Linux before 6.11 makes two accesses of 4 of it. */
    public long readLong(long offset) {
        return read(offset, Long.BYTES);
    }

    /** Writes 1 byte. */
    public void writeByte(long offset, byte value) {
        write(offset, Byte.BYTES, value);
    }

    /** Writes 2 bytes. */
    public void writeShort(long offset, short value) {
        write(offset, Short.BYTES, value);
    }

    /** Writes 4 bytes. */
    public void writeInt(long offset, int value) {
        write(offset, Integer.BYTES, value);
    }

    /** Writes 8 bytes; Linux before 6.11 makes two accesses of 4 of it. */
    public void writeLong(long offset, long value) {
        write(offset, Long.BYTES, value);
    }

    private long read(long offset, int width) {
        require("read", offset, width, VFIO_REGION_INFO_FLAG_READ);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(width, width);
            requireWhole("read", offset, width, device.pread(buffer, fileOffset + offset));
            return switch (width) {
                case Byte.BYTES -> buffer.get(JAVA_BYTE, 0);
                case Short.BYTES -> buffer.get(JAVA_SHORT.withOrder(order), 0);
                case Integer.BYTES -> buffer.get(JAVA_INT.withOrder(order), 0);
                default -> buffer.get(JAVA_LONG.withOrder(order), 0);
            };
        }
    }

    private void write(long offset, int width, long value) {
        require("write", offset, width, VFIO_REGION_INFO_FLAG_WRITE);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(width, width);
            switch (width) {
                case Byte.BYTES -> buffer.set(JAVA_BYTE, 0, (byte) value);
                case Short.BYTES -> buffer.set(JAVA_SHORT.withOrder(order), 0, (short) value);
                case Integer.BYTES -> buffer.set(JAVA_INT.withOrder(order), 0, (int) value);
                default -> buffer.set(JAVA_LONG.withOrder(order), 0, value);
            }
            requireWhole("write", offset, width, device.pwrite(buffer, fileOffset + offset));
        }
    }

    private void require(String access, long offset, int width, int flag) {
        if ((flags & flag) == 0) {
            throw new VfioException(asked(access, offset, width), "the region does not allow it", "see its flags");
        }
        if (offset < 0 || offset > size - width) {
            throw new VfioException(
                    asked(access, offset, width),
                    "the region has " + ByteSize.format(size) + " bytes",
                    "use an offset of at most 0x%x".formatted(size - width));
        }
        if (offset % width != 0) {
            throw new VfioException(
                    asked(access, offset, width),
                    "the offset is not a multiple of " + width,
                    "make aligned accesses, as the kernel would split this one");
        }
    }

    private void requireWhole(String access, long offset, int width, long answer) {
        if (answer != width) {
            throw VfioException.failed(
                    asked(access, offset, width),
                    "p%s(%d bytes at 0x%x)".formatted(access, width, fileOffset + offset),
                    answer,
                    VfioException.errnoOf(answer).map(KnownCauses::access).orElseGet(Cause::unknown));
        }
    }

    private String asked(String access, long offset, int width) {
        return "%s %d byte%s at 0x%x of %s".formatted(access, width, width == 1 ? "" : "s", offset, name);
    }

    /** Which region of which device it is. */
    @Override
    public String toString() {
        return name;
    }
}
