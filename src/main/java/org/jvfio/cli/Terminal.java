package org.jvfio.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * What the output goes to.
 *
 * @param color whether results may be coloured
 * @param interactive whether standard error is a terminal, which progress may be shown on
 * @param width columns of help
 */
record Terminal(boolean color, boolean interactive, int width) {
    private static final int DEFAULT_WIDTH = 100;
    private static final int MIN_WIDTH = 40;
    private static final int MAX_WIDTH = 120;
    private static final Pattern TERMINAL = Pattern.compile("/dev/(pts/|tty|hvc|console).*");
    private static final String BOLD = "1";
    private static final String RESET = "\u001b[0m";

    /** A file or a pipe. */
    static final Terminal NONE = new Terminal(false, false, DEFAULT_WIDTH);

    /** That of this process; NO_COLOR is obeyed, see no-color.org. */
    static Terminal ofProcess() {
        return of(System.getenv(), isTerminal(1), isTerminal(2));
    }

    static Terminal of(Map<String, String> environment, boolean out, boolean err) {
        boolean color = out
                && environment.getOrDefault("NO_COLOR", "").isEmpty()
                && !environment.getOrDefault("TERM", "").equals("dumb");
        String columns = environment.getOrDefault("COLUMNS", "");
        int width = columns.matches("[0-9]{1,4}") ? Integer.parseInt(columns) : DEFAULT_WIDTH;
        return new Terminal(color, err, Math.clamp(width, MIN_WIDTH, MAX_WIDTH));
    }

    private static boolean isTerminal(int descriptor) {
        try {
            Path target = Files.readSymbolicLink(Path.of("/proc/self/fd/" + descriptor));
            return TERMINAL.matcher(target.toString()).matches();
        } catch (IOException | UnsupportedOperationException _) {
            return false; // no procfs: neither colour nor progress
        }
    }

    String bold(String text) {
        return styled(BOLD, text);
    }

    /** Text in a style of ECMA-48, such as "31" for red. */
    String styled(String style, String text) {
        return color && !text.isEmpty() ? "\u001b[" + style + "m" + text + RESET : text;
    }
}
