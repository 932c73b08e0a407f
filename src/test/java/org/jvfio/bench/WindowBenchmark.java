package org.jvfio.bench;

import java.lang.foreign.MemorySegment;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_iommu_spapr_tce_create;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;

/** Creating and removing a window of 64K pages; with {@code -prof gc}, how much heap it takes. */
public class WindowBenchmark extends EmulatedBenchmark {
    /** The size of the window in bytes: 2 GiB and 1 TiB. */
    @Param({"2147483648", "1099511627776"})
    private long bytes;

    private final long memory = process.registeredMemory(PAGE);
    private final MemorySegment create = process.windowOf(SHIFT_64K, 0, 2);
    private final MemorySegment remove = process.removalOf(VfioProcess.SECOND_WINDOW);
    private final MemorySegment map = process.mapOf(memory, VfioProcess.SECOND_WINDOW, PAGE);

    @Setup
    public void setSize() {
        vfio_iommu_spapr_tce_create.window_size(create, bytes);
    }

    @Benchmark
    public void createAndRemove() {
        process.call(vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE, create);
        process.call(vfio_h.VFIO_IOMMU_SPAPR_TCE_REMOVE, remove);
    }

    /** With one page mapped in it, for which the levels of the table are made; removing the window unmaps it. */
    @Benchmark
    public void createMapPageAndRemove() {
        process.call(vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE, create);
        process.call(vfio_h.VFIO_IOMMU_MAP_DMA, map);
        process.call(vfio_h.VFIO_IOMMU_SPAPR_TCE_REMOVE, remove);
    }
}
