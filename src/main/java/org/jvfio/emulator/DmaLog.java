package org.jvfio.emulator;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** The failed DMA of a host's devices: the newest records, and a line in the kernel log for each. */
final class DmaLog {
    /** How many records are kept. */
    static final int CAPACITY = 1024;

    /** The kernel's default rate limit ({@code linux/ratelimit_types.h}): 10 messages in 5 seconds. */
    private static final int BURST = 10;

    private static final long INTERVAL_MICROS = TimeUnit.SECONDS.toMicros(5);

    private final KernelLog log;
    private final Deque<FailedDma> records = new ArrayDeque<>();
    private long intervalStart;
    private int inInterval;

    DmaLog(KernelLog log) {
        this.log = log;
    }

    KernelLog kernelLog() {
        return log;
    }

    /**
     * Records a failed DMA.
     *
     * @param limited whether its line is subject to the rate limit, because it does not stop the device
     */
    void add(FailedDma failed, boolean limited) {
        if (records.size() == CAPACITY) {
            records.removeFirst();
        }
        records.addLast(failed);
        if (!limited || isWithinRate()) {
            log.add("DMA failed: " + failed);
        }
    }

    private boolean isWithinRate() {
        long now = log.micros();
        if (inInterval == 0 || now - intervalStart >= INTERVAL_MICROS) {
            intervalStart = now;
            inInterval = 0;
        }
        return inInterval++ < BURST;
    }

    /** The records, the oldest first. */
    List<FailedDma> records() {
        return List.copyOf(records);
    }
}
