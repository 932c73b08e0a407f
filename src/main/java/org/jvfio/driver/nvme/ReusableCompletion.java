package org.jvfio.driver.nvme;

import java.util.concurrent.atomic.AtomicLong;
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

    private final AtomicLong generation = new AtomicLong(NEW);

    private volatile @Nullable Thread waiter;

    private static boolean isInFlight(long generation) {
        return (generation & 1) != 0;
    }

    final boolean isInFlight() {
        return isInFlight(generation.get());
    }

    /** Whether it was in flight and is no longer. */
    final boolean isFinished() {
        long current = generation.get();
        return current != NEW && !isInFlight(current);
    }

    /** Starts a generation on behalf of the calling thread; false if one is in flight. */
    final boolean begin() {
        long current = generation.get();
        return !isInFlight(current) && generation.compareAndSet(current, current + 1);
    }

    /**
     * Finishes the generation; another may begin at once. Writes of the calling thread happen-before the waiter's
     * return. Called once for each {@link #begin}.
     */
    final void finish() {
        generation.incrementAndGet();
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
     * Waits for the generation that is in flight now, even if the next one has begun by then.
     *
     * @param polls whether this thread polls the queue; otherwise interrupts complete its commands
     */
    @SuppressWarnings("ThreadPriorityCheck") // yields to other pollers; correctness does not depend on it
    final void await(NvmeQueue queue, boolean polls) {
        long awaited = generation.get();
        if (!isInFlight(awaited)) {
            return;
        }
        waiter = Thread.currentThread();
        try {
            for (int spin = 0; generation.get() == awaited; spin++) {
                if (!polls) {
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
