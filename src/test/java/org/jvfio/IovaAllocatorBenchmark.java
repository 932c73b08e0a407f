package org.jvfio;

import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** What it costs to give bus addresses back and take others, while many ranges of several sizes are in use. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Fork(1)
@State(Scope.Benchmark)
public class IovaAllocatorBenchmark {
    private static final IovaRange WINDOW = new IovaRange(1L << 59, 1L << 40);
    private static final long PAGE = PageSize.SIZE_64K.bytes();
    private static final int MAX_PAGES = 8;
    private static final long ANYWHERE = -1;

    /** How many ranges are in use. */
    @Param({"1000", "1000000"})
    private int live;

    private final IovaAllocator allocator = new IovaAllocator(WINDOW, PageSize.SIZE_64K);
    private final SplittableRandom random = new SplittableRandom(1);
    // Address and pages of a range in one, so that a range is one load.
    private long[] ranges = {};

    /** As JMH makes it. */
    public IovaAllocatorBenchmark() {}

    /** Takes twice as many, gives every other back, and replaces some, so that what is free is in many pieces. */
    @Setup
    public void fill() {
        ranges = new long[live];
        long[] between = new long[live];
        for (int i = 0; i < live; i++) {
            take(i);
            between[i] = allocator.allocate(PAGE, 1, ANYWHERE);
        }
        for (int i = 0; i < live; i++) {
            allocator.free(between[i], PAGE);
        }
        for (int i = 0; i < 2 * live; i++) {
            replaceOne();
        }
    }

    private void take(int i) {
        long pages = 1L + random.nextInt(MAX_PAGES);
        ranges[i] = allocator.allocate(pages * PAGE, 1, ANYWHERE) | pages;
    }

    /** Gives back any one, and takes another. */
    @Benchmark
    public void replaceOne() {
        int i = random.nextInt(live);
        long range = ranges[i];
        allocator.free(range & -PAGE, (range & (PAGE - 1)) * PAGE);
        take(i);
    }
}
