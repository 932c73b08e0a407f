package org.jvfio.bench;

import java.lang.foreign.MemorySegment;
import org.jvfio.uapi.vfio_h;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** Mapping registered memory into a window of 64K pages. */
public class MappingBenchmark extends EmulatedBenchmark {
    private final long memory = process.registeredMemory(GIB);
    private final MemorySegment createWindow = process.windowOf(SHIFT_64K, 2 * GIB, 1);
    private final MemorySegment removeWindow = process.removalOf(VfioProcess.SECOND_WINDOW);
    private final MemorySegment mapPage = process.mapOf(memory, VfioProcess.SECOND_WINDOW, PAGE);
    private final MemorySegment unmapPage = process.unmapOf(VfioProcess.SECOND_WINDOW, PAGE);
    private final MemorySegment mapGib = process.mapOf(memory, VfioProcess.SECOND_WINDOW, GIB);
    private final MemorySegment unmapGib = process.unmapOf(VfioProcess.SECOND_WINDOW, GIB);

    /** A window that nothing has been mapped in yet. */
    @State(Scope.Benchmark)
    public static class NewWindow {
        @Setup(Level.Invocation)
        public void create(MappingBenchmark benchmark) {
            benchmark.process.call(vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE, benchmark.createWindow);
        }

        @TearDown(Level.Invocation)
        public void remove(MappingBenchmark benchmark) {
            benchmark.process.call(vfio_h.VFIO_IOMMU_SPAPR_TCE_REMOVE, benchmark.removeWindow);
        }
    }

    /** A window of the whole run. */
    @State(Scope.Benchmark)
    public static class OneWindow {
        @Setup
        public void create(MappingBenchmark benchmark) {
            benchmark.process.call(vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE, benchmark.createWindow);
        }
    }

    @Benchmark
    public void mapAndUnmapPage(OneWindow window) {
        process.call(vfio_h.VFIO_IOMMU_MAP_DMA, mapPage);
        process.call(vfio_h.VFIO_IOMMU_UNMAP_DMA, unmapPage);
    }

    /** 16384 pages in one call. */
    @Benchmark
    public void mapGib(NewWindow window) {
        process.call(vfio_h.VFIO_IOMMU_MAP_DMA, mapGib);
    }

    @Benchmark
    public void mapAndUnmapGib(OneWindow window) {
        process.call(vfio_h.VFIO_IOMMU_MAP_DMA, mapGib);
        process.call(vfio_h.VFIO_IOMMU_UNMAP_DMA, unmapGib);
    }
}
