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
            "QEMU has it: -device edu",
            add("edu")) {
        @Override
        boolean matches(PciFunction function) {
            return function.vendorId() == EduDevice.VENDOR_ID && function.deviceId() == EduDevice.DEVICE_ID;
        }
    },
    /** Any device that a driver in user space can take. */
    ANY(
            "device bound to vfio-pci",
            "any device bound to vfio-pci",
            "bind one: jvfio bind",
            "bind one in the machine file: \"driver\": \"vfio-pci\"; jvfio doctor checks whether its kernel can") {
        @Override
        boolean matches(PciFunction function) {
            return function.isForVfio();
        }
    },
    /** Any NVMe drive. */
    NVME(
            "NVMe drive",
            "NVMe, class %06x".formatted(NvmeController.CLASS_CODE),
            "QEMU has one: -device nvme",
            add("nvme")) {
        @Override
        boolean matches(PciFunction function) {
            return function.classCode() == NvmeController.CLASS_CODE;
        }
    };

    private final String title;
    private final String driven;
    private final String source;
    private final String emulatedSource;

    DeviceKind(String title, String driven, String source, String emulatedSource) {
        this.title = title;
        this.driven = driven;
        this.source = source;
        this.emulatedSource = emulatedSource;
    }

    private static String add(String model) {
        return "add one to the \"devices\" of the machine file:"
                + " {\"address\": \"0000:01:00.0\", \"group\": 0, \"model\": \"%s\"}".formatted(model);
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
    String source(boolean emulated) {
        return emulated ? emulatedSource : source;
    }

    abstract boolean matches(PciFunction function);
}
