package org.jvfio.bench;

import org.jvfio.Container;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.PageSize;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.ioctl.MapDma;
import org.jvfio.ioctl.TceCreate;
import org.jvfio.ioctl.UnmapDma;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** What the library adds to the two system calls that map and unmap a page of 64K. */
public class PreparedMappingBenchmark extends EmulatedBenchmark {
    private final long memory = process.registeredMemory(PAGE);
    private final TceCreate createWindow = process.windowOf(SHIFT_64K, GIB, 1);
    private final MapDma map = process.mapOf(memory, BenchProcess.SECOND_WINDOW, PAGE);
    private final UnmapDma unmap = process.unmapOf(BenchProcess.SECOND_WINDOW, PAGE);

    /** The two calls, made on the kernel. */
    @State(Scope.Benchmark)
    public static class BareCalls {
        @Setup
        public void create(PreparedMappingBenchmark benchmark) {
            benchmark.process.call(benchmark.createWindow);
        }
    }

    /** The same container, window and page, made through the library. */
    @State(Scope.Benchmark)
    public static class Library {
        private final Container container = Container.open(EmulatedKernel.boot(EmulatedMachine.power8()));
        private final DmaMapping mapping;

        public Library() {
            container.attach(0);
            DmaMemory page = container.allocate(PAGE);
            mapping = container
                    .createWindow(PageSize.SIZE_64K, GIB, 1)
                    .prepare(page.range(0, PAGE), DmaDirection.BIDIRECTIONAL);
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
        library.mapping.map();
        library.mapping.unmap();
    }
}
