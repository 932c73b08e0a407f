package org.jvfio.driver.nvme;

import org.jvfio.Container;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.DmaWindow;
import org.jvfio.PageSize;

/** Mapped memory of the driver, from which aligned parts are allocated; they are freed together. */
final class DmaArea implements AutoCloseable {
    private final NvmeBuffer buffer;
    private long next;

    private DmaArea(NvmeBuffer buffer) {
        this.buffer = buffer;
    }

    /** Allocates zeroed memory and maps it for the device to read and write. */
    static NvmeBuffer allocate(Container container, DmaWindow window, long bytes) {
        PageSize pageSize =
                window.pageSize().compareTo(container.systemPage()) > 0 ? window.pageSize() : container.systemPage();
        DmaMemory memory = container.allocate(bytes, pageSize);
        try {
            DmaMapping mapping = window.map(memory, DmaDirection.BIDIRECTIONAL);
            return NvmeBuffer.owning(mapping);
        } catch (RuntimeException e) {
            memory.close();
            throw e;
        }
    }

    static DmaArea of(Container container, DmaWindow window, long bytes) {
        return new DmaArea(allocate(container, window, bytes));
    }

    /**
     * Allocates a part.
     *
     * @param alignment of its bus address in bytes, a power of two
     */
    NvmeBuffer allocate(long bytes, long alignment) {
        long offset = ((buffer.iova() + next + alignment - 1) & -alignment) - buffer.iova();
        next = offset + bytes;
        return buffer.slice(offset, bytes);
    }

    @Override
    public void close() {
        buffer.close();
    }
}
