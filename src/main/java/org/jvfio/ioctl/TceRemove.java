package org.jvfio.ioctl;

import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_TCE_REMOVE;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import org.jvfio.uapi.vfio_iommu_spapr_tce_remove;

/**
 * Removes the DMA window that begins at a bus address: {@code VFIO_IOMMU_SPAPR_TCE_REMOVE} of a container.
 *
 * @param struct a {@code vfio_iommu_spapr_tce_remove}
 */
public record TceRemove(MemorySegment struct) implements Ioctl {

    /** Allocates and fills a struct. */
    public static TceRemove of(SegmentAllocator allocator, long startAddress) {
        return new TceRemove(allocator.allocate(vfio_iommu_spapr_tce_remove.layout())).fill(startAddress);
    }

    /** Fills the struct. */
    public TceRemove fill(long startAddress) {
        vfio_iommu_spapr_tce_remove.argsz(struct, (int) vfio_iommu_spapr_tce_remove.sizeof());
        vfio_iommu_spapr_tce_remove.flags(struct, 0);
        vfio_iommu_spapr_tce_remove.start_addr(struct, startAddress);
        return this;
    }

    /** Overwrites {@code argsz}, in bytes. */
    public TceRemove argsz(int argsz) {
        vfio_iommu_spapr_tce_remove.argsz(struct, argsz);
        return this;
    }

    /** Overwrites {@code flags}. */
    public TceRemove flags(int flags) {
        vfio_iommu_spapr_tce_remove.flags(struct, flags);
        return this;
    }

    @Override
    public int request() {
        return VFIO_IOMMU_SPAPR_TCE_REMOVE;
    }

    @Override
    public int call(IoctlFile file) {
        return file.ioctl(VFIO_IOMMU_SPAPR_TCE_REMOVE, struct);
    }

    @Override
    public String toString() {
        return new CallText("VFIO_IOMMU_SPAPR_TCE_REMOVE")
                .hex("start_addr", vfio_iommu_spapr_tce_remove.start_addr(struct))
                .argsz(vfio_iommu_spapr_tce_remove.argsz(struct), vfio_iommu_spapr_tce_remove.sizeof())
                .noFlags(vfio_iommu_spapr_tce_remove.flags(struct))
                .toString();
    }
}
