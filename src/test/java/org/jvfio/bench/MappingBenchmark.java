package org.jvfio.bench;

import org.jvfio.ioctl.MapDma;
import org.jvfio.ioctl.TceCreate;
import org.jvfio.ioctl.TceRemove;
import org.jvfio.ioctl.UnmapDma;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** Mapping registered memory into a window of 64K pages. */
public class MappingBenchmark extends EmulatedBenchmark {
    private final long memory = process.registeredMemory(GIB);
    private final TceCreate createWindow = process.windowOf(SHIFT_64K, 2 * GIB, 1);
    private final TceRemove removeWindow = process.removalOf(BenchProcess.SECOND_WINDOW);
    private final MapDma mapPage = process.mapOf(memory, BenchProcess.SECOND_WINDOW, PAGE);
    private final UnmapDma unmapPage = process.unmapOf(BenchProcess.SECOND_WINDOW, PAGE);
    private final MapDma mapGib = process.mapOf(memory, BenchProcess.SECOND_WINDOW, GIB);
    private final UnmapDma unmapGib = process.unmapOf(BenchProcess.SECOND_WINDOW, GIB);

    /** A window that nothing has been mapped in yet. */
    @State(Scope.Benchmark)
    public static class NewWindow {
        @Setup(Level.Invocation)
        public void create(MappingBenchmark benchmark) {
            benchmark.process.call(benchmark.createWindow);
        }

        @TearDown(Level.Invocation)
        public void remove(MappingBenchmark benchmark) {
            benchmark.process.call(benchmark.removeWindow);
        }
    }

    /** A window of the whole run. */
    @State(Scope.Benchmark)
    public static class OneWindow {
        @Setup
        public void create(MappingBenchmark benchmark) {
            benchmark.process.call(benchmark.createWindow);
        }
    }

    @Benchmark
    public void mapAndUnmapPage(OneWindow window) {
        process.call(mapPage);
        process.call(unmapPage);
    }

    /** 16384 pages in one call. */
    @Benchmark
    public void mapGib(NewWindow window) {
        process.call(mapGib);
    }

    @Benchmark
    public void mapAndUnmapGib(OneWindow window) {
        process.call(mapGib);
        process.call(unmapGib);
    }
}
