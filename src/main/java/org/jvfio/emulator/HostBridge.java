package org.jvfio.emulator;

/**
 * A host bridge (PHB), which serves one PCI domain.
 *
 * @param platform its type
 * @param dma32Bytes the size of the default window of each of its groups, in bytes
 */
record HostBridge(Platform platform, long dma32Bytes) {

    /** Whether a kernel version lends the host's table of its groups to VFIO. */
    boolean lendsTables(KernelVersion kernel) {
        return platform.ownership() == Platform.Ownership.LENT
                || !kernel.hasOwnershipCallbacks()
                || (platform == Platform.PSERIES && !kernel.lparMakesWindows());
    }

    /** How many windows a kernel version allows at once, 0 if it creates none for VFIO. */
    int dynamicWindows(KernelVersion kernel) {
        return lendsTables(kernel) ? 0 : platform.dynamicWindows();
    }
}
