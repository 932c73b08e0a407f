package org.jvfio.driver.nvme;

/** What a controller can be asked for. */
public enum NvmeState {
    /** It takes commands. */
    READY,
    /** It is being reset after a command was lost; commands wait, or are not taken yet. */
    RESETTING,
    /** It is disabled: it gave an answer that makes no sense, or none. */
    FAILED,
    /** It is being closed: it takes no more commands, and those under way are ended. */
    CLOSING,
    /** It was shut down. */
    CLOSED
}
