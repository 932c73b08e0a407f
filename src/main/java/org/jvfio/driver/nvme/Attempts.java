package org.jvfio.driver.nvme;

import java.time.Duration;
import org.jvfio.VfioException.Kind;

/**
 * The failed attempts to execute one command that has the same effect if it is executed twice: whether it is submitted
 * again, and after what delay. {@link NvmeOptions#retries} limits the number of attempts; while the namespace is not
 * ready, {@link NvmeOptions#notReadyTimeout} limits their time instead.
 */
final class Attempts {
    private final int maxRetries;
    private final Duration notReadyTimeout;
    private int failures;
    private int notReady;
    /** When the namespace was found not ready first. */
    private long notReadyNanos;

    Attempts(NvmeOptions options) {
        maxRetries = options.retries();
        notReadyTimeout = options.notReadyTimeout();
    }

    /** Begins to count for another command. */
    void reset() {
        failures = 0;
        notReady = 0;
    }

    /** Counts a failed attempt; whether another one may be made. */
    boolean mayRetry(NvmeStatus status) {
        if (!status.isRetryable()) {
            return false;
        }
        if (status.kind() != Kind.BUSY) {
            return failures++ < maxRetries;
        }
        long now = System.nanoTime();
        if (notReady++ == 0) {
            notReadyNanos = now;
        }
        return now - notReadyNanos < notReadyTimeout.toNanos();
    }

    /**
     * The delay in nanoseconds before the next attempt, after {@link #mayRetry} has counted the last one: 0 if the
     * driver, not the controller, ended it. The controller may ask for hours; at most the timeout is waited for.
     */
    long delayNanos(NvmeRequest request, RetryDelays delays) {
        return request.isRejected()
                ? Math.min(
                        delays.nanos(request.retryDelaySelector(), Math.max(failures, notReady) - 1),
                        notReadyTimeout.toNanos())
                : 0;
    }
}
