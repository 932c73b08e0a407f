package org.jvfio.driver.nvme;

import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/**
 * The Firmware Slot Information log page (03h).
 *
 * @param activeSlot the slot of the firmware that runs, from 1 (AFI bits 2:0)
 * @param nextSlot the slot of the firmware that runs after the next controller reset; empty if it stays the same
 * @param revisions the firmware revisions of slots 1 to 7; empty for a slot without firmware
 */
public record NvmeFirmware(int activeSlot, OptionalInt nextSlot, List<String> revisions) {
    /** The size of the log page. */
    static final int BYTES = 512;

    private static final int SLOTS = 7;
    private static final int REVISION_BYTES = 8;

    public NvmeFirmware {
        revisions = List.copyOf(revisions);
    }

    static NvmeFirmware of(ControllerData data) {
        int active = data.unsignedByte(0);
        int next = active >>> 4 & 0x7;
        return new NvmeFirmware(
                active & 0x7,
                next == 0 ? OptionalInt.empty() : OptionalInt.of(next),
                IntStream.rangeClosed(1, SLOTS)
                        .mapToObj(slot -> data.text(REVISION_BYTES * slot, REVISION_BYTES))
                        .toList());
    }
}
