package org.jvfio.cli;

import java.io.Console;
import java.io.PrintStream;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.apache.commons.cli.CommandLine;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.Options;

/** How far long work has come: one line on standard error that is written over, and is gone at the end. */
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
    static Options addTo(Options options) {
        return options.addOption(Option.builder()
                .longOpt("progress")
                .desc("shows progress on standard error, also where that is no terminal")
                .get());
    }

    /** Progress on standard error, if that is a terminal or the user wants it. */
    static Progress of(CommandLine line) {
        boolean terminal = Optional.ofNullable(System.console())
                .filter(Console::isTerminal)
                .isPresent();
        return new Progress(System.err, terminal || line.hasOption("progress"));
    }

    /** Tells, now and then, how much of a whole is done. */
    void tell(String what, long done, long whole) {
        long now = System.nanoTime();
        if (shown && now - last > INTERVAL_NANOS) {
            last = now;
            written = true;
            err.print("%s%s: %d %%".formatted(CLEAR, what, whole == 0 ? WHOLE : done * WHOLE / whole));
            err.flush();
        }
    }

    @Override
    public void close() {
        if (written) {
            err.print(CLEAR);
            err.flush();
        }
    }
}
