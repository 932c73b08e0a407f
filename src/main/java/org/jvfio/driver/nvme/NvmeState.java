package org.jvfio.driver.nvme;

/** The state of a controller. */
public enum NvmeState {
    /** It accepts commands. */
    READY,
    /**
     * It is being reset after it lost a command or stopped, or recovered from a frozen PE; commands are not accepted,
     * and transfers wait.
     */
    RESETTING,
    /** It is disabled: an answer was invalid, or it did not answer. */
    FAILED,
    /** It is being closed: it accepts no more commands, and those in flight complete. */
    CLOSING,
    /** It is closed. */
    CLOSED
}
