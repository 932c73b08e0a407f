package org.jvfio.emulator;

import java.util.List;

/**
 * An IOMMU group as it is at one moment.
 *
 * @param number the group's number
 * @param devices the addresses of its devices
 * @param ownedByHost whether the host has it, and not VFIO
 * @param bypass whether 64-bit DMA bypasses translation
 * @param windows what the host bridge translates with
 * @param state as EEH sees it
 * @param open whether somebody has it open
 */
public record GroupView(
        int number,
        List<String> devices,
        boolean ownedByHost,
        boolean bypass,
        List<WindowView> windows,
        EehState state,
        boolean open) {}
