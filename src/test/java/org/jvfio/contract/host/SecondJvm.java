package org.jvfio.contract.host;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.linux.IpcLock;
import org.jvfio.kernel.linux.KeptRanges;
import org.jvfio.kernel.linux.LinuxKernel;
import org.jvfio.kernel.linux.ProcessDescriptors;

/**
 * A second process on Linux: a JVM that makes the calls that it reads from its standard input and writes what they are
 * answered. It is started once, since that takes seconds on an emulated processor, and again only after it was killed;
 * it ends with the first one.
 */
public final class SecondJvm implements SecondProcess {
    private static final String RUN = "run";
    private static final String RECEIVE = "receive";
    private static final String FILES = "files";
    private static final String END = "end";

    private static @Nullable SecondJvm running;

    private final Process process;
    private final BufferedReader answers;
    private final PrintStream calls;

    private SecondJvm(Process process) {
        this.process = process;
        answers = process.inputReader(StandardCharsets.UTF_8);
        calls = new PrintStream(process.getOutputStream(), true, StandardCharsets.UTF_8);
    }

    /** The process, with nothing open. */
    public static synchronized SecondProcess running() {
        SecondJvm jvm = running;
        if (jvm == null || !jvm.process.isAlive()) {
            jvm = start();
            running = jvm;
        }
        return jvm;
    }

    private static SecondJvm start() {
        List<String> command = List.of(
                ProcessHandle.current().info().command().orElseThrow(),
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Xmx128m",
                // A dump of threads, which the whole guest is asked for before it is stopped, is no answer.
                "-XX:+UnlockDiagnosticVMOptions",
                "-XX:+DisplayVMOutputToStderr",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                SecondJvm.class.getName());
        try {
            return new SecondJvm(new ProcessBuilder(command)
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private String ask(String line) {
        calls.println(line);
        try {
            String answer = answers.readLine();
            if (answer == null) {
                throw new IllegalStateException("the second process ended at: " + line);
            }
            return answer;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public String run(String call) {
        return ask(RUN + " " + call);
    }

    @Override
    public String receive(String file, int descriptor) {
        return ask(RECEIVE + " " + file + " " + ProcessHandle.current().pid() + " " + descriptor);
    }

    @Override
    public List<String> openFiles() {
        return Stream.of(ask(FILES).split(" ")).filter(name -> !name.isEmpty()).toList();
    }

    @Override
    public void end() {
        var _ = ask(END);
    }

    @Override
    public void kill() {
        try {
            process.destroyForcibly().waitFor();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while the second process ended", e);
        }
    }

    /** What the second JVM does, until the first one ends. */
    public static void main(String[] arguments) throws IOException {
        KeptRanges ranges = new KeptRanges(LinuxKernel.open());
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        ScriptSession session = new ScriptSession(ranges, IpcLock::set);
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            List<String> words = List.of(line.split(" "));
            String answer = "";
            switch (words.getFirst()) {
                case RUN -> answer = session.run(line.substring(RUN.length() + 1));
                case RECEIVE ->
                    answer = session.receive(
                            words.get(1),
                            ProcessDescriptors.get(Long.parseLong(words.get(2)), Integer.parseInt(words.get(3))));
                case FILES -> answer = String.join(" ", session.openFiles());
                case END -> {
                    ranges.release(session.end());
                    session = new ScriptSession(ranges, IpcLock::set);
                }
                default -> throw new IllegalArgumentException(line);
            }
            System.out.println(answer);
        }
    }
}
