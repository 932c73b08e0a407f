package org.jvfio.emulator;

import java.util.List;

/**
 * A snapshot of an IOMMU group.
 *
 * @param number the group's number
 * @param devices the addresses of its devices
 * @param ownedByHost whether the host owns it, and not VFIO
 * @param bypass whether 64-bit DMA bypasses translation
 * @param windows the windows of the partitionable endpoint
 * @param state the EEH state
 * @param open whether a descriptor of the group or of one of its devices is open
 */
public record GroupView(
        int number,
        List<String> devices,
        boolean ownedByHost,
        boolean bypass,
        List<WindowView> windows,
        EehState state,
        boolean open) {}
