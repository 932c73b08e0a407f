package org.jvfio;

/**
 * A part of DMA memory.
 *
 * @param memory what it is a part of
 * @param offset where it begins there, in bytes
 * @param size bytes
 */
public record MemoryRange(DmaMemory memory, long offset, long size) {
    /** Where it begins in this process. */
    long address() {
        return memory.address() + offset;
    }

    /** As in {@code 64K at offset 0x10000 of 1M of DMA memory at 0x7f0000000000}. */
    @Override
    public String toString() {
        return "%s at offset 0x%x of %s".formatted(ByteSize.formatSigned(size), offset, memory);
    }
}
