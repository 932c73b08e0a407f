package org.jvfio.contract.host;

import org.jvfio.ioctl.GetTceInfo;

/** The values that {@code VFIO_IOMMU_SPAPR_TCE_GET_INFO} returned, to be compared as a whole. */
public record RawTceInfo(int argsz, int flags, long start, long size, long pageSizes, int windows, int levels) {

    public static RawTceInfo of(GetTceInfo info) {
        return new RawTceInfo(
                info.argsz(),
                info.flags(),
                info.defaultWindowStart(),
                info.defaultWindowSize(),
                info.pageSizes(),
                info.maxWindows(),
                info.levels());
    }
}
