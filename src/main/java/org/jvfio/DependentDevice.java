package org.jvfio;

/**
 * A device that {@link Device#hotReset} resets.
 *
 * @param address its PCI address
 * @param group the number of its IOMMU group
 */
public record DependentDevice(PciAddress address, int group) {

    /** Address and group, as in {@code 0001:01:00.0 of IOMMU group 1}. */
    @Override
    public String toString() {
        return address + " of IOMMU group " + group;
    }
}
