package org.jvfio;

/**
 * A device that a reset of another one's bus or slot resets too.
 *
 * @param address where it sits
 * @param group the number of its IOMMU group
 */
public record DependentDevice(PciAddress address, int group) {
    @Override
    public String toString() {
        return address + " of IOMMU group " + group;
    }
}
