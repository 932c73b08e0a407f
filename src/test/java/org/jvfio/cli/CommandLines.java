package org.jvfio.cli;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
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

    /**
     * Runs {@code jvfio shell}, which gives its standard streams to JShell, in a process of its own. All that is
     * written is in {@link Ran#out}.
     *
     * @param input the standard input, of a few KB
     * @param javaOptions of each JVM
     */
    public static Ran shell(String arguments, String input, String javaOptions) {
        List<String> command = new ArrayList<>(List.of(
                ProcessHandle.current().info().command().orElseThrow(),
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("jdk.module.path", "")
                        + File.pathSeparator
                        + System.getProperty("java.class.path", ""),
                Launcher.class.getName(),
                "shell"));
        command.addAll(List.of(arguments.split(" ", -1)));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("JDK_JAVA_OPTIONS", javaOptions);
        try {
            Process process = builder.start();
            try (Writer writer = process.outputWriter(StandardCharsets.UTF_8)) {
                writer.write(input);
            }
            String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            return new Ran(process.waitFor(), printed, "");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while the shell runs", e);
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
