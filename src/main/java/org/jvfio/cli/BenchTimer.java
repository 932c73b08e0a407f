package org.jvfio.cli;

import java.util.concurrent.TimeUnit;

/**
 * Measures how long an operation takes: over its first calls, and once it is compiled. The shortest of many rounds
 * counts, as other load on the machine only adds time.
 */
final class BenchTimer {
    /** How many calls are the first ones. */
    static final int FIRST = 20_000;

    private static final int FIRST_ROUND = 10;
    private static final long ROUND_NANOS = TimeUnit.MILLISECONDS.toNanos(2);

    /** An operation, repeated in one call, so that it is compiled with its loop. */
    @FunctionalInterface
    interface Repeated {
        void run(int count);
    }

    /**
     * What one call takes, in nanoseconds.
     *
     * @param first on average over the first calls, 20,000 or as many as there was time for
     * @param each in the shortest round
     */
    record Times(double first, double each) {}

    private final long nanos;

    /** @param millis how long the first calls may take, and how long it then goes on */
    BenchTimer(long millis) {
        this.nanos = TimeUnit.MILLISECONDS.toNanos(millis);
    }

    Times measure(Repeated operation) {
        long begin = System.nanoTime();
        int calls = 0;
        long taken = 0;
        for (int round = FIRST_ROUND; calls < FIRST && (calls == 0 || taken < nanos); round *= 2) {
            int count = Math.min(round, FIRST - calls);
            operation.run(taken == 0 ? 1 : count);
            calls += taken == 0 ? 1 : count;
            taken = Math.max(1, System.nanoTime() - begin);
        }
        double first = (double) taken / calls;
        double each = first;
        long start = System.nanoTime();
        do {
            int count = (int) Math.clamp(ROUND_NANOS / each, 1, FIRST);
            long round = System.nanoTime();
            operation.run(count);
            each = Math.min(each, (double) (System.nanoTime() - round) / count);
        } while (System.nanoTime() - start < nanos);
        return new Times(first, each);
    }
}
