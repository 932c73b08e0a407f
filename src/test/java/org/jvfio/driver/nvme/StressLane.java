package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.ValueLayout;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * One request and its buffer, with blocks of the drive that no other lane uses: random writes, and reads that check
 * what was written.
 */
final class StressLane {
    static final int PLACES = 16;
    static final int MAX_BLOCKS = 16;
    static final int BLOCK = 512;
    static final long BUFFER_BYTES = (long) MAX_BLOCKS * BLOCK;

    /** Counters of all lanes. */
    static final class Tally {
        final AtomicLong submitted = new AtomicLong();
        final AtomicLong completed = new AtomicLong();
        final AtomicLong succeeded = new AtomicLong();
        final AtomicLong compared = new AtomicLong();
    }

    private final NvmeNamespace disk;
    private final NvmeBuffer buffer;
    private final long firstBlock;
    private final Random random;
    private final Tally tally;
    private final NvmeRequest request = new NvmeRequest();
    private final AtomicInteger calls = new AtomicInteger();
    // The last value written to each place; 0 if it is not known.
    private final long[] seeds = new long[PLACES];
    private final int[] blocks = new int[PLACES];
    private int place;
    private boolean writes;
    private boolean inFlight;
    private long seed;

    /** A lane with a number of its own, and a buffer of {@link #BUFFER_BYTES}. */
    StressLane(NvmeNamespace disk, NvmeBuffer buffer, int number, Tally tally) {
        this.disk = disk;
        this.buffer = buffer;
        this.tally = tally;
        firstBlock = (long) number * PLACES * MAX_BLOCKS;
        random = new Random(number);
        request.onDone(done -> {
            calls.incrementAndGet();
            tally.completed.incrementAndGet();
        });
    }

    boolean isInFlight() {
        return inFlight;
    }

    /** Submits a command if none is in flight. */
    void begin(NvmeQueue queue) {
        if (inFlight) {
            return;
        }
        place = random.nextInt(PLACES);
        writes = seeds[place] == 0 || random.nextBoolean();
        long lba = firstBlock + (long) place * MAX_BLOCKS;
        if (writes) {
            seed = random.nextLong() | 1;
            blocks[place] = 1 + random.nextInt(MAX_BLOCKS);
            fill(seed, blocks[place]);
            request.write(disk, lba, blocks[place], buffer);
            seeds[place] = 0;
        } else {
            buffer.segment().fill((byte) 0x55);
            request.read(disk, lba, blocks[place], buffer);
        }
        calls.set(0);
        if (queue.submit(request)) {
            inFlight = true;
            tally.submitted.incrementAndGet();
        }
    }

    /** Checks the result of the command if it is done. */
    void end() {
        if (!inFlight || calls.get() == 0) {
            return;
        }
        inFlight = false;
        assertEquals(1, calls.get(), "completions of one command");
        assertTrue(request.isDone());
        if (!request.isSuccess()) {
            assertTrue(request.status().isRetryable(), () -> request.failure().getMessage());
            return;
        }
        tally.succeeded.incrementAndGet();
        if (writes) {
            seeds[place] = seed;
        } else {
            compare();
        }
    }

    private void fill(long from, int count) {
        Random words = new Random(from);
        for (long at = 0; at < (long) count * BLOCK; at += Long.BYTES) {
            buffer.segment().set(ValueLayout.JAVA_LONG, at, words.nextLong());
        }
    }

    private void compare() {
        Random words = new Random(seeds[place]);
        for (long at = 0; at < (long) blocks[place] * BLOCK; at += Long.BYTES) {
            assertEquals(words.nextLong(), buffer.segment().get(ValueLayout.JAVA_LONG, at), "data");
        }
        tally.compared.incrementAndGet();
    }
}
