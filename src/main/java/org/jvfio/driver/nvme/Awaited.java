package org.jvfio.driver.nvme;

import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Something that is under way again and again, which some thread waits for, and any one ends. It is new, under way or
 * done; one number says which, and which time it is, so that nobody takes the end of one time for that of another.
 */
abstract class Awaited {
    private static final int SPINS = 200;
    private static final int YIELDS = 200;
    private static final long PAUSE_NANOS = 20_000;
    private static final long MAX_PAUSE_NANOS = 50_000_000;
    private static final long NEW = 0;

    /** Counts each beginning and each end: it is odd while it is under way. */
    private final AtomicLong turns = new AtomicLong(NEW);

    private volatile @Nullable Thread waiter;

    private static boolean isUnderWay(long turn) {
        return (turn & 1) != 0;
    }

    final boolean isUnderWay() {
        return isUnderWay(turns.get());
    }

    /** Whether it was under way, and is not any more. */
    final boolean isFinished() {
        long turn = turns.get();
        return turn != NEW && !isUnderWay(turn);
    }

    /** It is under way from now on, and the calling thread's, unless it was already: whether it was not. */
    final boolean begin() {
        long turn = turns.get();
        return !isUnderWay(turn) && turns.compareAndSet(turn, turn + 1);
    }

    /**
     * It is done, and may begin again; what the calling thread wrote before is seen by who waited. Is called once for each
     * {@link #begin}.
     */
    final void finish() {
        turns.incrementAndGet();
        Thread waiting = waiter;
        if (waiting != null) {
            LockSupport.unpark(waiting);
        }
    }

    /** Waits a moment for something that nobody tells of. */
    static void pause() {
        LockSupport.parkNanos(PAUSE_NANOS);
    }

    /** Looks at a queue, and waits a moment if it has nothing. */
    final void awaitSlice(NvmeQueue queue) {
        if (queue.pollIfIdle() == 0 && isUnderWay()) {
            for (int look = 0; look < SPINS && isUnderWay() && queue.pollIfIdle() == 0; look++) {
                Thread.onSpinWait();
            }
            if (isUnderWay()) {
                pause();
            }
        }
    }

    /**
     * Waits until what is under way now is done, also if it is under way again then: looks at a queue itself where nobody
     * else does.
     */
    @SuppressWarnings("ThreadPriorityCheck") // it only gives way to others; nothing depends on when it goes on
    final void await(NvmeQueue queue, boolean polls) {
        long turn = turns.get();
        if (!isUnderWay(turn)) {
            return;
        }
        waiter = Thread.currentThread();
        try {
            for (int look = 0; turns.get() == turn; look++) {
                if (!polls) {
                    LockSupport.parkNanos(MAX_PAUSE_NANOS);
                } else if (queue.pollIfIdle() > 0) {
                    look = 0;
                } else if (look < SPINS) {
                    Thread.onSpinWait();
                } else if (look < SPINS + YIELDS) {
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
