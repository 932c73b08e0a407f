package org.jvfio;

import java.time.Duration;
import java.util.Objects;
import java.util.function.Consumer;

/**
 * How {@link Device#recover} goes about it.
 *
 * @param timeout the maximum time for all of it, above zero; a single call of the kernel may take longer
 * @param maxResets how often the device is reset before it is given up, at least 1
 * @param fundamental whether a PE gets a fundamental reset instead of a hot reset
 * @param listener is told each step, by the thread that recovers, which holds no lock then; what it throws ends the
 *     recovery
 */
public record RecoveryOptions(Duration timeout, int maxResets, boolean fundamental, Consumer<RecoveryStep> listener) {
    /** 30 seconds, 3 hot resets, no listener. */
    public static final RecoveryOptions DEFAULT = new RecoveryOptions(Duration.ofSeconds(30), 3, false, _ -> {});

    /**
     * Checks the values.
     *
     * @throws IllegalArgumentException if the timeout is not above zero, or there is to be no reset
     */
    public RecoveryOptions {
        Objects.requireNonNull(listener, "listener");
        if (!timeout.isPositive()) {
            throw new IllegalArgumentException("timeout " + timeout + ": it must be above zero");
        }
        if (maxResets < 1) {
            throw new IllegalArgumentException(maxResets + " resets: at least 1 is needed");
        }
    }

    /** The same with another timeout. */
    public RecoveryOptions withTimeout(Duration other) {
        return new RecoveryOptions(other, maxResets, fundamental, listener);
    }

    /** The same with another number of resets. */
    public RecoveryOptions withMaxResets(int other) {
        return new RecoveryOptions(timeout, other, fundamental, listener);
    }

    /** The same with a fundamental or a hot reset. */
    public RecoveryOptions withFundamental(boolean other) {
        return new RecoveryOptions(timeout, maxResets, other, listener);
    }

    /** The same with another listener. */
    public RecoveryOptions withListener(Consumer<RecoveryStep> other) {
        return new RecoveryOptions(timeout, maxResets, fundamental, other);
    }
}
