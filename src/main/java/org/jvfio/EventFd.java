package org.jvfio;

import java.util.concurrent.locks.Lock;

/**
 * An event that the kernel acts on whenever it is signalled: it unmasks an interrupt line ({@link Interrupts#unmaskEvent})
 * or writes to a register ({@link Region#ioEventFd}). It belongs to what it was made for, and is closed with that.
 */
public final class EventFd implements AutoCloseable {
    private final Descriptor descriptor;
    private final Runnable forget;
    private final Lock lock;
    private boolean closed;

    /**
     * Takes over an eventfd that the kernel listens to.
     *
     * @param forget ends that the kernel listens to it
     * @param lock is held while it is closed
     */
    EventFd(Descriptor descriptor, Runnable forget, Lock lock) {
        this.descriptor = descriptor;
        this.forget = forget;
        this.lock = lock;
    }

    /**
     * Has the kernel do what the event is for. It may do so after this returns; what is signalled several times before
     * that is done once.
     *
     * @throws VfioException if the kernel refuses
     * @throws IllegalStateException if it is closed
     */
    public void signal() {
        descriptor.signal();
    }

    /** The kernel no longer listens to it. */
    @Override
    public void close() {
        lock.lock();
        try {
            if (closed) {
                return;
            }
            closed = true;
            Teardown teardown = new Teardown();
            teardown.step(forget);
            teardown.step(descriptor::close);
            teardown.end();
        } finally {
            lock.unlock();
        }
    }
}
