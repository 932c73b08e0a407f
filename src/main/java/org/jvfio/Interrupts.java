package org.jvfio;

import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.locks.StampedLock;
import org.jspecify.annotations.Nullable;

/**
 * The enabled interrupts of one type of a device, made by {@link Device#enableInterrupts}. What comes on a vector is either
 * waited for, by any thread, virtual ones too, or given to a handler.
 *
 * <p>Interrupts that come while nobody waits are kept until somebody does, and count as one: a driver looks in its device
 * how much there is to do. Waiting allocates nothing.
 *
 * <p>All handlers of a device run on one thread of its own, one after another: a handler that takes long delays the others,
 * and those who wait. It must not wait for interrupts itself. What it throws goes to the
 * {@linkplain Thread#setDefaultUncaughtExceptionHandler uncaught exception handler}, which prints it unless the program has
 * another one; the next interrupt calls it again.
 *
 * <p>Closing disables them, wakes all who wait, with {@link IllegalStateException}, and may be done by a handler. A handler
 * that is running then is not waited for. Closing the device does it, too.
 */
public final class Interrupts implements AutoCloseable {
    private static final int NONE = -1;

    /** What came on a vector; its monitor guards it. */
    private static final class Vector {
        private long pending;
        private @Nullable Runnable handler;
    }

    private final Device device;
    private final InterruptType type;
    private final InterruptInfo info;
    private final Descriptor descriptor;
    private final InterruptDispatcher dispatcher;
    private final List<Descriptor> eventfds;
    private final Vector[] vectors;

    /** Where threads wait for any of several vectors; taken before the monitor of a vector. */
    private final Object any = new Object();

    private final InterruptDispatcher.Listener listener = new InterruptDispatcher.Listener() {
        @Override
        public void arrived(int vector, long count) {
            Interrupts.this.arrived(vector, count);
        }

        @Override
        public void failed(VfioException reason) {
            Interrupts.this.failed(reason);
        }
    };

    private final StampedLock calls = new StampedLock();
    private volatile int anyWaiters;
    private int lastTaken;
    private volatile boolean closed;
    private volatile @Nullable VfioException failure;
    private @Nullable EventFd unmaskEvent;

    /** Takes over eventfds that the kernel signals. */
    Interrupts(
            Device device,
            InterruptType type,
            InterruptInfo info,
            Descriptor descriptor,
            InterruptDispatcher dispatcher,
            List<Descriptor> eventfds) {
        this.device = device;
        this.type = type;
        this.info = info;
        this.descriptor = descriptor;
        this.dispatcher = dispatcher;
        this.eventfds = List.copyOf(eventfds);
        this.vectors = new Vector[eventfds.size()];
        for (int each = 0; each < vectors.length; each++) {
            vectors[each] = new Vector();
        }
    }

    /** Who is told by the dispatcher, as long as these interrupts are not forgotten. */
    InterruptDispatcher.Listener listener() {
        return listener;
    }

    /** Which interrupts they are. */
    public InterruptType type() {
        return type;
    }

    /** How many vectors are enabled; they are numbered from 0. */
    public int vectors() {
        return vectors.length;
    }

    /**
     * Waits for an interrupt, and takes what has come of this vector.
     *
     * @param vector from 0
     * @param timeout how long at most; with zero or less it only looks
     * @return whether one has come
     * @throws InterruptedException if the thread is interrupted; nothing is taken then
     * @throws IllegalStateException if the vector has a handler, this is called by a handler, or they are closed, before or
     *     meanwhile
     * @throws IndexOutOfBoundsException if there is no such vector
     * @throws VfioException if the kernel does not let this process wait
     */
    public boolean await(int vector, Duration timeout) throws InterruptedException {
        Vector waited = vector(vector);
        requireNoHandlerCalls();
        Deadline deadline = Deadline.after(timeout);
        synchronized (waited) {
            while (true) {
                requireWorking();
                requireNoHandler(waited, vector);
                if (waited.pending != 0) {
                    waited.pending = 0;
                    return true;
                }
                long left = deadline.millisLeft();
                if (left == 0) {
                    return false;
                }
                waited.wait(left);
            }
        }
    }

