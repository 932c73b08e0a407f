package org.jvfio;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import org.jspecify.annotations.Nullable;

/**
 * Accesses of a {@link Region} without a check of each: what {@link Region#batch} passes to the caller's function, and
 * to be used there only. Each access is one load or store of the device, in the region's byte order; where the region
 * is not mapped, it is that of the region.
 *
 * <p>Loads are ordered with each other, and stores with each other; a {@link #fence} orders everything else.
 *
 * <p>All accesses throw as those of a region do, except that a fault of the device throws at the end of the batch or
 * before.
 */
public final class RegisterBatch {
    private final Region region;
    private final @Nullable MemorySegment memory;
    private final long start;
    // 0 if nothing is mapped.
    private final long size;
    private final boolean little;

    /**
     * Accesses of a region.
     *
     * @param memory the part of it that is mapped; null if none is
     * @param start where that part begins in the region, in bytes
     */
    RegisterBatch(Region region, @Nullable MemorySegment memory, long start, boolean little) {
        this.region = region;
        this.memory = memory;
        this.start = start;
        this.size = memory == null ? 0 : memory.byteSize();
        this.little = little;
    }

    private boolean isMapped(long offset, int width) {
        long at = offset - start;
        return at >= 0 && at <= size - width && (offset & (width - 1)) == 0;
    }

    private MemorySegment memory() {
        if (memory == null) {
            throw new AssertionError("not mapped");
        }
        return memory;
    }

    /** Reads 1 byte. */
    public byte readByte(long offset) {
        return isMapped(offset, Byte.BYTES)
                ? (byte) OpaqueAccess.get(memory(), offset - start, Byte.BYTES, little)
                : region.readByte(offset);
    }

    /** Reads 2 bytes. */
    public short readShort(long offset) {
        return isMapped(offset, Short.BYTES)
                ? (short) OpaqueAccess.get(memory(), offset - start, Short.BYTES, little)
                : region.readShort(offset);
    }

    /** Reads 4 bytes. */
    public int readInt(long offset) {
        return isMapped(offset, Integer.BYTES)
                ? (int) OpaqueAccess.get(memory(), offset - start, Integer.BYTES, little)
                : region.readInt(offset);
    }

    /** Reads 8 bytes. */
    public long readLong(long offset) {
        return isMapped(offset, Long.BYTES)
                ? OpaqueAccess.get(memory(), offset - start, Long.BYTES, little)
                : region.readLong(offset);
    }

    /** Writes 1 byte. */
    public void writeByte(long offset, byte value) {
        if (isMapped(offset, Byte.BYTES)) {
            OpaqueAccess.set(memory(), offset - start, Byte.BYTES, little, value);
        } else {
            region.writeByte(offset, value);
        }
    }

    /** Writes 2 bytes. */
    public void writeShort(long offset, short value) {
        if (isMapped(offset, Short.BYTES)) {
            OpaqueAccess.set(memory(), offset - start, Short.BYTES, little, value);
        } else {
            region.writeShort(offset, value);
        }
    }

    /** Writes 4 bytes. */
    public void writeInt(long offset, int value) {
        if (isMapped(offset, Integer.BYTES)) {
            OpaqueAccess.set(memory(), offset - start, Integer.BYTES, little, value);
        } else {
            region.writeInt(offset, value);
        }
    }

    /** Writes 8 bytes. */
    public void writeLong(long offset, long value) {
        if (isMapped(offset, Long.BYTES)) {
            OpaqueAccess.set(memory(), offset - start, Long.BYTES, little, value);
        } else {
            region.writeLong(offset, value);
        }
    }

    /** Orders the accesses before it, of the device and of memory, before those after it ({@code sync}). */
    public void fence() {
        VarHandle.fullFence();
    }
}
