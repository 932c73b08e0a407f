package org.jvfio.emulator;

/** Which driver of the host has a device. */
public enum HostDriver {
    NONE,
    VFIO_PCI,
    /** An ordinary driver, which uses the device's DMA and so keeps its group from VFIO. */
    OTHER
}
