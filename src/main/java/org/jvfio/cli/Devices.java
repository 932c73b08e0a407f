package org.jvfio.cli;

import org.jvfio.PciAddress;

/** Reads the devices and groups that users name. */
final class Devices {
    private Devices() {}

    /**
     * A PCI address.
     *
     * @throws Failure if it is none
     */
    static PciAddress address(String text) throws Failure {
        try {
            return PciAddress.parse(text);
        } catch (IllegalArgumentException e) {
            throw Failure.usage(String.valueOf(e.getMessage()));
        }
    }

    /**
     * The number of a group.
     *
     * @throws Failure if it is none
     */
    static int group(String text) throws Failure {
        if (!text.matches("[0-9]{1,9}")) {
            throw Failure.usage("'" + text + "' is not the number of an IOMMU group, such as 0");
        }
        return Integer.parseInt(text);
    }
}
