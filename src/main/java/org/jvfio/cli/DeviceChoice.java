package org.jvfio.cli;

import java.util.List;
import java.util.Optional;
import org.apache.commons.cli.CommandLine;
import org.jvfio.IommuGroup;
import org.jvfio.PciAddress;
import org.jvfio.PciFunction;
import org.jvfio.driver.edu.EduDevice;
import org.jvfio.kernel.Kernel;

/** The edu device that a user means with {@code --device} or {@code --group}, or the first one there is. */
final class DeviceChoice {
    private final Optional<PciAddress> address;
    private final Optional<Integer> group;

    private DeviceChoice(Optional<PciAddress> address, Optional<Integer> group) {
        this.address = address;
        this.group = group;
    }

    /**
     * Reads the options.
     *
     * @throws Failure if they name no address, and no number
     */
    static DeviceChoice of(CommandLine line) throws Failure {
        try {
            return new DeviceChoice(
                    Optional.ofNullable(line.getOptionValue("device")).map(PciAddress::parse),
                    Optional.ofNullable(line.getOptionValue("group")).map(DeviceChoice::number));
        } catch (IllegalArgumentException e) {
            throw new Failure(Failure.FAILED, "cannot use the device: " + e.getMessage());
        }
    }

    private static Integer number(String text) {
        if (!text.matches("[0-9]{1,9}")) {
            throw new IllegalArgumentException("'" + text + "' is not the number of an IOMMU group, such as 0");
        }
        return Integer.valueOf(text);
    }

    /**
     * The function.
     *
     * @throws Failure if it is no edu, or there is none
     * @throws org.jvfio.VfioException if there is no such device or group
     */
    PciFunction find(Kernel kernel) throws Failure {
        if (address.isPresent()) {
            PciFunction function = PciFunction.at(kernel, address.get());
            if (!isEdu(function)) {
                throw new Failure(
                        Failure.FAILED,
                        "cannot use %s: it is %s, and this drives QEMU's edu, %04x:%04x; %s"
                                .formatted(
                                        function.address(),
                                        function.id(),
                                        EduDevice.VENDOR_ID,
                                        EduDevice.DEVICE_ID,
                                        present(kernel)));
            }
            return function;
        }
        List<PciFunction> functions =
                group.isPresent() ? IommuGroup.of(kernel, group.get()).functions() : PciFunction.all(kernel);
        return functions.stream()
                .filter(DeviceChoice::isEdu)
                .findFirst()
                .orElseThrow(() -> new Failure(
                        Failure.FAILED,
                        "there is no edu device (%04x:%04x) %s; %s"
                                .formatted(
                                        EduDevice.VENDOR_ID,
                                        EduDevice.DEVICE_ID,
                                        group.map(number -> "in IOMMU group " + number)
                                                .orElse("on this host"),
                                        group.isPresent() ? present(kernel) : "QEMU has it: -device edu")));
    }

    private static boolean isEdu(PciFunction function) {
        return function.vendorId() == EduDevice.VENDOR_ID && function.deviceId() == EduDevice.DEVICE_ID;
    }

    private static String present(Kernel kernel) {
        return PciFunction.all(kernel).stream()
                .filter(DeviceChoice::isEdu)
                .findFirst()
                .map(edu -> "there is one at " + edu.address())
                .orElse("this host has none");
    }
}
