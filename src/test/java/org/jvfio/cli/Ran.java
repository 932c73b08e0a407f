package org.jvfio.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.sanitize.ExpectedFindings;
import org.jvfio.observe.sanitize.Finding;
import org.jvfio.observe.sanitize.Sanitizer;

/** A command line that has run: its status, standard output and standard error. */
public record Ran(int status, String out, String err) {
    static final String DEMO_WRITE = " wrote 4096 bytes to 0x";
    private static final String HINT =
            ".*(?:as root(?:, for each boot)?|for a user at each login, as root|next): jvfio (.*)";

    /** Runs a command line, whose words have one space between them. */
    public static Ran of(String line, String... more) {
        List<String> arguments = new ArrayList<>(List.of(line.split(" ")));
        arguments.addAll(Arrays.asList(more));
        return ofAll(arguments, Terminal.NONE);
    }

    /** The sanitizer must find nothing in what the command does on an emulated host. */
    static Ran ofAll(List<String> arguments, Terminal terminal) {
        List<Sanitizer> watching = new ArrayList<>();
        Ran ran = ofAll(arguments, terminal, machine -> {
            Sanitizer sanitizer = Sanitizer.boot(machine);
            watching.add(sanitizer);
            return sanitizer.kernel();
        });
        ExpectedFindings expected = new ExpectedFindings();
        if (ran.status == 0 && arguments.contains("demo")) {
            // It has a device write to what it has unmapped, to show what becomes of that.
            expected.add(Finding.Kind.STALE_DMA, DEMO_WRITE, "ofAll");
        }
        watching.forEach(expected::requireIn);
        return ran;
    }

    /**
     * Runs a command line on a host that is there already, in a process of its own, in whose calls the sanitizer must
     * find nothing.
     */
    public static Ran on(EmulatedKernel process, String line) {
        return ofOn(process, List.of(line.split(" ")));
    }

    /** The same with arguments that have spaces. */
    static Ran ofOn(EmulatedKernel process, List<String> arguments) {
        List<Sanitizer> watching = new ArrayList<>();
        Ran ran = ofAll(arguments, Terminal.NONE, machine -> {
            Sanitizer sanitizer = new Sanitizer();
            watching.add(sanitizer);
            return sanitizer.around(process.newProcess(), process.host());
        });
        watching.forEach(Sanitizer::requireClean);
        return ran;
    }

    private static Ran ofAll(List<String> arguments, Terminal terminal, Function<EmulatedMachine, Kernel> boot) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        int status = Main.run(
                arguments,
                new StandardOutput(out, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8),
                terminal,
                boot);
        return new Ran(status, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    /** The same, if it did what it was asked. */
    public Ran ok() {
        assertEquals(0, status, err);
        return this;
    }

    /** What it says to do next: the command lines of {@code jvfio} in its hints. */
    public List<String> hints() {
        return (out + err)
                .lines()
                .filter(each -> each.matches(HINT))
                .map(each -> each.replaceFirst(HINT, "$1"))
                .toList();
    }

    /** Standard output as JSON, which must be as the schema of the command says. */
    public Map<String, Object> json(String command) {
        try {
            Map<String, Object> data = JSON.std.mapFrom(out);
            Map<String, Object> schema =
                    JSON.std.mapFrom(of("help --schema " + command).ok().out());
            assertEquals(List.of(), JsonSchema.problems(schema, data), out);
            return data;
        } catch (IOException e) {
            throw new UncheckedIOException(out, e);
        }
    }
}
