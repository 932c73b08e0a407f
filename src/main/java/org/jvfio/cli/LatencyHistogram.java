package org.jvfio.cli;

import java.util.concurrent.atomic.AtomicLongArray;

/**
 * Times in nanoseconds, counted in buckets that are at most 1/32 as wide as the times in them. Any number of threads
 * may count; counting allocates nothing.
 */
final class LatencyHistogram {
    private static final int DETAIL_BITS = 5;
    private static final int DETAIL = 1 << DETAIL_BITS;

    private final AtomicLongArray counts = new AtomicLongArray((Long.SIZE - DETAIL_BITS + 1) * DETAIL);

    /** Counts a time; one below zero counts as zero. */
    void add(long nanos) {
        counts.incrementAndGet(bucket(Math.max(0, nanos)));
    }

    private static int bucket(long nanos) {
        int shift = Math.max(0, Long.SIZE - Long.numberOfLeadingZeros(nanos) - DETAIL_BITS - 1);
        return shift * DETAIL + (int) (nanos >>> shift);
    }

    /** The longest time that its bucket may hold. */
    private static long mostOf(int bucket) {
        int shift = Math.max(0, bucket / DETAIL - 1);
        return ((long) (bucket - shift * DETAIL + 1) << shift) - 1;
    }

    long count() {
        long sum = 0;
        for (int bucket = 0; bucket < counts.length(); bucket++) {
            sum += counts.get(bucket);
        }
        return sum;
    }

    /**
     * The time that so many per cent of all do not exceed, by 1/32 too long at most; 0 if nothing was counted.
     *
     * @param percent above 0, up to 100
     */
    long percentile(double percent) {
        long wanted = (long) Math.ceil(count() * percent / 100);
        long seen = 0;
        for (int bucket = 0; bucket < counts.length(); bucket++) {
            seen += counts.get(bucket);
            if (seen >= wanted && seen > 0) {
                return mostOf(bucket);
            }
        }
        return 0;
    }
}
