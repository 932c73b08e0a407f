package org.jvfio.bench;

import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** How all benchmarks of this package run, unless options say otherwise, and the process that they run in. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Fork(1)
@State(Scope.Benchmark)
public abstract class EmulatedBenchmark {
    static final long GIB = 1L << 30;
    static final int SHIFT_64K = 16;
    static final long PAGE = 1L << SHIFT_64K;

    final DmaEngine engine = new DmaEngine();
    final BenchProcess process = new BenchProcess(engine);

    @TearDown
    public final void close() {
        process.close();
    }
}
