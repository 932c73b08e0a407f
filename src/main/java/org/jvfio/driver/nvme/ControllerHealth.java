package org.jvfio.driver.nvme;

/** What the register CSTS says of an enabled controller. */
enum ControllerHealth {
    RUNNING,
    /** It is not ready, or reports a fatal error; a reset may help. */
    STOPPED,
    /** It does not answer. */
    DEAD
}
