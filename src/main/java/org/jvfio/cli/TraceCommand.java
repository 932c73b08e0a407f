package org.jvfio.cli;

import java.io.FilterWriter;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.PrintStream;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.jvfio.kernel.FileErrors;
import org.jvfio.observe.Observer;
import org.jvfio.observe.Recording;
import org.jvfio.observe.TraceForm;

/** {@code jvfio trace}: runs a command and shows its system calls, or shows those of a record. */
final class TraceCommand extends Command {
    private static final String FROM = "from";

    TraceCommand() {
        super("trace", "run a command and show its system calls, decoded");
    }

    @Override
    void describe(CommandSyntax syntax) {
        syntax.command("a command of jvfio, such as demo, with its options", false)
                .option("output", "FILE", "write the trace to this file (default: standard error)")
                .choice(
                        "form",
                        "FORM",
                        TraceForm.names(),
                        "text, perfetto (JSON for ui.perfetto.dev), jfr (a flight recording), or record; the default is"
                                + " what the file's name ends in: .json for perfetto, .jfr, .rec for record, or else"
                                + " text")
                .flag(
                        "registers",
                        "trace accesses of registers, too: BARs are not mapped, so that each access is a system call")
                .option(FROM, "RECORD", "show the calls of a record that 'jvfio record' has made")
                .about("Any program on the library is traced by the system property jvfio.trace=FILE; more properties"
                        + " are jvfio.trace.form and jvfio.trace.registers=true.")
                .status(Failure.FAILED, "not done, or the command failed")
                .example("jvfio trace demo", "see the calls of the demo on the terminal")
                .example("jvfio trace --output nvme.json nvme bench --seconds 1", "see a drive's queues in Perfetto")
                .example("jvfio trace --from host.rec --output host.txt", "read what was recorded on another host");
    }

    @Override
    int run(Invocation in) throws Failure {
        Optional<Path> output = in.value("output").map(Path::of);
        TraceForm form = form(in, output);
        Optional<String> record = in.value(FROM);
        if (record.isPresent() != in.arguments().isEmpty()) {
            throw Failure.usage(
                    record.isPresent()
                            ? "trace --from shows a record; leave the command out"
                            : "trace needs a COMMAND, such as demo, or --from RECORD (see jvfio trace --help)");
        }
        if (output.isEmpty() && form != TraceForm.TEXT && form != TraceForm.PERFETTO) {
            throw Failure.usage("--form %s needs --output FILE".formatted(form));
        }
        String what = output.map(file -> "the trace " + file).orElse("the trace");
        if (record.isPresent()) {
            return show(in, Path.of(record.get()), form, output, what);
        }
        boolean registers = in.has("registers");
        Observer observer = output.isPresent()
                ? Observer.trace(form, output.get(), registers, String.join(" ", in.arguments()))
                : Observer.trace(form, unclosed(in.err()), registers);
        return ObservedCommand.run(in, in.arguments(), observer, what);
    }

    private static TraceForm form(Invocation in, Optional<Path> output) throws Failure {
        String byName = TraceForm.ofFile(output.map(Path::toString).orElse("")).toString();
        return TraceForm.of(in.word("form", byName, TraceForm.names())).orElseThrow();
    }

    /** Writes to a stream that the command goes on using. */
    private static Writer unclosed(PrintStream stream) {
        return new FilterWriter(new OutputStreamWriter(stream, StandardCharsets.UTF_8)) {
            @Override
            public void close() throws IOException {
                flush();
            }
        };
    }

    private static int show(Invocation in, Path file, TraceForm form, Optional<Path> output, String what)
            throws Failure {
        if (form != TraceForm.TEXT && form != TraceForm.PERFETTO) {
            throw Failure.usage(
                    "--from shows a record as %s; not as %s".formatted(Words.oneOf(List.of("text", "perfetto")), form));
        }
        Recording recording = Records.read(file);
        try (Writer out = output.isPresent() ? Files.newBufferedWriter(output.get()) : unclosed(in.out())) {
            recording.write(form, out);
        } catch (IOException e) {
            throw Failure.failed("cannot write %s: %s".formatted(what, FileErrors.reason(e)));
        } catch (IllegalStateException e) {
            throw Failure.failed(String.valueOf(e.getMessage()));
        }
        return 0;
    }
}
