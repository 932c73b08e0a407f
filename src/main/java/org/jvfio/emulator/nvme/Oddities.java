package org.jvfio.emulator.nvme;

import java.util.Set;

/**
 * What makes a controller like a known drive.
 *
 * @param vendor its PCI vendor id
 * @param device its PCI device id
 * @param kinds how it misbehaves
 */
record Oddities(int vendor, int device, Set<DriveOddity> kinds) {
    Oddities {
        kinds = Set.copyOf(kinds);
    }

    boolean has(DriveOddity kind) {
        return kinds.contains(kind);
    }
}
