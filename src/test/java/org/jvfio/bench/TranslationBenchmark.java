package org.jvfio.bench;

import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;

/** A device reads 8 bytes of each 64K page of 1 GiB: what it costs to translate one bus address. */
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class TranslationBenchmark extends EmulatedBenchmark {
    private static final int PAGES = 1 << 14;

    /** Whether the pages come in a random order, or one after the other. */
    @Param({"false", "true"})
    private boolean shuffled;

    @Setup
    public void mapAll() {
        long memory = process.registeredMemory(GIB);
        process.call(process.windowOf(SHIFT_64K, GIB, 1));
        process.call(process.mapOf(memory, BenchProcess.SECOND_WINDOW, GIB));
        long[] offsets =
                LongStream.range(0, PAGES).map(page -> page << SHIFT_64K).toArray();
        if (shuffled) {
            shuffle(offsets);
        }
        engine.offsets(offsets);
    }

    private static void shuffle(long[] values) {
        Random random = new Random(1);
        for (int last = values.length - 1; last > 0; last--) {
            int other = random.nextInt(last + 1);
            long swapped = values[last];
            values[last] = values[other];
            values[other] = swapped;
        }
    }

    @Benchmark
    @OperationsPerInvocation(PAGES)
    public void translate() {
        process.write(DmaEngine.READ_AT_OFFSETS, BenchProcess.SECOND_WINDOW);
    }
}
