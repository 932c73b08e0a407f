package org.jvfio;

import java.util.Objects;
import org.jvfio.kernel.MemoryUse;

/**
 * A part of DMA memory, as from {@link DmaMemory#range(long, long)}.
 *
 * @param offset where it begins in the memory, in bytes, at least 0
 * @param size bytes, at least 1; the part ends inside the memory
 */
public record MemoryRange(DmaMemory memory, long offset, long size) {

    /**
     * @throws IllegalArgumentException if the size is below 1
     * @throws IndexOutOfBoundsException if the part is not inside the memory
     */
    public MemoryRange {
        Objects.requireNonNull(memory, "memory");
        if (size < 1) {
            throw new IllegalArgumentException("a range of " + size + " bytes of " + memory + ": at least 1 is needed");
        }
        if (offset < 0 || offset > memory.size() - size) {
            throw new IndexOutOfBoundsException(
                    "0x%x bytes at offset 0x%x are outside %s".formatted(size, offset, memory));
        }
    }

    /**
     * Says that devices access this part from now on, and the program does not until {@link #takeFromDevice}: nothing
     * happens, but a sanitizer ({@code org.jvfio.observe.sanitize}) reports what does not keep to it. Once a part of
     * its memory was given or shared, it reports every DMA outside of such parts too.
     *
     * @param direction the accesses that devices make
     * @throws IllegalStateException if the memory is closed
     */
    public void giveToDevice(DmaDirection direction) {
        memory.announce(
                this,
                switch (direction) {
                    case TO_DEVICE -> MemoryUse.DEVICE_READS;
                    case FROM_DEVICE -> MemoryUse.DEVICE_WRITES;
                    case BIDIRECTIONAL -> MemoryUse.DEVICE;
                });
    }

    /**
     * Says that the program accesses this part from now on, and devices do not. If it was given {@link
     * DmaDirection#FROM_DEVICE}, the program expects that devices have written all of it.
     *
     * @throws IllegalStateException if the memory is closed
     */
    public void takeFromDevice() {
        memory.announce(this, MemoryUse.PROGRAM);
    }

    /**
     * Says that the program and devices access this part at the same time, such as a queue.
     *
     * @throws IllegalStateException if the memory is closed
     */
    public void shareWithDevice() {
        memory.announce(this, MemoryUse.SHARED);
    }

    /** Where it begins in this process, an address. */
    long address() {
        return memory.address() + offset;
    }

    /** As in {@code 64K at offset 0x10000 of 1M of DMA memory at 0x7f0000000000}. */
    @Override
    public String toString() {
        return "%s at offset 0x%x of %s".formatted(ByteSize.format(size), offset, memory);
    }
}
