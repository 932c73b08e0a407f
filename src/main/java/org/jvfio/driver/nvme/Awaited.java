package org.jvfio.driver.nvme;

import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/** Something that one thread may wait for, and another one finishes. */
abstract class Awaited {
    private static final int SPINS = 200;
    private static final int YIELDS = 200;
    private static final long PAUSE_NANOS = 20_000;
    private static final long LONGEST_PAUSE_NANOS = 50_000_000;

    private volatile boolean finished;
    private volatile @Nullable Thread waiter;

    final boolean isFinished() {
        return finished;
    }

    /** It is under way, from now on. */
    final void begin() {
        finished = false;
    }

    /** It is done; what the calling thread wrote before is seen by who waited. */
    final void finish() {
        finished = true;
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
        if (queue.pollIfIdle() == 0 && !finished) {
            for (int look = 0; look < SPINS && !finished && queue.pollIfIdle() == 0; look++) {
                Thread.onSpinWait();
            }
            if (!finished) {
                pause();
            }
        }
    }

    /** Waits until it is finished: looks at a queue itself where nobody else does. */
    @SuppressWarnings("ThreadPriorityCheck") // it only gives way to others; nothing depends on when it goes on
    final void await(NvmeQueue queue, boolean polls) {
        waiter = Thread.currentThread();
        try {
            for (int look = 0; !finished; look++) {
                if (!polls) {
                    LockSupport.parkNanos(LONGEST_PAUSE_NANOS);
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
