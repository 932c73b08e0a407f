package org.jvfio.driver.nvme;

/** What CSTS reports of an enabled controller. */
enum ControllerHealth {
    RUNNING,
    /** Not ready, or a fatal error; a reset may help. */
    STOPPED,
    /** The register reads all ones. */
    UNREACHABLE
}
