package org.jvfio.ioctl;

import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import org.jvfio.uapi.vfio_iommu_spapr_tce_create;

/**
 * Creates a DMA window: {@code VFIO_IOMMU_SPAPR_TCE_CREATE} of a container.
 *
 * @param struct a {@code vfio_iommu_spapr_tce_create}
 */
public record TceCreate(MemorySegment struct) implements Ioctl {

    /** Allocates and fills a struct. */
    public static TceCreate of(SegmentAllocator allocator, int pageShift, long windowSize, int levels) {
        return new TceCreate(allocator.allocate(vfio_iommu_spapr_tce_create.layout()))
                .fill(pageShift, windowSize, levels);
    }

    /** Fills the struct. */
    public TceCreate fill(int pageShift, long windowSize, int levels) {
        vfio_iommu_spapr_tce_create.argsz(struct, (int) vfio_iommu_spapr_tce_create.sizeof());
        vfio_iommu_spapr_tce_create.flags(struct, 0);
        vfio_iommu_spapr_tce_create.page_shift(struct, pageShift);
        vfio_iommu_spapr_tce_create.window_size(struct, windowSize);
        vfio_iommu_spapr_tce_create.levels(struct, levels);
        vfio_iommu_spapr_tce_create.__resv1(struct, 0);
        vfio_iommu_spapr_tce_create.__resv2(struct, 0);
        vfio_iommu_spapr_tce_create.start_addr(struct, 0);
        return this;
    }

    /** Overwrites {@code argsz}, in bytes. */
    public TceCreate argsz(int argsz) {
        vfio_iommu_spapr_tce_create.argsz(struct, argsz);
        return this;
    }

    /** Overwrites {@code flags}. */
    public TceCreate flags(int flags) {
        vfio_iommu_spapr_tce_create.flags(struct, flags);
        return this;
    }

    /** The first bus address of the window, written by the kernel. */
    public long startAddress() {
        return vfio_iommu_spapr_tce_create.start_addr(struct);
    }

    @Override
    public int request() {
        return VFIO_IOMMU_SPAPR_TCE_CREATE;
    }

    @Override
    public int call(IoctlFile file) {
        return file.ioctl(VFIO_IOMMU_SPAPR_TCE_CREATE, struct);
    }

    @Override
    public String written() {
        return CallText.ofFields().hex("start_addr", startAddress()).toString();
    }

    @Override
    public String toString() {
        return new CallText("VFIO_IOMMU_SPAPR_TCE_CREATE")
                .decimal("page_shift", vfio_iommu_spapr_tce_create.page_shift(struct))
                .hex("window_size", vfio_iommu_spapr_tce_create.window_size(struct))
                .decimal("levels", vfio_iommu_spapr_tce_create.levels(struct))
                .argsz(vfio_iommu_spapr_tce_create.argsz(struct), vfio_iommu_spapr_tce_create.sizeof())
                .noFlags(vfio_iommu_spapr_tce_create.flags(struct))
                .toString();
    }
}
