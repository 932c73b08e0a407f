package org.jvfio.ioctl;

import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_UNMAP_DMA;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import org.jvfio.uapi.vfio_iommu_type1_dma_unmap;

/**
 * Unmaps bus addresses: {@code VFIO_IOMMU_UNMAP_DMA} of a container. All flags are errors on POWER.
 *
 * @param struct a {@code vfio_iommu_type1_dma_unmap}
 */
public record UnmapDma(MemorySegment struct) implements Ioctl {

    /** Allocates and fills a struct. */
    public static UnmapDma of(SegmentAllocator allocator, long iova, long size) {
        return new UnmapDma(allocator.allocate(vfio_iommu_type1_dma_unmap.layout())).fill(iova, size);
    }

    /** Fills the struct. */
    public UnmapDma fill(long iova, long size) {
        vfio_iommu_type1_dma_unmap.argsz(struct, (int) vfio_iommu_type1_dma_unmap.sizeof());
        vfio_iommu_type1_dma_unmap.flags(struct, 0);
        vfio_iommu_type1_dma_unmap.iova(struct, iova);
        vfio_iommu_type1_dma_unmap.size(struct, size);
        return this;
    }

    /** Overwrites {@code argsz}, in bytes. */
    public UnmapDma argsz(int argsz) {
        vfio_iommu_type1_dma_unmap.argsz(struct, argsz);
        return this;
    }

    /** Overwrites {@code flags}. */
    public UnmapDma flags(int flags) {
        vfio_iommu_type1_dma_unmap.flags(struct, flags);
        return this;
    }

    @Override
    public int request() {
        return VFIO_IOMMU_UNMAP_DMA;
    }

    @Override
    public int call(IoctlFile file) {
        return file.ioctl(VFIO_IOMMU_UNMAP_DMA, struct);
    }

    @Override
    public String toString() {
        return new CallText("VFIO_IOMMU_UNMAP_DMA")
                .hex("iova", vfio_iommu_type1_dma_unmap.iova(struct))
                .hex("size", vfio_iommu_type1_dma_unmap.size(struct))
                .argsz(vfio_iommu_type1_dma_unmap.argsz(struct), vfio_iommu_type1_dma_unmap.sizeof())
                .noFlags(vfio_iommu_type1_dma_unmap.flags(struct))
                .toString();
    }
}
