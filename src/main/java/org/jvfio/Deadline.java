package org.jvfio;

import java.time.Duration;
import java.util.concurrent.TimeUnit;

/**
 * When a wait is over.
 *
 * @param end as {@link System#nanoTime} counts
 */
record Deadline(long end) {
    // Half of what a long can hold, so that sums with the time of now do not overflow.
    private static final Duration LONGEST = Duration.ofNanos(Long.MAX_VALUE / 2);

    /** At the end of a timeout that begins now; one of zero or less is over. */
    static Deadline after(Duration timeout) {
        Duration bounded = timeout.isNegative() ? Duration.ZERO : timeout;
        return new Deadline(System.nanoTime() + (bounded.compareTo(LONGEST) > 0 ? LONGEST : bounded).toNanos());
    }

    /** How many milliseconds are left, rounded up; 0 if it is over. */
    long millisLeft() {
        long left = end - System.nanoTime();
        return left <= 0 ? 0 : TimeUnit.NANOSECONDS.toMillis(left - 1) + 1;
    }
}