    /**
     * Waits for an interrupt of any vector that has no handler, and takes what has come of that one. Vectors take turns, so
     * that a busy one does not hide the others.
     *
     * @param timeout how long at most; with zero or less it only looks
     * @return the vector; -1 if none has come
     * @throws InterruptedException as {@link #await}
     * @throws IllegalStateException if all vectors have handlers, and as {@link #await}
     * @throws VfioException as {@link #await}
     */
    public int awaitAny(Duration timeout) throws InterruptedException {
        requireNoHandlerCalls();
        Deadline deadline = Deadline.after(timeout);
        synchronized (any) {
            anyWaiters++;
            try {
                while (true) {
                    requireWorking();
                    int taken = takeAny();
                    if (taken != NONE) {
                        return taken;
                    }
                    long left = deadline.millisLeft();
                    if (left == 0) {
                        return NONE;
                    }
                    any.wait(left);
                }
            } finally {
                anyWaiters--;
            }
        }
    }

    private int takeAny() {
        boolean waitable = false;
        for (int each = 1; each <= vectors.length; each++) {
            int number = (lastTaken + each) % vectors.length;
            Vector vector = vectors[number];
            synchronized (vector) {
                waitable |= vector.handler == null;
                if (vector.pending != 0) {
                    vector.pending = 0;
                    lastTaken = number;
                    return number;
                }
            }
        }
        if (!waitable) {
            throw new IllegalStateException("all vectors of " + this + " have handlers");
        }
        return NONE;
    }

    /**
     * Has a handler called, on the device's own thread, when interrupts have come: once for all that came since it was called
     * last. What has come and was not waited for is given to it at once. It replaces a handler that the vector has.
     *
     * @param vector from 0
     * @throws IllegalStateException if they are closed
     * @throws IndexOutOfBoundsException if there is no such vector
     */
    public void onInterrupt(int vector, Runnable handler) {
        Objects.requireNonNull(handler);
        Vector handled = vector(vector);
        boolean pending;
        synchronized (handled) {
            requireWorking();
            pending = handled.pending != 0;
            handled.pending = 0;
            handled.handler = handler;
            handled.notifyAll();
        }
        wakeAny();
        if (pending) {
            eventfds.get(vector).signal();
        }
    }

    /**
     * Has the kernel signal a vector as if the device had interrupted.
     *
     * @param vector from 0
     * @throws VfioException if the kernel refuses
     * @throws IllegalStateException if they are closed
     * @throws IndexOutOfBoundsException if there is no such vector
     */
    public void trigger(int vector) {
        vector(vector);
        call(SetIrqs.trigger(type, vector), "trigger vector " + vector + " of " + this);
    }

    /**
     * Keeps the line from interrupting until {@link #unmask}.
     *
     * @throws VfioException if these interrupts cannot be masked, as all but INTx; or the kernel refuses
     * @throws IllegalStateException if they are closed
     */
    public void mask() {
        requireMaskable("mask");
        call(SetIrqs.mask(type), "mask " + this);
    }

    /**
     * Lets the line interrupt again. The kernel masks it when it has fired: a driver calls this when the device no longer
     * asserts the line, or it fires at once.
     *
     * @throws VfioException if these interrupts cannot be masked, as all but INTx; or the kernel refuses
     * @throws IllegalStateException if they are closed
     */
    public void unmask() {
        requireMaskable("unmask");
        call(SetIrqs.unmask(type), "unmask " + this);
    }

    /** Makes a call, which closing waits for. */
    private void call(SetIrqs call, String asked) {
        long stamp = calls.readLock();
        try {
            requireOpen();
            call.callOrThrow(descriptor, asked);
        } finally {
            calls.unlockRead(stamp);
        }
    }

