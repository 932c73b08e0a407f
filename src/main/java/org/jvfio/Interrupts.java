package org.jvfio;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.locks.StampedLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.jvfio.VfioException.Kind;

/**
 * The enabled interrupts of one type of a device, as {@link Device#enableInterrupts} returns them. The interrupts of
 * each vector are either waited for, by any thread, including virtual threads, or passed to a handler.
 *
 * <p>Interrupts that arrive while no thread waits stay pending, and count as one: a driver checks in its device how
 * much there is to do. Waiting allocates nothing.
 *
 * <p>All handlers of a device run on one thread of the device, one after another: a slow handler delays the others, and
 * threads that wait. A handler must not wait for interrupts. What it throws goes to the {@linkplain
 * Thread#setDefaultUncaughtExceptionHandler uncaught exception handler}, by default to standard error; it is called
 * again for the next interrupt.
 *
 * <p>{@link #close} disables the interrupts, and waits for a handler that is running; closing the device does the same.
 */
public final class Interrupts implements AutoCloseable {
    private final Device device;
    private final InterruptType type;
    private final InterruptInfo info;
    private final InterruptControl control;
    private final InterruptDispatcher dispatcher;
    private final List<Descriptor> eventfds;
    private final InterruptVectors vectors;

    /**
     * Read-held during a call, write-held when the interrupts become closed: no call is made after they are disabled.
     */
    private final StampedLock calls = new StampedLock();

    /** Guarded by the container's lock. */
    private @Nullable EventFd unmaskEvent;

    private @Nullable Descriptor unmaskDescriptor;

    /** Whether the kernel has them enabled; false during a recovery. Guarded by the container's lock. */
    private boolean armed = true;

    /** Takes over the eventfds that the kernel signals, one for each vector. */
    Interrupts(
            Device device,
            InterruptType type,
            InterruptInfo info,
            InterruptControl control,
            InterruptDispatcher dispatcher,
            List<Descriptor> eventfds) {
        this.device = device;
        this.type = type;
        this.info = info;
        this.control = control;
        this.dispatcher = dispatcher;
        this.eventfds = List.copyOf(eventfds);
        this.vectors = new InterruptVectors(type, device.address(), dispatcher, eventfds.size());
    }

    /** Has the dispatcher poll the eventfds. */
    void start() {
        dispatcher.add(vectors, eventfds);
        if (type == InterruptType.INTX && info.maskable()) {
            // XIVE, unlike XICS, does not report a line that was asserted before it was enabled; but at an unmask the
            // kernel checks the status register of the device.
            mask();
            unmask();
        }
    }

    /** The type of the interrupts. */
    public InterruptType type() {
        return type;
    }

    /** The number of enabled vectors. Vectors are numbered from 0. */
    public int vectors() {
        return vectors.count();
    }

    /**
     * Waits for an interrupt of a vector, and takes all that are pending.
     *
     * @param vector from 0
     * @param timeout the maximum wait; with zero or less it only checks
     * @return whether an interrupt has arrived
     * @throws InterruptedException if the thread is interrupted; nothing is taken then
     * @throws IllegalStateException if the vector has a handler, a handler calls this, or the interrupts are closed,
     *     before or during the wait
     * @throws IndexOutOfBoundsException if there is no such vector
     * @throws VfioException if the kernel refuses to poll the interrupts
     */
    public boolean await(int vector, Duration timeout) throws InterruptedException {
        return vectors.await(vector, timeout);
    }

    /**
     * Waits for an interrupt of any vector that has no handler, and takes all that are pending on that vector. Vectors
     * take turns: a busy one does not starve the others.
     *
     * @param timeout the maximum wait; with zero or less it only checks
     * @return the vector; -1 if the wait timed out
     * @throws InterruptedException as {@link #await}
     * @throws IllegalStateException if all vectors have handlers, and as {@link #await}
     * @throws VfioException as {@link #await}
     */
    public int awaitAny(Duration timeout) throws InterruptedException {
        return vectors.awaitAny(timeout);
    }

    /**
     * Sets the handler of a vector, in place of a former one. It is called on the thread of the device, once for all
     * interrupts that have arrived since its last call, pending ones included.
     *
     * @param vector from 0
     * @throws IllegalStateException if the interrupts are closed
     * @throws IndexOutOfBoundsException if there is no such vector
     */
    public void onInterrupt(int vector, Runnable handler) {
        if (vectors.setHandler(vector, handler)) {
            eventfds.get(vector).signal();
        }
    }

    /**
     * Has the kernel signal a vector as if the device had interrupted ({@code VFIO_IRQ_SET_ACTION_TRIGGER}).
     *
     * @param vector from 0
     * @throws VfioException if the kernel refuses
     * @throws IllegalStateException if the interrupts are closed
     * @throws IndexOutOfBoundsException if there is no such vector
     */
    public void trigger(int vector) {
        vectors.requireVector(vector);
        long stamp = calls.readLock();
        try {
            vectors.requireOpen();
            control.trigger(vector);
        } finally {
            calls.unlockRead(stamp);
        }
    }

