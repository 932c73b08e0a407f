package org.jvfio.bench;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import org.jvfio.ThreadAllocation;

/**
 * What an operation costs the thread that makes it.
 *
 * @param nanos of processor time, which other load disturbs less than the clock
 * @param bytes of heap
 */
record ThreadCost(double nanos, double bytes) {
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

    /**
     * The fastest of some rounds.
     *
     * @param warmUp how many rounds go before them
     * @param count how often a round makes the operation
     */
    static ThreadCost best(int warmUp, int rounds, int count, Runnable round) {
        ThreadCost best = new ThreadCost(Double.MAX_VALUE, 0);
        for (int each = -warmUp; each < rounds; each++) {
            long bytes = ThreadAllocation.bytes();
            long nanos = THREADS.getCurrentThreadCpuTime();
            round.run();
            nanos = THREADS.getCurrentThreadCpuTime() - nanos;
            bytes = ThreadAllocation.bytes() - bytes;
            ThreadCost cost = new ThreadCost((double) nanos / count, (double) bytes / count);
            if (each >= 0 && cost.nanos < best.nanos) {
                best = cost;
            }
        }
        return best;
    }
}
