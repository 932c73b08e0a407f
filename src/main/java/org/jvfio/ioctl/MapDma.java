package org.jvfio.ioctl;

import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_MAP_DMA;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.Map;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_iommu_type1_dma_map;

/**
 * Maps memory of this process at bus addresses: {@code VFIO_IOMMU_MAP_DMA} of a container. A positive result is an
 * error: it follows an IOVA that is not a multiple of the IOMMU page.
 *
 * @param struct a {@code vfio_iommu_type1_dma_map}
 */
public record MapDma(MemorySegment struct) implements Ioctl {
    private static final Map<Integer, String> FLAGS = Map.of(
            vfio_h.VFIO_DMA_MAP_FLAG_READ, "READ",
            vfio_h.VFIO_DMA_MAP_FLAG_WRITE, "WRITE",
            vfio_h.VFIO_DMA_MAP_FLAG_VADDR, "VADDR");

    /** Allocates and fills a struct. */
    public static MapDma of(SegmentAllocator allocator, int flags, long vaddr, long iova, long size) {
        return new MapDma(allocator.allocate(vfio_iommu_type1_dma_map.layout())).fill(flags, vaddr, iova, size);
    }

    /** Fills the struct. */
    public MapDma fill(int flags, long vaddr, long iova, long size) {
        vfio_iommu_type1_dma_map.argsz(struct, (int) vfio_iommu_type1_dma_map.sizeof());
        vfio_iommu_type1_dma_map.flags(struct, flags);
        vfio_iommu_type1_dma_map.vaddr(struct, vaddr);
        vfio_iommu_type1_dma_map.iova(struct, iova);
        vfio_iommu_type1_dma_map.size(struct, size);
        return this;
    }

    /** Overwrites {@code argsz}, in bytes. */
    public MapDma argsz(int argsz) {
        vfio_iommu_type1_dma_map.argsz(struct, argsz);
        return this;
    }

    @Override
    public int request() {
        return VFIO_IOMMU_MAP_DMA;
    }

    @Override
    public int call(IoctlFile file) {
        return file.ioctl(VFIO_IOMMU_MAP_DMA, struct);
    }

    @Override
    public String toString() {
        return new CallText("VFIO_IOMMU_MAP_DMA")
                .flags("flags", vfio_iommu_type1_dma_map.flags(struct), FLAGS)
                .hex("vaddr", vfio_iommu_type1_dma_map.vaddr(struct))
                .hex("iova", vfio_iommu_type1_dma_map.iova(struct))
                .hex("size", vfio_iommu_type1_dma_map.size(struct))
                .argsz(vfio_iommu_type1_dma_map.argsz(struct), vfio_iommu_type1_dma_map.sizeof())
                .toString();
    }
}
