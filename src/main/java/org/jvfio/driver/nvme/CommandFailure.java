package org.jvfio.driver.nvme;

import org.jvfio.VfioException.Kind;

/**
 * Why the driver ends commands that the controller did not complete.
 *
 * @param status the status that the requests get
 * @param kind the kind of their failure
 * @param reason what happened
 * @param hint what helps
 */
record CommandFailure(NvmeStatus status, Kind kind, String reason, String hint) {
    /** Of a reset: the same command may succeed when it is submitted again. */
    static CommandFailure ofReset(Kind kind, String reason) {
        return new CommandFailure(NvmeStatus.ABORTED_BY_HOST, kind, reason, "try again");
    }

    /** Of a controller that accepts no more commands. */
    static CommandFailure ofEnd(Kind kind, String reason, String hint) {
        return new CommandFailure(NvmeStatus.HOST_PATHING_ERROR, kind, reason, hint);
    }
}