    /**
     * Masks INTx until {@link #unmask}.
     *
     * @throws VfioException if the interrupts are not INTx, the only type that can be masked; or the kernel refuses
     * @throws IllegalStateException if the interrupts are closed
     */
    public void mask() {
        long stamp = calls.readLock();
        try {
            requireMaskable("mask");
            control.mask();
        } finally {
            calls.unlockRead(stamp);
        }
    }

    /**
     * Unmasks INTx. The kernel masks it at each interrupt: a driver unmasks it after the device has deasserted it, or
     * it interrupts again at once.
     *
     * @throws VfioException if the interrupts are not INTx, the only type that can be masked; or the kernel refuses
     * @throws IllegalStateException if the interrupts are closed
     */
    public void unmask() {
        long stamp = calls.readLock();
        try {
            requireMaskable("unmask");
            control.unmask();
        } finally {
            calls.unlockRead(stamp);
        }
    }

    /**
     * An eventfd at each signal of which the kernel unmasks INTx. There can be one; it is closed with the interrupts.
     *
     * @throws VfioException if the interrupts are not INTx, the only type that can be masked; there is such an eventfd;
     *     or the kernel refuses
     * @throws IllegalStateException if the interrupts are closed
     */
    public EventFd unmaskEvent() {
        device.lock().lock();
        try {
            requireMaskable("unmask");
            Supplier<String> asked = () -> "unmask " + this + " by an eventfd";
            if (unmaskEvent != null) {
                throw new VfioException(
                        Kind.CONFLICT, asked.get(), "there is such an eventfd already", "use it, or close it first");
            }
            Descriptor eventfd = Descriptor.eventfd(device.kernel(), "the eventfd that unmasks " + this, asked);
            try {
                control.unmaskBy(eventfd);
            } catch (RuntimeException e) {
                Teardown.after(e, eventfd::close);
                throw e;
            }
            EventFd event = new EventFd(eventfd, this::removeUnmaskEvent, device.lock());
            unmaskEvent = event;
            unmaskDescriptor = eventfd;
            return event;
        } finally {
            device.lock().unlock();
        }
    }

    private void removeUnmaskEvent() {
        unmaskEvent = null;
        if (armed) {
            control.unmaskByNone();
        }
    }

    /**
     * Whether the calling thread runs the handlers of the device. {@link #close} waits for this thread, so a handler
     * must not wait for a thread that closes the interrupts.
     */
    public boolean isHandlerThread() {
        return dispatcher.isCurrentThread();
    }

    /**
     * Disables the interrupts and waits for a handler that is running; threads that wait for interrupts get an {@link
     * IllegalStateException}. A handler, of this or another device, may call this; it does not wait then. The caller
     * must hold no lock that a handler needs. Closing twice has no effect.
     *
     * @throws VfioException if a step of the release fails; all others are made
     */
    @Override
    public void close() {
        if (!device.lock().isHeldByCurrentThread()) {
            vectors.stopHandlers();
        }
        disable();
    }

    /** Has the kernel disable them before a reset; handlers, waiting threads and eventfds stay. */
    void disarm() {
        if (armed) {
            control.disable();
            armed = false;
        }
    }

    /** Follows a device whose descriptor was closed: the kernel has disabled them. */
    void lost() {
        armed = false;
    }

    /** Has the kernel enable them again, if it disabled them, with the same eventfds. Caller holds the lock. */
    void rearm() {
        if (armed) {
            return;
        }
        control.enable(() -> "enable " + this + " again", eventfds.size(), eventfds);
        armed = true;
        if (type == InterruptType.INTX && info.maskable()) {
            control.mask();
            control.unmask();
            if (unmaskDescriptor != null && unmaskEvent != null) {
                control.unmaskBy(unmaskDescriptor);
            }
        }
    }

    /** Starts no more handlers, and waits for the one that is running. Called without the container's lock. */
    void stopHandlers() {
        vectors.stopHandlers();
    }

    /** Waits for a handler that is running. Called without the container's lock. */
    void awaitHandler() {
        vectors.awaitHandler();
    }

    /**
     * Closes the interrupts without waiting for a handler: it may need the container's lock, which the caller can hold.
     */
    void disable() {
        device.lock().lock();
        try {
            if (vectors.isClosed()) {
                return;
            }
            long stamp = calls.writeLock();
            vectors.close();
            calls.unlockWrite(stamp);
            device.remove(this);
            Teardown teardown = new Teardown();
            if (unmaskEvent != null) {
                teardown.step(unmaskEvent::close);
            }
            teardown.step(this::disarm);
            teardown.step(() -> {
                // An eventfd is closed when no poll knows its number any more, which the kernel may give to another
                // file.
                dispatcher.remove(vectors);
                eventfds.forEach(eventfd -> teardown.step(eventfd::close));
            });
            teardown.end();
        } finally {
            device.lock().unlock();
        }
    }

    private void requireMaskable(String verb) {
        vectors.requireOpen();
        if (!info.maskable()) {
            throw new VfioException(
                    Kind.UNSUPPORTED,
                    verb + " " + this,
                    "the kernel can mask INTx only",
                    "mask the interrupt in the device, or leave it enabled");
        }
    }

    /** Their type and device, as in {@code MSI-X of 0001:01:00.0}. */
    @Override
    public String toString() {
        return vectors.toString();
    }
}
