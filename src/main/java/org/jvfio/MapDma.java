package org.jvfio;

import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_MAP_DMA;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import org.jvfio.uapi.vfio_iommu_type1_dma_map;

/**
 * {@code VFIO_IOMMU_MAP_DMA} with its arguments: the only way to make this call, so that it cannot get another call's
 * struct.
 *
 * @param struct a filled {@code vfio_iommu_type1_dma_map}
 */
record MapDma(MemorySegment struct) {

    static MapDma of(SegmentAllocator allocator, DmaDirection direction, long vaddr, IovaRange range) {
        MemorySegment struct = allocator.allocate(vfio_iommu_type1_dma_map.layout());
        vfio_iommu_type1_dma_map.argsz(struct, (int) struct.byteSize());
        vfio_iommu_type1_dma_map.flags(struct, direction.flags());
        vfio_iommu_type1_dma_map.vaddr(struct, vaddr);
        vfio_iommu_type1_dma_map.iova(struct, range.start());
        vfio_iommu_type1_dma_map.size(struct, range.size());
        return new MapDma(struct);
    }

    /** Makes the call, while the caller keeps the container from being closed. */
    int call(Descriptor container) {
        return container.ioctlKeptOpen(VFIO_IOMMU_MAP_DMA, struct);
    }

    @Override
    public String toString() {
        return "VFIO_IOMMU_MAP_DMA(flags %d, vaddr 0x%x, iova 0x%x, size 0x%x)"
                .formatted(
                        vfio_iommu_type1_dma_map.flags(struct),
                        vfio_iommu_type1_dma_map.vaddr(struct),
                        vfio_iommu_type1_dma_map.iova(struct),
                        vfio_iommu_type1_dma_map.size(struct));
    }
}
