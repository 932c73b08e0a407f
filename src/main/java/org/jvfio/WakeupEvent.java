package org.jvfio;

import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Reports the wakeup of a device from low power, as {@link Device#enterLowPowerWithWakeup} returns it. It reports one
 * wakeup; {@link Device#exitLowPower} counts as one.
 *
 * <p>Closing it ends all waits with {@link IllegalStateException}, and does not change the power of the device. It is
 * closed with the device, and when the device enters low power again.
 */
public final class WakeupEvent implements AutoCloseable {
    private final Device device;
    private final InterruptDispatcher dispatcher;
    private final Descriptor eventfd;
    private final InterruptDispatcher.Listener listener = new InterruptDispatcher.Listener() {
        @Override
        public void arrived(int eventfd, long count) {
            device.woken();
            wake();
        }

        @Override
        public void failed(VfioException reason) {
            fail(reason);
        }
    };

    // Guarded by this.
    private boolean woken;
    private boolean closed;
    private @Nullable VfioException failure;

    /** Takes over an eventfd that the kernel will signal. */
    WakeupEvent(Device device, InterruptDispatcher dispatcher, Descriptor eventfd) {
        this.device = device;
        this.dispatcher = dispatcher;
        this.eventfd = eventfd;
    }

    /** Has the dispatcher poll the eventfd. */
    void listen() {
        dispatcher.add(listener, List.of(eventfd));
    }

    /** Reports the wakeup to threads that wait. */
    synchronized void wake() {
        woken = true;
        notifyAll();
    }

    private synchronized void fail(VfioException reason) {
        failure = reason;
        notifyAll();
    }

    /**
     * Waits for the wakeup. Any thread may wait, including virtual threads, but no interrupt handler of the device.
     *
     * @param timeout the maximum wait; with zero or less it only checks
     * @return whether the wakeup has happened; once true, always true
     * @throws InterruptedException if the thread is interrupted
     * @throws IllegalStateException if an interrupt handler of the device calls this; or if this is closed, before or
     *     during the wait, and there was no wakeup
     * @throws VfioException if the kernel refuses to poll the event
     */
    public boolean await(Duration timeout) throws InterruptedException {
        if (dispatcher.isCurrentThread()) {
            throw new IllegalStateException(
                    "a handler cannot wait for the wakeup of " + device + ": it arrives on its thread");
        }
        Deadline deadline = Deadline.after(timeout);
        synchronized (this) {
            while (true) {
                if (woken) {
                    return true;
                }
                if (closed) {
                    throw new IllegalStateException(this + " is closed");
                }
                VfioException reason = failure;
                if (reason != null) {
                    throw reason;
                }
                long remaining = deadline.millisLeft();
                if (remaining == 0) {
                    return false;
                }
                wait(remaining);
            }
        }
    }

    /** Stops waiting for the wakeup. The kernel keeps its eventfd until the wakeup. */
    @Override
    public void close() {
        device.lock().lock();
        try {
            synchronized (this) {
                if (closed) {
                    return;
                }
                closed = true;
                notifyAll();
            }
            // The eventfd is closed when no poll knows its number any more, which the kernel may give to another file.
            dispatcher.remove(listener);
            eventfd.close();
        } finally {
            device.lock().unlock();
        }
    }

    /** The device whose wakeup it is. */
    @Override
    public String toString() {
        return "wakeup event of " + device;
    }
}
