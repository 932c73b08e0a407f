package org.jvfio.driver.nvme;

import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;

/**
 * Mapped memory that a controller reads and writes without a copy: from {@link NvmeController#allocate}, or of a
 * mapping of the caller.
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
     * A buffer of a whole mapping, which the caller keeps and closes.
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

    /** A buffer of a whole mapping, which is closed with it, and its memory too. */
    static NvmeBuffer owning(DmaMapping mapping) {
        return of(mapping, mapping.memory());
    }

    /**
     * A part of the buffer; it must not be used after the buffer is closed.
     *
     * @param offset in bytes; a command needs a multiple of 4
     * @param size in bytes
     * @throws IndexOutOfBoundsException if the part is not inside the buffer
     */
    public NvmeBuffer slice(long offset, long size) {
        Objects.checkFromIndexSize(offset, size, size());
        return new NvmeBuffer(mapping, segment.asSlice(offset, size), iova + offset, null);
    }

    /** The memory; must not be accessed while a command uses it. */
    public MemorySegment segment() {
        return segment;
    }

    /** The bus address (IOVA) of the first byte. */
    public long iova() {
        return iova;
    }

    /** The size in bytes. */
    public long size() {
        return segment.byteSize();
    }

    /** Which way the device may transfer. */
    public DmaDirection direction() {
        return mapping.direction();
    }

    boolean isMapped() {
        return mapping.isMapped();
    }

    /**
     * Unmaps and frees memory from {@link NvmeController#allocate}; does nothing to a slice or to a mapping of the
     * caller. No command may be using the memory.
     *
     * @throws org.jvfio.VfioException if the kernel returns an error
     */
    @Override
    public void close() {
        if (owned != null) {
            // The mapping first: freeing mapped memory would turn off bus mastering of all devices.
            mapping.close();
            owned.close();
        }
    }
}
