package org.jvfio.emulator;

import org.jspecify.annotations.Nullable;

/** The host driver that a device is bound to. */
public enum HostDriver {
    NONE(""),
    VFIO_PCI("vfio-pci"),
    /** An ordinary driver: it uses DMA, so VFIO cannot use the group. */
    OTHER("host");

    private final String sysfsName;

    HostDriver(String sysfsName) {
        this.sysfsName = sysfsName;
    }

    /** Its name in {@code /sys/bus/pci/drivers}. */
    String sysfsName() {
        return sysfsName;
    }

    /** The driver with this name, if there is one. */
    static @Nullable HostDriver named(String sysfsName) {
        for (HostDriver driver : values()) {
            if (driver != NONE && driver.sysfsName.equals(sysfsName)) {
                return driver;
            }
        }
        return null;
    }
}