    /**
     * An event that has the kernel {@link #unmask} the line whenever it is signalled. There is one; it is closed with these
     * interrupts.
     *
     * @throws VfioException if these interrupts cannot be masked, as all but INTx; there is such an event; or the kernel
     *     refuses
     * @throws IllegalStateException if they are closed
     */
    public EventFd unmaskEvent() {
        String asked = "unmask " + this + " by an event";
        device.lock().lock();
        try {
            requireMaskable("unmask");
            if (unmaskEvent != null) {
                throw new VfioException(asked, "there is such an event already", "use it, or close it first");
            }
            Descriptor eventfd = Descriptor.eventfd(device.kernel(), "the event that unmasks " + this, asked);
            try {
                SetIrqs.unmaskBy(type, eventfd.number()).callOrThrow(descriptor, asked);
            } catch (RuntimeException e) {
                eventfd.close();
                throw e;
            }
            EventFd event = new EventFd(eventfd, this::forgetUnmaskEvent, device.lock());
            unmaskEvent = event;
            return event;
        } finally {
            device.lock().unlock();
        }
    }

    private void forgetUnmaskEvent() {
        unmaskEvent = null;
        SetIrqs.unmaskByNone(type).callOrThrow(descriptor, "no longer unmask " + this + " by an event");
    }

    private void arrived(int number, long count) {
        Vector vector = vectors[number];
        Runnable handler;
        synchronized (vector) {
            handler = vector.handler;
            if (handler == null) {
                vector.pending += count;
                vector.notifyAll();
            }
        }
        if (handler == null) {
            if (anyWaiters != 0) {
                wakeAny();
            }
        } else if (!closed) {
            call(handler);
        }
    }

    /** Whatever a handler throws, the interrupts of others must still arrive. */
    private static void call(Runnable handler) {
        try {
            handler.run();
        } catch (Throwable thrown) {
            Thread thread = Thread.currentThread();
            thread.getUncaughtExceptionHandler().uncaughtException(thread, thrown);
        }
    }

    private void failed(VfioException reason) {
        failure = reason;
        wakeAll();
    }

    private void wakeAll() {
        for (Vector vector : vectors) {
            synchronized (vector) {
                vector.notifyAll();
            }
        }
        wakeAny();
    }

    private void wakeAny() {
        synchronized (any) {
            any.notifyAll();
        }
    }

    /** Disables them. */
    @Override
    public void close() {
        device.lock().lock();
        try {
            if (closed) {
                return;
            }
            long stamp = calls.writeLock();
            closed = true;
            calls.unlockWrite(stamp);
            wakeAll();
            device.closed(this);
            Teardown teardown = new Teardown();
            if (unmaskEvent != null) {
                teardown.step(unmaskEvent::close);
            }
            teardown.step(() -> SetIrqs.disable(type).callOrThrow(descriptor, "disable " + this));
            teardown.step(() -> {
                // What may still be polled must not be closed: its number may be another file's soon.
                dispatcher.remove(listener);
                eventfds.forEach(eventfd -> teardown.step(eventfd::close));
            });
            teardown.end();
        } finally {
            device.lock().unlock();
        }
    }

    private Vector vector(int number) {
        if (number < 0 || number >= vectors.length) {
            throw new IndexOutOfBoundsException(
                    "vector %d of %s, which has %d".formatted(number, this, vectors.length));
        }
        return vectors[number];
    }

    private void requireMaskable(String verb) {
        requireOpen();
        if (!info.maskable()) {
            throw new VfioException(
                    verb + " " + this,
                    "only INTx can be masked by the kernel",
                    "mask it in the device, or leave it enabled");
        }
    }

    private void requireNoHandlerCalls() {
        if (dispatcher.isCurrentThread()) {
            throw new IllegalStateException("a handler cannot wait for interrupts of " + device + ": it holds them up");
        }
    }

    private void requireNoHandler(Vector vector, int number) {
        if (vector.handler != null) {
            throw new IllegalStateException("vector %d of %s has a handler".formatted(number, this));
        }
    }

    private void requireWorking() {
        requireOpen();
        VfioException reason = failure;
        if (reason != null) {
            throw reason;
        }
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException(this + " is closed");
        }
    }

    /** Their type and device. */
    @Override
    public String toString() {
        return type + " of " + device;
    }
}
