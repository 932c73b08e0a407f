package org.jvfio.cli.map;

import org.jvfio.DmaDirection;
import org.jvfio.IovaRange;
import org.jvfio.PageSize;

/** What happens to the DMA address space of an IOMMU group. */
public sealed interface DmaEvent {
    /**
     * The group changes hands.
     *
     * @param name who owns it now, such as {@code the host}
     * @param mapsSeen whether the mappings of this owner are known; those of the host's drivers are not
     */
    record Owner(String name, boolean mapsSeen) implements DmaEvent {}

    /**
     * The platform enables or disables the 64-bit bypass, by which a device reaches all memory of the host.
     *
     * @param on whether it is enabled
     */
    record Bypass(boolean on) implements DmaEvent {}

    /**
     * A window is set up.
     *
     * @param number as the kernel's log has it, 0 or 1
     */
    record WindowCreated(int number, IovaRange range, PageSize page) implements DmaEvent {}

    /** A window is removed, with all that is mapped in it. */
    record WindowRemoved(int number) implements DmaEvent {}

    /** Memory is mapped. */
    record Mapped(IovaRange range, DmaDirection direction) implements DmaEvent {}

    /** Addresses are unmapped; those that were not mapped do not matter. */
    record Unmapped(IovaRange range) implements DmaEvent {}
}
