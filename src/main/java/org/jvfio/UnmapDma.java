package org.jvfio;

import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_UNMAP_DMA;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import org.jvfio.uapi.vfio_iommu_type1_dma_unmap;

/**
 * {@code VFIO_IOMMU_UNMAP_DMA} with its arguments: the only way to make this call, so that it cannot get another call's
 * struct. Its flags are always 0, as those of x86 are errors on POWER.
 *
 * @param struct a filled {@code vfio_iommu_type1_dma_unmap}
 */
record UnmapDma(MemorySegment struct) {

    static UnmapDma of(SegmentAllocator allocator, IovaRange range) {
        MemorySegment struct = allocator.allocate(vfio_iommu_type1_dma_unmap.layout());
        vfio_iommu_type1_dma_unmap.argsz(struct, (int) struct.byteSize());
        vfio_iommu_type1_dma_unmap.flags(struct, 0);
        vfio_iommu_type1_dma_unmap.iova(struct, range.start());
        vfio_iommu_type1_dma_unmap.size(struct, range.size());
        return new UnmapDma(struct);
    }

    /** Makes the call, while the caller keeps the container from being closed. */
    int call(Descriptor container) {
        return container.ioctlKeptOpen(VFIO_IOMMU_UNMAP_DMA, struct);
    }

    @Override
    public String toString() {
        return "VFIO_IOMMU_UNMAP_DMA(iova 0x%x, size 0x%x)"
                .formatted(vfio_iommu_type1_dma_unmap.iova(struct), vfio_iommu_type1_dma_unmap.size(struct));
    }
}
