package org.jvfio;

import java.util.List;
import java.util.Optional;

/**
 * What the IOMMU of a container's groups offers: the result of {@code VFIO_IOMMU_SPAPR_TCE_GET_INFO}. It describes the
 * platform, not the windows that exist.
 *
 * @param defaultWindow where the default window is, with 4K pages; empty if the platform has none
 * @param pageSizes the IOMMU page sizes of windows that can be created, smallest first
 * @param maxWindows how many windows there can be at a time, the default one included
 * @param maxLevels how many levels a TCE table may have on the platform; the kernel accepts fewer for most sizes
 */
public record TceInfo(Optional<IovaRange> defaultWindow, List<PageSize> pageSizes, int maxWindows, int maxLevels) {
    public TceInfo {
        pageSizes = List.copyOf(pageSizes);
    }

    /**
     * Whether Linux makes the tables itself, on the bare machine; in an LPAR (pseries) the hypervisor does, by RTAS.
     */
    boolean isPowernv() {
        // Only RTAS knows nothing of levels.
        return maxLevels > 1;
    }
}
