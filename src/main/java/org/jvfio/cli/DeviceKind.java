package org.jvfio.cli;

import org.jvfio.PciFunction;
import org.jvfio.driver.edu.EduDevice;
import org.jvfio.driver.nvme.NvmeController;

/** The kinds of devices that commands drive. */
enum DeviceKind {
    /** QEMU's edu. */
    EDU(
            "edu device",
            "QEMU's edu, %04x:%04x".formatted(EduDevice.VENDOR_ID, EduDevice.DEVICE_ID),
            "QEMU has it: -device edu") {
        @Override
        boolean matches(PciFunction function) {
            return function.vendorId() == EduDevice.VENDOR_ID && function.deviceId() == EduDevice.DEVICE_ID;
        }
    },
    /** Any device that a driver in user space can take. */
    ANY("device bound to vfio-pci", "any device bound to vfio-pci", "bind one: jvfio bind") {
        @Override
        boolean matches(PciFunction function) {
            return function.isForVfio();
        }
    },
    /** Any NVMe drive. */
    NVME("NVMe drive", "NVMe, class %06x".formatted(NvmeController.CLASS_CODE), "QEMU has one: -device nvme") {
        @Override
        boolean matches(PciFunction function) {
            return function.classCode() == NvmeController.CLASS_CODE;
        }
    };

    private final String title;
    private final String driven;
    private final String source;

    DeviceKind(String title, String driven, String source) {
        this.title = title;
        this.driven = driven;
        this.source = source;
    }

    /** What it is called. */
    String title() {
        return title;
    }

    /** What it is told by. */
    String driven() {
        return driven;
    }

    /** Where to get one. */
    String source() {
        return source;
    }

    abstract boolean matches(PciFunction function);
}
