package org.jvfio;

/**
 * Bus addresses of a window at which nothing is mapped, made by {@link DmaWindow#reserve}: for addresses that a device
 * uses for something else, such as MSIs. Closing it frees them.
 */
public final class IovaReservation implements AutoCloseable {
    private final DmaWindow window;
    private final IovaRange range;

    IovaReservation(DmaWindow window, IovaRange range) {
        this.window = window;
        this.range = range;
    }

    /** The window that it is in. */
    public DmaWindow window() {
        return window;
    }

    /** The reserved addresses, whole pages of the window. */
    public IovaRange range() {
        return range;
    }

    /** Frees the addresses. It ends with its window, too. */
    @Override
    public void close() {
        window.container().lock().lock();
        try {
            window.closed(this);
        } finally {
            window.container().lock().unlock();
        }
    }

    /** Its bus addresses. */
    @Override
    public String toString() {
        return range.toString();
    }
}
