package org.jvfio;

import org.jvfio.uapi.vfio_h;

/** What a device may do with memory that is mapped for it: {@code flags} of {@code VFIO_IOMMU_MAP_DMA}. */
public enum DmaDirection {
    /** The device reads the memory: {@code VFIO_DMA_MAP_FLAG_READ}. */
    TO_DEVICE(vfio_h.VFIO_DMA_MAP_FLAG_READ),
    /** The device writes the memory: {@code VFIO_DMA_MAP_FLAG_WRITE}. On powernv it can then read it too. */
    FROM_DEVICE(vfio_h.VFIO_DMA_MAP_FLAG_WRITE),
    /** Both. */
    BIDIRECTIONAL(vfio_h.VFIO_DMA_MAP_FLAG_READ | vfio_h.VFIO_DMA_MAP_FLAG_WRITE);

    private final int flags;

    DmaDirection(int flags) {
        this.flags = flags;
    }

    /** The flags of {@code VFIO_IOMMU_MAP_DMA} in {@code linux/vfio.h}. */
    int flags() {
        return flags;
    }
}
