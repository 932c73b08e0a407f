package org.jvfio.observe.fault;

import org.jspecify.annotations.Nullable;

/** The regions of a PCI device, in the order of {@code VFIO_PCI_BAR0_REGION_INDEX} and those that follow it. */
public enum DeviceArea {
    BAR0,
    BAR1,
    BAR2,
    BAR3,
    BAR4,
    BAR5,
    /** The expansion ROM. */
    ROM,
    /** Configuration space. */
    CONFIG;

    /** {@code VFIO_PCI_OFFSET_SHIFT} of {@code vfio_pci_core.h}. */
    private static final int OFFSET_SHIFT = 40;

    /** The region of a file offset; null for an offset in none of these. */
    static @Nullable DeviceArea at(long fileOffset) {
        return ofIndex((int) (fileOffset >>> OFFSET_SHIFT));
    }

    /** The region with an index of {@code linux/vfio.h}; null if it is none of these. */
    static @Nullable DeviceArea ofIndex(int index) {
        return switch (index) {
            case 0 -> BAR0;
            case 1 -> BAR1;
            case 2 -> BAR2;
            case 3 -> BAR3;
            case 4 -> BAR4;
            case 5 -> BAR5;
            case 6 -> ROM;
            case 7 -> CONFIG;
            default -> null;
        };
    }

    /** The offset in its region of a file offset, in bytes. */
    static long offset(long fileOffset) {
        return fileOffset & (1L << OFFSET_SHIFT) - 1;
    }
}
