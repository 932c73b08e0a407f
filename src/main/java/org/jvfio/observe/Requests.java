package org.jvfio.observe;

import org.jvfio.uapi.vfio_h;

/**
 * The requests of {@code ioctl} whose arguments or results a decorator has to know. Numbers are unique for a kind of
 * file only: see {@link FileKind}.
 */
final class Requests {
    static final int GET_DEVICE_FD = vfio_h.VFIO_GROUP_GET_DEVICE_FD;
    static final int GET_REGION_INFO = vfio_h.VFIO_DEVICE_GET_REGION_INFO;
    /** Where {@code vaddr} is in the structs of MAP_DMA, REGISTER_MEMORY and UNREGISTER_MEMORY, in bytes. */
    static final int VADDR = 8;

    private static final int REGION_SHIFT = 40;

    private Requests() {}

    /** The region that a place in the file of a PCI device is in. */
    static long region(long offset) {
        return offset >>> REGION_SHIFT;
    }

    /** Whether the struct of a container's request has an address of this process at {@link #VADDR}. */
    static boolean hasVaddr(FileKind kind, long request) {
        return kind == FileKind.CONTAINER
                && (request == vfio_h.VFIO_IOMMU_MAP_DMA
                        || request == vfio_h.VFIO_IOMMU_SPAPR_REGISTER_MEMORY
                        || request == vfio_h.VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY);
    }
}
