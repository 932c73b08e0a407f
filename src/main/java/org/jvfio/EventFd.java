package org.jvfio;

import java.util.concurrent.locks.Lock;

/**
 * An eventfd at each signal of which the kernel unmasks INTx ({@link Interrupts#unmaskEvent}) or writes a register
 * ({@link Region#ioEventFd}). It is closed with the interrupts or the device that it belongs to.
 */
public final class EventFd implements AutoCloseable {
    private final Descriptor descriptor;
    private final Runnable forget;
    private final Lock lock;
    private boolean closed;

    /**
     * Takes over an eventfd that the kernel has.
     *
     * @param forget removes it from the kernel
     * @param lock is acquired by {@link #close}
     */
    EventFd(Descriptor descriptor, Runnable forget, Lock lock) {
        this.descriptor = descriptor;
        this.forget = forget;
        this.lock = lock;
    }

    /**
     * Has the kernel act. It may act after this returns, and once for several signals before that.
     *
     * @throws VfioException if the kernel refuses
     * @throws IllegalStateException if this is closed
     */
    public void signal() {
        descriptor.signal();
    }

    /** Caller holds the lock. */
    boolean isClosed() {
        return closed;
    }

    /**
     * Removes it from the kernel. Closing twice has no effect.
     *
     * @throws VfioException if the kernel refuses; it is closed all the same
     */
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
