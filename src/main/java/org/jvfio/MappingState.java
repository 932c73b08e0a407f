package org.jvfio;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.locks.LockSupport;

/**
 * The state of a mapping: unmapped, mapped, closed, or busy while a thread holds it. The thread that has acquired it
 * sets the next state when it releases it. A thread that needs the container's lock too acquires that first.
 *
 * <p>Acquiring is the only atomic operation of a call, as releasing is a store. So a release wakes nobody, and a thread
 * that waits polls.
 */
abstract class MappingState {
    static final int UNMAPPED = 0;
    static final int MAPPED = 1;
    static final int CLOSED = 2;
    private static final int BUSY = 3;
    private static final long WAIT_NANOS = 20_000;
    private static final VarHandle STATE = stateHandle();

    private volatile int state;

    /** Begins in a state that is not busy. */
    MappingState(int first) {
        state = first;
    }

    private static VarHandle stateHandle() {
        try {
            return MethodHandles.lookup().findVarHandle(MappingState.class, "state", int.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** The state once no thread holds it. */
    final int settled() {
        boolean interrupted = false;
        int found = state;
        while (found == BUSY) {
            LockSupport.parkNanos(this, WAIT_NANOS);
            // An interrupted thread would not be parked.
            interrupted |= Thread.interrupted();
            found = state;
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return found;
    }

    /**
     * Acquires it in a state, so that no other thread can.
     *
     * @throws IllegalStateException if it is in another state
     */
    final void acquire(int from) {
        if (!STATE.compareAndSet(this, from, BUSY)) {
            acquireSettled(from);
        }
    }

    private void acquireSettled(int from) {
        do {
            int found = settled();
            if (found != from) {
                throw new IllegalStateException("the mapping " + this
                        + switch (found) {
                            case CLOSED -> " is closed";
                            case MAPPED -> " is mapped already";
                            default -> " is not mapped";
                        });
            }
        } while (!STATE.compareAndSet(this, from, BUSY));
    }

    /** Acquires it in a state; false if it is in another one. */
    final boolean tryAcquire(int from) {
        do {
            if (settled() != from) {
                return false;
            }
        } while (!STATE.compareAndSet(this, from, BUSY));
        return true;
    }

    /** Acquires it and returns the state that it was in; if that is closed, nothing is acquired. */
    final int acquireUnlessClosed() {
        int found;
        do {
            found = settled();
        } while (found != CLOSED && !STATE.compareAndSet(this, found, BUSY));
        return found;
    }

    /** Sets the next state. The calling thread holds it, or no other thread knows the mapping yet. */
    final void release(int next) {
        STATE.setRelease(this, next);
    }
}
