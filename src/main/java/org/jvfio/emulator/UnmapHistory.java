package org.jvfio.emulator;

import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** The ranges of bus addresses that were unmapped from a group last. It allocates nothing after its first range. */
final class UnmapHistory {
    /** How many ranges are kept. */
    static final int CAPACITY = 1024;

    /** Where the ring has the count of all ranges. */
    private static final int COUNT = OwnCacheLines.FIRST;

    private static final int FIRST = COUNT + 1;
    private static final int FIELDS = 5;
    private static final int START = 0;
    private static final int SIZE = 1;
    private static final int USER = 2;
    private static final int MICROS = 3;
    private static final int PROCESS = 4;

    private long @Nullable [] ring;

    /** A range was unmapped. */
    void add(long start, long size, long user, long micros, int process) {
        long[] values = ring;
        if (values == null) {
            values = OwnCacheLines.longs(1 + CAPACITY * FIELDS);
            ring = values;
        }
        int at = place(values[COUNT]++);
        values[at + START] = start;
        values[at + SIZE] = size;
        values[at + USER] = user;
        values[at + MICROS] = micros;
        values[at + PROCESS] = process;
    }

    /** The range with a bus address that was unmapped last. */
    Optional<FailedDma.Unmapped> find(long busAddress) {
        long[] values = ring;
        long count = values == null ? 0 : values[COUNT];
        long oldest = Math.max(0, count - CAPACITY);
        for (long each = count - 1; values != null && each >= oldest; each--) {
            int at = place(each);
            if (Long.compareUnsigned(busAddress - values[at + START], values[at + SIZE]) < 0) {
                return Optional.of(new FailedDma.Unmapped(
                        values[at + START],
                        values[at + SIZE],
                        values[at + USER],
                        Duration.of(values[at + MICROS], ChronoUnit.MICROS),
                        (int) values[at + PROCESS]));
            }
        }
        return Optional.empty();
    }

    private static int place(long number) {
        return FIRST + (int) (number % CAPACITY) * FIELDS;
    }
}
