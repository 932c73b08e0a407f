package org.jvfio.emulator;

/**
 * A host bridge (PHB), which serves one PCI domain.
 *
 * @param platform what kind it is
 * @param dma32Bytes the size of the default window of each of its groups, in bytes
 */
record HostBridge(Platform platform, long dma32Bytes) {

    /** Whether a kernel lends the table of its groups to VFIO. */
    boolean lendsTables(KernelVersion kernel) {
        return platform.ownership() == Platform.Ownership.LENT
                || !kernel.hasOwnershipCallbacks()
                || (platform == Platform.PSERIES && !kernel.lparMakesWindows());
    }

    /** How many windows a kernel lets user space have at once, 0 if it makes none for VFIO. */
    int dynamicWindows(KernelVersion kernel) {
        return lendsTables(kernel) ? 0 : platform.dynamicWindows();
    }
}
