package org.jvfio;

import org.jvfio.uapi.vfio_h;

/**
 * The two interfaces that Linux has for the SPAPR TCE IOMMU. A container has one of them, as soon as it has a group.
 */
public enum SpaprTceVersion {
    /**
     * {@code VFIO_SPAPR_TCE_IOMMU}, where the kernel or the platform has no other: Linux 4.1, LPARs before Linux 6.11,
     * firmware without dynamic windows. There is the default window only, memory is pinned while it is mapped, and the
     * whole window counts as locked memory from the beginning.
     */
    V1(vfio_h.VFIO_SPAPR_TCE_IOMMU),
    /** {@code VFIO_SPAPR_TCE_v2_IOMMU}: windows can be created, and memory is registered before it is mapped. */
    V2(vfio_h.VFIO_SPAPR_TCE_v2_IOMMU);

    private final int type;

    SpaprTceVersion(int type) {
        this.type = type;
    }

    /** The number that {@code VFIO_SET_IOMMU} and {@code VFIO_CHECK_EXTENSION} take. */
    int type() {
        return type;
    }
}
