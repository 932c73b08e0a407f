package org.jvfio.emulator.device;

/**
 * The identity of a PCI device in configuration space.
 *
 * @param vendor the vendor's id, 16 bits; not 0xffff, which is read where there is no device
 * @param device the device's id, 16 bits
 * @param revision 8 bits
 * @param classCode base class, subclass and programming interface, 24 bits
 */
public record DeviceIdentity(int vendor, int device, int revision, int classCode) {
    /** The vendor's id that is read where there is no device. */
    private static final int NO_VENDOR = 0xffff;

    public DeviceIdentity {
        check("vendor", vendor, 16);
        check("device", device, 16);
        check("revision", revision, 8);
        check("classCode", classCode, 24);
        if (vendor == NO_VENDOR || (vendor == 0 && (device == 0 || device == NO_VENDOR))) {
            throw new IllegalArgumentException(
                    "vendor 0x%x with device 0x%x: Linux finds no device there".formatted(vendor, device));
        }
    }

    private static void check(String name, int value, int bits) {
        if (value >>> bits != 0) {
            throw new IllegalArgumentException("%s is 0x%x: it has at most %d bits".formatted(name, value, bits));
        }
    }
}
