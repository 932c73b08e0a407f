package org.jvfio.emulator.nvme;

import java.util.Set;

/** A command of the NVM command set that a controller need not support (ONCS; NVM Express 1.4, 5.15.2.2). */
public enum OptionalCommand {
    /** Compare. */
    COMPARE(0x05, 0),
    /** Write Zeroes. */
    WRITE_ZEROES(0x08, 3),
    /** Dataset Management. */
    DATASET_MANAGEMENT(0x09, 2),
    /** Verify. */
    VERIFY(0x0c, 7),
    /** Copy. */
    COPY(0x19, 8);

    private final int opcode;
    private final int bit;

    OptionalCommand(int opcode, int bit) {
        this.opcode = opcode;
        this.bit = bit;
    }

    int opcode() {
        return opcode;
    }

    /** The field ONCS for a set of commands. */
    static int mask(Set<OptionalCommand> commands) {
        int mask = 0;
        for (OptionalCommand command : commands) {
            mask |= 1 << command.bit;
        }
        return mask;
    }
}
