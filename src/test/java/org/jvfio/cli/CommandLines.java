package org.jvfio.cli;

import java.util.Arrays;
import java.util.List;

/** Runs command lines of {@code jvfio} in a process of their own. */
public final class CommandLines {
    private static final String END = "[end]\n";

    private CommandLines() {}

    /** Runs a command line for each argument, and prints its status and all that it has written. */
    public static void main(String[] lines) {
        for (String line : lines) {
            Ran ran = Ran.of(line);
            System.out.print(ran.status() + "\n" + ran.out() + ran.err() + END);
        }
    }

    /** What the command lines of such a process have ended with; what they have written is all in one stream. */
    public static List<Ran> read(String printed) {
        return Arrays.stream(printed.split("\\[end\\]\n", 0))
                .map(each -> each.split("\n", 2))
                .map(each -> new Ran(Integer.parseInt(each[0]), each[1], ""))
                .toList();
    }
}
