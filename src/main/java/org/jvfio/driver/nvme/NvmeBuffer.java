package org.jvfio.driver.nvme;

import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;

/**
 * Memory that a controller reads and writes without a copy: from {@link NvmeController#allocate}, or a part of a mapping
 * that the caller has.
 */
public final class NvmeBuffer implements AutoCloseable {
    private final DmaMapping mapping;
    private final MemorySegment segment;
    private final long iova;
    private final @Nullable DmaMemory owned;

    private NvmeBuffer(DmaMapping mapping, MemorySegment segment, long iova, @Nullable DmaMemory owned) {
        this.mapping = mapping;
        this.segment = segment;
        this.iova = iova;
        this.owned = owned;
    }

    /**
     * All of a mapping, which stays the caller's.
     *
     * @throws IllegalStateException if its memory is closed
     */
    public static NvmeBuffer of(DmaMapping mapping) {
        return of(mapping, null);
    }

    private static NvmeBuffer of(DmaMapping mapping, @Nullable DmaMemory owned) {
        MemorySegment segment = mapping.memory()
                .segment()
                .asSlice(mapping.offset(), mapping.range().size());
        return new NvmeBuffer(mapping, segment, mapping.iova(), owned);
    }

    /** All of a mapping, and its memory, which are closed with it. */
    static NvmeBuffer owning(DmaMapping mapping) {
        return of(mapping, mapping.memory());
    }

    /**
     * A part of it, which must not be used longer than the whole.
     *
     * @param offset in bytes, a multiple of 4 for a command
     * @param size in bytes
     * @throws IndexOutOfBoundsException if it is no part
     */
    public NvmeBuffer slice(long offset, long size) {
        Objects.checkFromIndexSize(offset, size, size());
        return new NvmeBuffer(mapping, segment.asSlice(offset, size), iova + offset, null);
    }

    /** Its bytes, to be left alone while a command uses them. */
    public MemorySegment segment() {
        return segment;
    }

    /** The bus address of its first byte. */
    public long iova() {
        return iova;
    }

    /** Its size in bytes. */
    public long size() {
        return segment.byteSize();
    }

    /** What a controller may do with it. */
    public DmaDirection direction() {
        return mapping.direction();
    }

    boolean isMapped() {
        return mapping.isMapped();
    }

    /**
     * Unmaps and frees what was allocated; a slice, and a mapping of the caller, stay. No command may be using it.
     *
     * @throws org.jvfio.VfioException if the kernel refuses
     */
    @Override
    public void close() {
        if (owned != null) {
            // The mapping first: memory that is mapped is freed with the bus mastering of all devices off.
            mapping.close();
            owned.close();
        }
    }
}
