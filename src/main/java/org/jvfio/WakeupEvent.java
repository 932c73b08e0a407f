package org.jvfio;

import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The event by which the kernel tells that a device with low power was woken, made by {@link
 * Device#enterLowPowerWithWakeup}. It comes once; that the driver itself gives the device power counts as it.
 *
 * <p>Closing it wakes all who wait, with {@link IllegalStateException}, and leaves the device with the power that it has.
 * Closing the device does it, too, and so does entering low power anew.
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

    // All below is guarded by this.
    private boolean woken;
    private boolean closed;
    private @Nullable VfioException failure;

    /** Takes over an eventfd that the kernel is to signal. */
    WakeupEvent(Device device, InterruptDispatcher dispatcher, Descriptor eventfd) {
        this.device = device;
        this.dispatcher = dispatcher;
        this.eventfd = eventfd;
    }

    /** The eventfd, to be passed to the kernel while whoever asks keeps this from being closed. */
    int eventfd() {
        return eventfd.number();
    }

    /** Has the dispatcher tell what comes. */
    void listen() {
        dispatcher.add(listener, List.of(eventfd));
    }

    /** The device has power again. */
    synchronized void wake() {
        woken = true;
        notifyAll();
    }

    private synchronized void fail(VfioException reason) {
        failure = reason;
        notifyAll();
    }

    /**
     * Waits until the device is woken. Any thread may wait, virtual ones too, but not a handler of the device's interrupts.
     *
     * @param timeout how long at most; with zero or less it only looks
     * @return whether the device was woken; once it was, it is so for good
     * @throws InterruptedException if the thread is interrupted
     * @throws IllegalStateException if this is called by a handler; or if it is closed, before or meanwhile, and the device
     *     was not woken
     * @throws VfioException if the kernel does not let this process wait
     */
    public boolean await(Duration timeout) throws InterruptedException {
        if (dispatcher.isCurrentThread()) {
            throw new IllegalStateException("a handler cannot wait until " + device + " is woken: it holds that up");
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
                long left = deadline.millisLeft();
                if (left == 0) {
                    return false;
                }
                wait(left);
            }
        }
    }

    /** No longer waits for it; the kernel lets go of the event when it has signalled it, or the device has power again. */
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
            // What may still be polled must not be closed: its number may be another file's soon.
            dispatcher.remove(listener);
            eventfd.close();
        } finally {
            device.lock().unlock();
        }
    }

    /** Whose it is. */
    @Override
    public String toString() {
        return "the wake-up of " + device;
    }
}
