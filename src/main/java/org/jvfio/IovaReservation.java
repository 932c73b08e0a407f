package org.jvfio;

/**
 * Bus addresses of a window that nothing is mapped at, made by {@link DmaWindow#reserve}: for what a device takes for
 * something else. Closing it makes them free.
 */
public final class IovaReservation implements AutoCloseable {
    private final DmaWindow window;
    private final IovaRange range;

    IovaReservation(DmaWindow window, IovaRange range) {
        this.window = window;
        this.range = range;
    }

    /** The window that it lies in. */
    public DmaWindow window() {
        return window;
    }

    /** The addresses that are kept free, whole pages of the window. */
    public IovaRange range() {
        return range;
    }

    /** Makes the addresses free; with its window it ends by itself. */
    @Override
    public void close() {
        window.container().lock().lock();
        try {
            window.closed(this);
        } finally {
            window.container().lock().unlock();
        }
    }

    /** Its addresses on the bus. */
    @Override
    public String toString() {
        return range.toString();
    }
}
