package org.jvfio.contract.host;

import java.lang.foreign.MemorySegment;
import org.jvfio.uapi.vfio_iommu_spapr_tce_ddw_info;
import org.jvfio.uapi.vfio_iommu_spapr_tce_info;

/** What {@code VFIO_IOMMU_SPAPR_TCE_GET_INFO} answered: {@code struct vfio_iommu_spapr_tce_info}. */
public record RawTceInfo(int argsz, int flags, long start, long size, long pageSizes, int windows, int levels) {

    public static RawTceInfo of(MemorySegment struct) {
        MemorySegment ddw = vfio_iommu_spapr_tce_info.ddw(struct);
        return new RawTceInfo(
                vfio_iommu_spapr_tce_info.argsz(struct),
                vfio_iommu_spapr_tce_info.flags(struct),
                Integer.toUnsignedLong(vfio_iommu_spapr_tce_info.dma32_window_start(struct)),
                Integer.toUnsignedLong(vfio_iommu_spapr_tce_info.dma32_window_size(struct)),
                vfio_iommu_spapr_tce_ddw_info.pgsizes(ddw),
                vfio_iommu_spapr_tce_ddw_info.max_dynamic_windows_supported(ddw),
                vfio_iommu_spapr_tce_ddw_info.levels(ddw));
    }
}
