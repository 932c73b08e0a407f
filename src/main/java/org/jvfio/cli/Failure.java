package org.jvfio.cli;

/** Why a command ends without having done what it was asked: one line for the user, and the exit status. */
final class Failure extends Exception {
    /** The status of a command that could not do its work. */
    static final int FAILED = 1;
    /** The status of a command line that makes no sense. */
    static final int USAGE = 2;

    private static final long serialVersionUID = 1;

    private final int status;

    Failure(int status, String message) {
        super(message);
        this.status = status;
    }

    int status() {
        return status;
    }
}
