package org.jvfio;

import java.util.Objects;

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
