package org.jvfio.cli;

/** Why a command ends without having done what it was asked: one line for the user, and the exit status. */
class Failure extends Exception {
    /** The status of a command that could not do its work. */
    static final int FAILED = 1;
    /** The status of a command line that is invalid. */
    static final int USAGE = 2;

    private static final long serialVersionUID = 1;

    private final int status;

    Failure(int status, String message) {
        super(message);
        this.status = status;
    }

    /** A command line that is invalid. */
    static Failure usage(String message) {
        return new Failure(USAGE, message);
    }

    /** Something that could not be done. */
    static Failure failed(String message) {
        return new Failure(FAILED, message);
    }

    final int status() {
        return status;
    }
}
