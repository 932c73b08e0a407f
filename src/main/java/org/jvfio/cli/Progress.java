package org.jvfio.cli;

import java.io.PrintStream;
import java.util.concurrent.TimeUnit;

/** The progress of long work: one line on standard error that is overwritten, and cleared at the end. */
final class Progress implements AutoCloseable {
    private static final long INTERVAL_NANOS = TimeUnit.MILLISECONDS.toNanos(200);
    private static final String CLEAR = "\r\u001b[K";
    private static final int WHOLE = 100;

    private final PrintStream err;
    private final boolean shown;
    private long last = System.nanoTime();
    private boolean written;

    /**
     * Progress that is shown or not.
     *
     * @param err where to
     */
    Progress(PrintStream err, boolean shown) {
        this.err = err;
        this.shown = shown;
    }

    /** Adds the option. */
    static CommandSyntax addTo(CommandSyntax syntax) {
        return syntax.flag("progress", "show progress even if standard error is not a terminal");
    }

    /** Progress on standard error, if that is a terminal or the user wants it. */
    static Progress of(Invocation in) {
        return new Progress(in.err(), in.terminal().interactive() || in.has("progress"));
    }

    /** Shows, five times a second at most, how much of a whole is done. */
    void show(String what, long done, long whole) {
        long now = System.nanoTime();
        if (shown && now - last > INTERVAL_NANOS) {
            last = now;
            written = true;
            err.print("%s%s: %d %%".formatted(CLEAR, what, percent(done, whole)));
            err.flush();
        }
    }

    /** Never more than 100. */
    private static long percent(long done, long whole) {
        return done >= whole ? WHOLE : (long) ((double) done / whole * WHOLE);
    }

    @Override
    public void close() {
        if (written) {
            err.print(CLEAR);
            err.flush();
        }
    }
}
