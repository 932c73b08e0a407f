package org.jvfio.emulator;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** The host driver that a device is bound to. */
public enum HostDriver {
    NONE(""),
    VFIO_PCI("vfio-pci"),
    /** An ordinary driver: it uses DMA, so VFIO cannot use the group. */
    OTHER("host");

    private static final int NVME_CLASS = 0x010802;
    private static final String NVME = "nvme";

    private final String sysfsName;

    HostDriver(String sysfsName) {
        this.sysfsName = sysfsName;
    }

    /**
     * Its name in {@code /sys/bus/pci/drivers}, for devices of a class: the ordinary driver of an NVMe drive is {@code
     * nvme}.
     */
    String sysfsName(int classCode) {
        return this == OTHER && classCode == NVME_CLASS ? NVME : sysfsName;
    }

    /** The names of its directories in {@code /sys/bus/pci/drivers}. */
    List<String> sysfsNames() {
        return switch (this) {
            case NONE -> List.of();
            case VFIO_PCI -> List.of(sysfsName);
            case OTHER -> List.of(sysfsName, NVME);
        };
    }

    /** The driver with this name, if there is one. */
    static @Nullable HostDriver named(String name) {
        for (HostDriver driver : values()) {
            if (driver.sysfsNames().contains(name)) {
                return driver;
            }
        }
        return null;
    }
}
