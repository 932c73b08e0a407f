package org.jvfio;

import java.util.List;
import java.util.Optional;

/**
 * What the IOMMU of a container's groups offers: the result of {@code VFIO_IOMMU_SPAPR_TCE_GET_INFO}, and the platform
 * that it belongs to. It does not describe the windows that exist.
 *
 * @param defaultWindow where the default window is, with 4K pages; empty if the platform has none
 * @param pageSizes the IOMMU page sizes of windows that can be created, smallest first
 * @param maxWindows how many windows there can be at a time, the default one included
 * @param maxLevels how many levels a TCE table may have on the platform; the kernel accepts fewer for most sizes
 * @param isPowernv whether Linux runs without a hypervisor and makes the TCE tables itself (powernv); in an LPAR
 *     (pseries) the hypervisor makes them, by RTAS. It is what {@code /proc/cpuinfo} names as the platform; where that
 *     names neither, a platform with more than one level is taken for powernv
 */
public record TceInfo(
        Optional<IovaRange> defaultWindow, List<PageSize> pageSizes, int maxWindows, int maxLevels, boolean isPowernv) {
    public TceInfo {
        pageSizes = List.copyOf(pageSizes);
    }
}
