package org.jvfio;

/**
 * DMA memory at an address that devices can use, made by {@link DmaWindow#map}. Closing it unmaps it; a device that uses
 * the address afterwards does so in vain, and freezes its PE.
 */
public final class DmaMapping implements AutoCloseable {
    private final DmaWindow window;
    private final DmaMemory memory;
    private final long offset;
    private final IovaRange range;
    private final DmaDirection direction;
    private boolean closed;

    DmaMapping(DmaWindow window, DmaMemory memory, long offset, IovaRange range, DmaDirection direction) {
        this.window = window;
        this.memory = memory;
        this.offset = offset;
        this.range = range;
        this.direction = direction;
    }

    /** The first address on the bus, which a device is told. */
    public long iova() {
        return range.start();
    }

    /** All its addresses on the bus. */
    public IovaRange range() {
        return range;
    }

    /** The memory that it shows. */
    public DmaMemory memory() {
        return memory;
    }

    /** Where it begins in that memory, in bytes. */
    public long offset() {
        return offset;
    }

    /** What devices may do with it. */
    public DmaDirection direction() {
        return direction;
    }

    /** The window that it lies in. */
    public DmaWindow window() {
        return window;
    }

    /**
     * Unmaps it. Devices go on doing DMA elsewhere; none may be using this address.
     *
     * @throws VfioException if the kernel refuses; it then stays mapped
     */
    @Override
    public void close() {
        window.container().lock().lock();
        try {
            if (!closed) {
                window.unmap(this);
                gone();
            }
        } finally {
            window.container().lock().unlock();
        }
    }

    /** Follows a window that is gone. */
    void gone() {
        closed = true;
        memory.unmapped(this);
    }

    /** Its addresses on the bus. */
    @Override
    public String toString() {
        return range.toString();
    }
}
