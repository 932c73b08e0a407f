package org.jvfio.observe;

import java.nio.file.Path;
import java.time.Duration;

/**
 * What a record keeps, and where.
 *
 * @param file the file, which is replaced if it exists
 * @param maxBytes the maximum size of the file in bytes, from {@link #MIN_BYTES} to {@link #MAX_BYTES}: when it is
 *     reached, the oldest calls are overwritten
 * @param keep how much of the past is kept: calls that are older are overwritten once there are newer ones, even if
 *     there is room for both
 * @param memory whether changes of the memory that devices can access are recorded: needed to replay or check a program
 *     that does DMA. Each call then compares all mapped memory with what it was
 * @param registers whether accesses of registers are recorded: devices are reported as not mappable, so that each
 *     access is a system call, which takes longer than a load or store
 */
public record RecordOptions(Path file, long maxBytes, Duration keep, boolean memory, boolean registers) {
    /** The smallest {@link #maxBytes}. */
    public static final long MIN_BYTES = 4L << 20;

    /** The largest {@link #maxBytes}. */
    public static final long MAX_BYTES = 1L << 30;

    /** The size by default. */
    public static final long DEFAULT_BYTES = 64L << 20;

    /** How much is kept by default: all that fits. */
    public static final Duration ALL = Duration.ofDays(36_500);

    public RecordOptions {
        if (maxBytes < MIN_BYTES || maxBytes > MAX_BYTES) {
            throw new IllegalArgumentException("a record of %d bytes: the size is %d MiB to %d MiB"
                    .formatted(maxBytes, MIN_BYTES >> 20, MAX_BYTES >> 20));
        }
        if (keep.isNegative() || keep.isZero() || keep.compareTo(ALL) > 0) {
            throw new IllegalArgumentException("a record that keeps %s: keep at least a nanosecond, and at most %d days"
                    .formatted(keep, ALL.toDays()));
        }
    }

    /** Records registers and no memory, in a file of at most {@link #DEFAULT_BYTES}. */
    public static RecordOptions of(Path file) {
        return new RecordOptions(file, DEFAULT_BYTES, ALL, false, true);
    }

    /** The same with memory. */
    public RecordOptions withMemory() {
        return new RecordOptions(file, maxBytes, keep, true, registers);
    }
}
