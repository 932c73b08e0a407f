package org.jvfio.emulator.nvme;

/** An I/O command set (NVM Express 2.0, 3.1.2.1): what the commands of a namespace are. */
public enum CommandSet {
    /** Logical blocks. */
    NVM(0),
    /** Keys and values. The emulated namespace is reported, and completes no I/O command. */
    KEY_VALUE(1),
    /** Zones that are written in order. The emulated namespace is reported, and completes no I/O command. */
    ZONED(2);

    private final int identifier;

    CommandSet(int identifier) {
        this.identifier = identifier;
    }

    /** The command set identifier (CSI). */
    int identifier() {
        return identifier;
    }
}
