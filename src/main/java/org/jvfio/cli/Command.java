package org.jvfio.cli;

import org.apache.commons.cli.CommandLine;
import org.apache.commons.cli.Options;

/** A word of the command line that does something. */
interface Command {
    /** The word. */
    String name();

    /** What it does, in one line. */
    String summary();

    /** What can be said after the word. */
    Options options();

    /**
     * Does it.
     *
     * @throws Failure if it cannot
     */
    void run(CommandLine line, StandardOutput out) throws Failure;
}
