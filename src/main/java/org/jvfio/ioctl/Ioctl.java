package org.jvfio.ioctl;

/**
 * A VFIO ioctl with its arguments. Request numbers are unique for a kind of file only: {@code VFIO_IOMMU_MAP_DMA} of a
 * container has the number of {@code VFIO_DEVICE_PCI_HOT_RESET} of a device.
 */
public interface Ioctl {

    /** The request number, {@code VFIO_*} of {@code linux/vfio.h}. */
    int request();

    /** Makes the call: what the kernel returned, or a negated errno. */
    int call(IoctlFile file);

    /**
     * What the kernel has written into the struct, as text like {@code flags 0x3, num_regions 9}; empty if it writes
     * nothing.
     */
    default String written() {
        return "";
    }
}
