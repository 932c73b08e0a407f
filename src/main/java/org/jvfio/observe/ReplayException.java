package org.jvfio.observe;

/** A program makes another call than the record has: no call can be answered any more. */
public final class ReplayException extends IllegalStateException {
    private static final long serialVersionUID = 1;

    private final transient Difference difference;

    ReplayException(Difference difference) {
        super("the program does not do what is recorded; " + difference);
        this.difference = difference;
    }

    /** The first call that differs. */
    public Difference difference() {
        return difference;
    }
}
