package org.jvfio.emulator;

import org.jspecify.annotations.Nullable;

/** Which driver of the host has a device. */
public enum HostDriver {
    NONE(""),
    VFIO_PCI("vfio-pci"),
    /** An ordinary driver, which uses the device's DMA and so keeps its group from VFIO. */
    OTHER("host");

    private final String sysfsName;

    HostDriver(String sysfsName) {
        this.sysfsName = sysfsName;
    }

    /** Its name in {@code /sys/bus/pci/drivers}. */
    String sysfsName() {
        return sysfsName;
    }

    /** The driver of this name, if there is one. */
    static @Nullable HostDriver named(String sysfsName) {
        for (HostDriver driver : values()) {
            if (driver != NONE && driver.sysfsName.equals(sysfsName)) {
                return driver;
            }
        }
        return null;
    }
}
