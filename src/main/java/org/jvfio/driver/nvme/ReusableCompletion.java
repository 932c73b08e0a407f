package org.jvfio.driver.nvme;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Reusable completion: new, in flight or finished, any number of times. A generation counter (odd: in flight) keeps a
 * waiter from taking an older completion. One thread waits, any thread finishes.
 */
abstract class ReusableCompletion {
    private static final int SPINS = 200;
    private static final int YIELDS = 200;
    private static final long PAUSE_NANOS = 20_000;
    private static final long MAX_PAUSE_NANOS = 50_000_000;
    private static final long NEW = 0;

    private static final VarHandle GENERATION = generationHandle();

    private volatile long generation = NEW;

    private volatile @Nullable Thread waiter;

    private static VarHandle generationHandle() {
        try {
            return MethodHandles.lookup().findVarHandle(ReusableCompletion.class, "generation", long.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private static boolean isInFlight(long generation) {
        return (generation & 1) != 0;
    }

    final boolean isInFlight() {
        return isInFlight(generation);
    }

    /** Whether it was in flight and is no longer. */
    final boolean isFinished() {
        long current = generation;
        return current != NEW && !isInFlight(current);
    }

    /** Starts a generation on behalf of the calling thread; false if one is in flight. */
    final boolean begin() {
        long current = generation;
        return !isInFlight(current) && GENERATION.compareAndSet(this, current, current + 1);
    }

    /**
     * Finishes the generation; another may begin at once. Writes of the calling thread happen-before the waiter's
     * return. Called once for each {@link #begin}.
     *
     * @param wakes whether a waiter must be woken. One that polls wakes by itself: then a waiter that is just going to
     *     sleep may be missed, which saves a fence
     */
    final void finish(boolean wakes) {
        // No other thread changes it while it is in flight.
        long finished = (long) GENERATION.getOpaque(this) + 1;
        if (wakes) {
            GENERATION.setVolatile(this, finished);
        } else {
            GENERATION.setRelease(this, finished);
        }
        Thread waiting = waiter;
        if (waiting != null) {
            LockSupport.unpark(waiting);
        }
    }

    /** Sleeps briefly, where nothing signals the event that is polled for. */
    static void pause() {
        LockSupport.parkNanos(PAUSE_NANOS);
    }

    /** Polls a queue until something completes, but not for long. */
    final void awaitBriefly(NvmeQueue queue) {
        if (queue.pollIfIdle() == 0 && isInFlight()) {
            for (int spin = 0; spin < SPINS && isInFlight() && queue.pollIfIdle() == 0; spin++) {
                Thread.onSpinWait();
            }
            if (isInFlight()) {
                pause();
            }
        }
    }

    /**
     * Waits for the generation that is in flight now, even if the next one has begun by then. This thread polls the
     * queue where no interrupts complete its commands.
     */
    @SuppressWarnings("ThreadPriorityCheck") // yields to other pollers; correctness does not depend on it
    final void await(NvmeQueue queue) {
        long awaited = generation;
        if (!isInFlight(awaited)) {
            return;
        }
        waiter = Thread.currentThread();
        try {
            for (int spin = 0; generation == awaited; spin++) {
                if (!queue.isPolled()) {
                    LockSupport.parkNanos(MAX_PAUSE_NANOS);
                } else if (queue.pollIfIdle() > 0) {
                    spin = 0;
                } else if (spin < SPINS) {
                    Thread.onSpinWait();
                } else if (spin < SPINS + YIELDS) {
                    Thread.yield();
                } else {
                    LockSupport.parkNanos(PAUSE_NANOS);
                }
            }
        } finally {
            waiter = null;
        }
    }
}
