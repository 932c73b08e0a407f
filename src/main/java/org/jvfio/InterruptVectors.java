package org.jvfio;

import java.time.Duration;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The interrupts that have arrived on each vector of a type, and who takes them: threads that wait, or handlers.
 *
 * <p>Locks: {@code any} is acquired before the monitor of a vector; neither is held while a handler runs.
 */
final class InterruptVectors implements InterruptDispatcher.Listener {
    private static final int NONE = -1;

    /** Guarded by its monitor. */
    private static final class Vector {
        private long pending;
        private @Nullable Runnable handler;
    }

    private final InterruptType type;
    private final PciAddress device;
    private final InterruptDispatcher dispatcher;
    private final Vector[] vectors;

    /** The monitor of the threads that wait for any vector. */
    private final Object any = new Object();

    private volatile int anyWaiters;
    private int lastTaken;

    /** The monitor of {@code stopping} and {@code handling}. */
    private final Object handlers = new Object();

    private boolean stopping;
    private boolean handling;

    private volatile boolean closed;
    private volatile @Nullable VfioException failure;

    InterruptVectors(InterruptType type, PciAddress device, InterruptDispatcher dispatcher, int count) {
        this.type = type;
        this.device = device;
        this.dispatcher = dispatcher;
        this.vectors = new Vector[count];
        for (int each = 0; each < count; each++) {
            vectors[each] = new Vector();
        }
    }

    int count() {
        return vectors.length;
    }

    /** Implements {@link Interrupts#await}. */
    boolean await(int number, Duration timeout) throws InterruptedException {
        Vector vector = vector(number);
        requireNoHandlerCalls();
        Deadline deadline = Deadline.after(timeout);
        synchronized (vector) {
            while (true) {
                requireWorking();
                if (vector.handler != null) {
                    throw new IllegalStateException("vector %d of %s has a handler".formatted(number, this));
                }
                if (vector.pending != 0) {
                    vector.pending = 0;
                    return true;
                }
                long remaining = deadline.millisLeft();
                if (remaining == 0) {
                    return false;
                }
                vector.wait(remaining);
            }
        }
    }

    /** Implements {@link Interrupts#awaitAny}. */
    int awaitAny(Duration timeout) throws InterruptedException {
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
                    long remaining = deadline.millisLeft();
                    if (remaining == 0) {
                        return NONE;
                    }
                    any.wait(remaining);
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
     * Sets the handler of a vector; threads that wait for the vector are woken, and fail.
     *
     * @return whether an interrupt is pending, for which the handler is to be called
     */
    boolean setHandler(int number, Runnable handler) {
        Objects.requireNonNull(handler, "handler");
        Vector vector = vector(number);
        boolean pending;
        synchronized (vector) {
            requireWorking();
            pending = vector.pending != 0;
            vector.pending = 0;
            vector.handler = handler;
            vector.notifyAll();
        }
        wakeAny();
        return pending;
    }

    @Override
    public void arrived(int number, long count) {
        Vector vector = vectors[number];
        Runnable handler;
        synchronized (vector) {
            handler = vector.handler;
            if (handler == null) {
                vector.pending += count;
                vector.notifyAll();
            }
        }
        if (handler != null) {
            call(handler);
        } else if (anyWaiters != 0) {
            wakeAny();
        }
    }

    /** A throwable of a handler is reported, and does not end the thread, which serves other vectors too. */
    private void call(Runnable handler) {
        synchronized (handlers) {
            if (stopping) {
                return;
            }
            handling = true;
        }
        try {
            handler.run();
        } catch (Throwable thrown) {
            Thread thread = Thread.currentThread();
            thread.getUncaughtExceptionHandler().uncaughtException(thread, thrown);
        } finally {
            synchronized (handlers) {
                handling = false;
                handlers.notifyAll();
            }
        }
    }

    @Override
    public void failed(VfioException reason) {
        failure = reason;
        wakeAll();
    }

    /**
     * Starts no more handlers, and waits for the one that is running, unless a handler of any device calls this: two
     * handlers could wait for each other. The caller holds no lock that a handler may need.
     */
    void stopHandlers() {
        synchronized (handlers) {
            stopping = true;
        }
        awaitHandler();
    }

    /** Waits for the handler that is running, as {@link #stopHandlers} does; others may start. */
    void awaitHandler() {
        if (InterruptDispatcher.isInterruptThread()) {
            return;
        }
        boolean interrupted = false;
        synchronized (handlers) {
            while (handling) {
                try {
                    handlers.wait();
                } catch (InterruptedException _) {
                    interrupted = true;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Ends all waits with {@link IllegalStateException}; no handler is started any more. */
    void close() {
        synchronized (handlers) {
            stopping = true;
        }
        closed = true;
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

    /**
     * Checks the number of a vector.
     *
     * @throws IndexOutOfBoundsException if there is no such vector
     */
    void requireVector(int number) {
        vector(number);
    }

    private Vector vector(int number) {
        if (number < 0 || number >= vectors.length) {
            throw new IndexOutOfBoundsException(
                    "vector %d of %s: %d vectors are enabled".formatted(number, this, vectors.length));
        }
        return vectors[number];
    }

    private void requireNoHandlerCalls() {
        if (dispatcher.isCurrentThread()) {
            throw new IllegalStateException(
                    "a handler cannot wait for interrupts of " + device + ": they arrive on its thread");
        }
    }

    private void requireWorking() {
        requireOpen();
        VfioException reason = failure;
        if (reason != null) {
            throw reason;
        }
    }

    boolean isClosed() {
        return closed;
    }

    /**
     * Checks that the interrupts are open.
     *
     * @throws IllegalStateException if they are closed
     */
    void requireOpen() {
        if (closed) {
            throw new IllegalStateException(this + " is closed");
        }
    }

    @Override
    public String toString() {
        return type + " of " + device;
    }
}
