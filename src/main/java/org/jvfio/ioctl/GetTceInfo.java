package org.jvfio.ioctl;

import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_TCE_GET_INFO;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.Map;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_iommu_spapr_tce_ddw_info;
import org.jvfio.uapi.vfio_iommu_spapr_tce_info;

/**
 * What the SPAPR TCE IOMMU offers: {@code VFIO_IOMMU_SPAPR_TCE_GET_INFO} of a container. With {@code
 * VFIO_SPAPR_TCE_IOMMU} the kernel leaves what follows {@link #defaultWindowSize} unchanged.
 *
 * @param struct a {@code vfio_iommu_spapr_tce_info}
 */
public record GetTceInfo(MemorySegment struct) implements Ioctl {
    private static final Map<Integer, String> FLAGS = Map.of(vfio_h.VFIO_IOMMU_SPAPR_INFO_DDW, "DDW");

    /** Allocates and fills a struct. */
    public static GetTceInfo of(SegmentAllocator allocator) {
        return new GetTceInfo(allocator.allocate(vfio_iommu_spapr_tce_info.layout())).fill();
    }

    /** Fills the struct: all but {@code argsz} is 0. */
    public GetTceInfo fill() {
        struct.fill((byte) 0);
        return argsz((int) vfio_iommu_spapr_tce_info.sizeof());
    }

    /** Overwrites {@code argsz}, in bytes. */
    public GetTceInfo argsz(int argsz) {
        vfio_iommu_spapr_tce_info.argsz(struct, argsz);
        return this;
    }

    /** Overwrites {@code flags}. */
    public GetTceInfo flags(int flags) {
        vfio_iommu_spapr_tce_info.flags(struct, flags);
        return this;
    }

    /** The bytes of the struct, as the kernel left them. */
    public int argsz() {
        return vfio_iommu_spapr_tce_info.argsz(struct);
    }

    /** {@code VFIO_IOMMU_SPAPR_INFO_DDW} if the kernel has written {@code ddw}. */
    public int flags() {
        return vfio_iommu_spapr_tce_info.flags(struct);
    }

    /** The first bus address of the default window. */
    public long defaultWindowStart() {
        return Integer.toUnsignedLong(vfio_iommu_spapr_tce_info.dma32_window_start(struct));
    }

    /** The size of the default window in bytes; 0 if there is none. */
    public long defaultWindowSize() {
        return Integer.toUnsignedLong(vfio_iommu_spapr_tce_info.dma32_window_size(struct));
    }

    /** The page sizes of windows that can be created: bit n stands for 2<sup>n</sup> bytes. */
    public long pageSizes() {
        return vfio_iommu_spapr_tce_ddw_info.pgsizes(vfio_iommu_spapr_tce_info.ddw(struct));
    }

    /** How many windows a container can have, the default one included. */
    public int maxWindows() {
        return vfio_iommu_spapr_tce_ddw_info.max_dynamic_windows_supported(vfio_iommu_spapr_tce_info.ddw(struct));
    }

    /** How many levels a TCE table can have. */
    public int levels() {
        return vfio_iommu_spapr_tce_ddw_info.levels(vfio_iommu_spapr_tce_info.ddw(struct));
    }

    @Override
    public int request() {
        return VFIO_IOMMU_SPAPR_TCE_GET_INFO;
    }

    @Override
    public int call(IoctlFile file) {
        return file.ioctl(VFIO_IOMMU_SPAPR_TCE_GET_INFO, struct);
    }

    @Override
    public String written() {
        return CallText.ofFields()
                .flags("flags", flags(), FLAGS)
                .hex("dma32_window_start", defaultWindowStart())
                .hex("dma32_window_size", defaultWindowSize())
                .hex("pgsizes", pageSizes())
                .decimal("max_dynamic_windows_supported", maxWindows())
                .decimal("levels", levels())
                .toString();
    }

    @Override
    public String toString() {
        return new CallText("VFIO_IOMMU_SPAPR_TCE_GET_INFO")
                .argsz(argsz(), vfio_iommu_spapr_tce_info.sizeof())
                .toString();
    }
}
