package org.jvfio.observe.fault;

import org.jvfio.uapi.vfio_h;

/**
 * The ioctls of VFIO that a fault can name. Request numbers are unique for a kind of file only, so each has the kind of
 * its file too.
 */
public enum VfioRequest {
    VFIO_GET_API_VERSION(FileKind.CONTAINER, vfio_h.VFIO_GET_API_VERSION),
    VFIO_CHECK_EXTENSION(FileKind.CONTAINER, vfio_h.VFIO_CHECK_EXTENSION),
    VFIO_SET_IOMMU(FileKind.CONTAINER, vfio_h.VFIO_SET_IOMMU),
    VFIO_IOMMU_SPAPR_TCE_GET_INFO(FileKind.CONTAINER, vfio_h.VFIO_IOMMU_SPAPR_TCE_GET_INFO),
    VFIO_IOMMU_SPAPR_TCE_CREATE(FileKind.CONTAINER, vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE),
    VFIO_IOMMU_SPAPR_TCE_REMOVE(FileKind.CONTAINER, vfio_h.VFIO_IOMMU_SPAPR_TCE_REMOVE),
    VFIO_IOMMU_SPAPR_REGISTER_MEMORY(FileKind.CONTAINER, vfio_h.VFIO_IOMMU_SPAPR_REGISTER_MEMORY),
    VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY(FileKind.CONTAINER, vfio_h.VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY),
    VFIO_IOMMU_MAP_DMA(FileKind.CONTAINER, vfio_h.VFIO_IOMMU_MAP_DMA),
    VFIO_IOMMU_UNMAP_DMA(FileKind.CONTAINER, vfio_h.VFIO_IOMMU_UNMAP_DMA),
    VFIO_IOMMU_ENABLE(FileKind.CONTAINER, vfio_h.VFIO_IOMMU_ENABLE),
    VFIO_IOMMU_DISABLE(FileKind.CONTAINER, vfio_h.VFIO_IOMMU_DISABLE),
    VFIO_EEH_PE_OP(FileKind.CONTAINER, vfio_h.VFIO_EEH_PE_OP),
    VFIO_GROUP_GET_STATUS(FileKind.GROUP, vfio_h.VFIO_GROUP_GET_STATUS),
    VFIO_GROUP_SET_CONTAINER(FileKind.GROUP, vfio_h.VFIO_GROUP_SET_CONTAINER),
    VFIO_GROUP_UNSET_CONTAINER(FileKind.GROUP, vfio_h.VFIO_GROUP_UNSET_CONTAINER),
    VFIO_GROUP_GET_DEVICE_FD(FileKind.GROUP, vfio_h.VFIO_GROUP_GET_DEVICE_FD),
    VFIO_DEVICE_GET_INFO(FileKind.DEVICE, vfio_h.VFIO_DEVICE_GET_INFO),
    VFIO_DEVICE_GET_REGION_INFO(FileKind.DEVICE, vfio_h.VFIO_DEVICE_GET_REGION_INFO),
    VFIO_DEVICE_GET_IRQ_INFO(FileKind.DEVICE, vfio_h.VFIO_DEVICE_GET_IRQ_INFO),
    VFIO_DEVICE_SET_IRQS(FileKind.DEVICE, vfio_h.VFIO_DEVICE_SET_IRQS),
    VFIO_DEVICE_RESET(FileKind.DEVICE, vfio_h.VFIO_DEVICE_RESET),
    VFIO_DEVICE_GET_PCI_HOT_RESET_INFO(FileKind.DEVICE, vfio_h.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO),
    VFIO_DEVICE_PCI_HOT_RESET(FileKind.DEVICE, vfio_h.VFIO_DEVICE_PCI_HOT_RESET),
    VFIO_DEVICE_IOEVENTFD(FileKind.DEVICE, vfio_h.VFIO_DEVICE_IOEVENTFD),
    VFIO_DEVICE_FEATURE(FileKind.DEVICE, vfio_h.VFIO_DEVICE_FEATURE);

    private final FileKind file;
    private final int number;

    VfioRequest(FileKind file, int number) {
        this.file = file;
        this.number = number;
    }

    /** The kind of file that it is a call of. */
    public FileKind file() {
        return file;
    }

    /** The request number of {@code linux/vfio.h} on powerpc. */
    public int number() {
        return number;
    }
}
