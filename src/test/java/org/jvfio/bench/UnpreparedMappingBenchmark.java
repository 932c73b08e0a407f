package org.jvfio.bench;

import java.util.concurrent.TimeUnit;
import org.jvfio.Container;
import org.jvfio.DmaConstraints;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMemory;
import org.jvfio.DmaWindow;
import org.jvfio.PageSize;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.ioctl.MapDma;
import org.jvfio.ioctl.TceCreate;
import org.jvfio.ioctl.UnmapDma;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Mapping a part of 64K that was not prepared, and closing the mapping, while others are mapped; beside it the two
 * system calls alone. With {@code -prof gc}, how much heap it takes.
 */
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class UnpreparedMappingBenchmark extends EmulatedBenchmark {
    private static final long WINDOW = 16 * GIB;

    private final long memory = process.registeredMemory(PAGE);
    private final TceCreate createWindow = process.windowOf(SHIFT_64K, WINDOW, 1);
    private final MapDma map = process.mapOf(memory, BenchProcess.SECOND_WINDOW, PAGE);
    private final UnmapDma unmap = process.unmapOf(BenchProcess.SECOND_WINDOW, PAGE);

    /** The two calls, made on the kernel. */
    @State(Scope.Benchmark)
    public static class BareCalls {
        @Setup
        public void create(UnpreparedMappingBenchmark benchmark) {
            benchmark.process.call(benchmark.createWindow);
        }
    }

    /** A window of the library, with mappings in it. */
    @State(Scope.Benchmark)
    public static class Library {
        /** The mappings that there are already. */
        @Param({"0", "100000"})
        private int live;

        private final Container container = Container.open(EmulatedKernel.boot(EmulatedMachine.power8()));
        private final DmaMemory page;
        private final DmaWindow window;

        public Library() {
            container.attach(0);
            page = container.allocate(PAGE);
            window = container.createWindow(PageSize.SIZE_64K, WINDOW, 1);
        }

        @Setup
        public void map() {
            for (int each = 0; each < live; each++) {
                window.map(page.range(0, PAGE), DmaDirection.BIDIRECTIONAL, DmaConstraints.NONE);
            }
        }

        @TearDown
        public void close() {
            container.close();
        }
    }

    @Benchmark
    public void kernel(BareCalls calls) {
        process.call(map);
        process.call(unmap);
    }

    @Benchmark
    public void library(Library library) {
        library.window
                .map(library.page.range(0, PAGE), DmaDirection.BIDIRECTIONAL, DmaConstraints.NONE)
                .close();
    }
}
