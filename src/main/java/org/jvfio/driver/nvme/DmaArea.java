package org.jvfio.driver.nvme;

import org.jvfio.Container;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.DmaWindow;
import org.jvfio.PageSize;

/**
 * Mapped memory of the driver, from which parts in whole pages of the controller are allocated; they are freed
 * together.
 *
 * <p>Some controllers fetch a whole page where they were given less. Whole pages keep them inside mapped memory.
 */
final class DmaArea implements AutoCloseable {
    private final DmaMemory memory;
    private final NvmeBuffer buffer;
    private final long pageSize;
    private long next;

    private DmaArea(DmaMemory memory, NvmeBuffer buffer, long pageSize) {
        this.memory = memory;
        this.buffer = buffer;
        this.pageSize = pageSize;
    }

    /** Allocates zeroed memory and maps it for the device to read and write. */
    static NvmeBuffer allocate(Container container, DmaWindow window, long bytes) {
        DmaMemory memory = container.allocate(bytes, memoryPage(container, window));
        NvmeBuffer buffer = map(memory, window);
        memory.range(0, bytes).shareWithDevice();
        return buffer;
    }

    /** Maps memory, or frees it. */
    private static NvmeBuffer map(DmaMemory memory, DmaWindow window) {
        try {
            DmaMapping mapping = window.map(memory, DmaDirection.BIDIRECTIONAL);
            return NvmeBuffer.owning(mapping);
        } catch (RuntimeException e) {
            memory.close();
            throw e;
        }
    }

    /**
     * Allocates and maps an area.
     *
     * @param bytes the sum of {@link #toPages} of its parts
     * @param pageShift log2 of the controller's memory page size
     */
    static DmaArea of(Container container, DmaWindow window, long bytes, int pageShift) {
        long pageSize = 1L << pageShift;
        // One page more, to begin at a page where the IOMMU pages are smaller.
        DmaMemory memory = container.allocate(bytes + pageSize, memoryPage(container, window));
        return new DmaArea(memory, map(memory, window), pageSize);
    }

    private static PageSize memoryPage(Container container, DmaWindow window) {
        return window.pageSize().compareTo(container.systemPage()) > 0 ? window.pageSize() : container.systemPage();
    }

    /** The bytes that {@link #allocate} of a number of bytes locks. */
    static long lockedBytes(Container container, DmaWindow window, long bytes) {
        return memoryPage(container, window).roundUp(bytes);
    }

    /** The bytes that {@link #of} locks. */
    static long lockedBytes(Container container, DmaWindow window, long bytes, int pageShift) {
        return lockedBytes(container, window, bytes + (1L << pageShift));
    }

    /** Rounds up to whole pages of the controller. */
    static long toPages(long bytes, int pageShift) {
        return Math.ceilDiv(bytes, 1L << pageShift) << pageShift;
    }

    /** Allocates a part in whole pages. */
    NvmeBuffer allocate(long bytes) {
        long offset = ((buffer.iova() + next + pageSize - 1) & -pageSize) - buffer.iova();
        next = offset + Math.ceilDiv(bytes, pageSize) * pageSize;
        if (next > offset) {
            memory.range(offset, next - offset).shareWithDevice();
        }
        return buffer.slice(offset, next - offset).slice(0, bytes);
    }

    @Override
    public void close() {
        buffer.close();
    }
}
