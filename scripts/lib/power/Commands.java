package power;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Programs of this host, run to their end. */
final class Commands {
    /**
     * What a program printed on both outputs, or on standard output alone, and its exit status; 124 if it was stopped.
     */
    record Ended(int status, String output) {
        List<String> lines() {
            return output.lines().toList();
        }
    }

    static final int STOPPED = 124;

    private Commands() {}

    /** Standard output and standard error together. */
    static Ended run(Path directory, Duration limit, List<String> command) throws IOException, InterruptedException {
        return run(new ProcessBuilder(command).directory(directory.toFile()).redirectErrorStream(true), limit);
    }

    /** Standard output; standard error is dropped. */
    static Ended output(Path directory, Duration limit, List<String> command) throws IOException, InterruptedException {
        return run(
                new ProcessBuilder(command)
                        .directory(directory.toFile())
                        .redirectError(ProcessBuilder.Redirect.DISCARD),
                limit);
    }

    private static Ended run(ProcessBuilder builder, Duration limit) throws IOException, InterruptedException {
        builder.redirectInput(new File("/dev/null"));
        builder.environment().put("LC_ALL", "C");
        builder.environment().put("DEBIAN_FRONTEND", "noninteractive");
        Process process = builder.start();
        Ending.add(process);
        CompletableFuture<String> output = CompletableFuture.supplyAsync(() -> read(process.getInputStream()));
        boolean ended;
        try {
            ended = process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS);
        } finally {
            // apt's methods are its children, and would go on.
            List<ProcessHandle> all = new ArrayList<>(process.descendants().toList());
            all.add(process.toHandle());
            all.forEach(ProcessHandle::destroy);
        }
        int status = process.waitFor();
        return new Ended(ended ? status : STOPPED, output.join());
    }

    /** Runs a command, which writes all to this process's standard error; returns its exit status. */
    static int runHere(Path directory, List<String> command) throws IOException, InterruptedException {
        // To open /dev/stderr anew would empty the file that it may be.
        List<String> words = new ArrayList<>(List.of("sh", "-c", "exec \"$@\" >&2", "sh"));
        words.addAll(command);
        return new ProcessBuilder(words)
                .directory(directory.toFile())
                .inheritIO()
                .redirectInput(new File("/dev/null"))
                .start()
                .waitFor();
    }

    static boolean isOnPath(String program) {
        for (String directory : System.getenv().getOrDefault("PATH", "").split(":", -1)) {
            if (new File(directory, program).canExecute()) {
                return true;
            }
        }
        return false;
    }

    /** The arguments as words of a POSIX shell. */
    static String quote(List<String> arguments) {
        StringBuilder words = new StringBuilder();
        for (String argument : arguments) {
            words.append(words.isEmpty() ? "" : " ")
                    .append('\'')
                    .append(argument.replace("'", "'\\''"))
                    .append('\'');
        }
        return words.toString();
    }

    private static String read(InputStream stream) {
        try (stream) {
            return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
