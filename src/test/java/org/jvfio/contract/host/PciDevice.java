package org.jvfio.contract.host;

/**
 * A device of the host.
 *
 * @param address domain, bus, device and function
 * @param group the number of its IOMMU group
 */
public record PciDevice(String address, int group) {
    /** Its domain and bus, by which the kernel's log names partitionable endpoints. */
    public String bus() {
        return address.substring(0, address.lastIndexOf(':'));
    }
}
