package org.jvfio.driver.nvme;

import org.jvfio.Container;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.DmaWindow;
import org.jvfio.PageSize;

/** Memory for queues, from which pieces are taken that are aligned on the bus. */
final class DmaArea implements AutoCloseable {
    private final NvmeBuffer buffer;
    private long next;

    private DmaArea(NvmeBuffer buffer) {
        this.buffer = buffer;
    }

    /** Zeroed memory for a controller, mapped both ways. */
    static NvmeBuffer allocate(Container container, DmaWindow window, long bytes) {
        PageSize page =
                window.pageSize().compareTo(container.systemPage()) > 0 ? window.pageSize() : container.systemPage();
        DmaMemory memory = container.allocate(bytes, page);
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

    /** The next piece whose bus address is a multiple of the alignment, a power of two. */
    NvmeBuffer take(long bytes, long alignment) {
        long offset = ((buffer.iova() + next + alignment - 1) & -alignment) - buffer.iova();
        next = offset + bytes;
        return buffer.slice(offset, bytes);
    }

    @Override
    public void close() {
        buffer.close();
    }
}
