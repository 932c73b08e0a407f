package org.jvfio.driver.nvme;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jvfio.Device;
import org.jvfio.Group;
import org.jvfio.PciAddress;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;

/**
 * The right to drive a PCI function, which one controller of this process has at a time: two would reset it under each
 * other. All descriptors of a device count as one, because the kernel opens a group only once.
 */
record DriverClaim(Group group, PciAddress address) {
    private static final Set<DriverClaim> HELD = ConcurrentHashMap.newKeySet();

    /**
     * Acquires the right.
     *
     * @throws VfioException if another controller has it
     */
    static DriverClaim acquire(String operation, Device device) {
        DriverClaim claim = new DriverClaim(device.group(), device.address());
        if (!HELD.add(claim)) {
            throw new VfioException(
                    Kind.CONFLICT,
                    operation,
                    "this process drives it already",
                    "use that controller, or close it first");
        }
        return claim;
    }

    void release() {
        HELD.remove(this);
    }
}
