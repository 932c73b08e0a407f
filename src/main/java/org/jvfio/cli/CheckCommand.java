package org.jvfio.cli;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.observe.Difference;
import org.jvfio.observe.RecordCheck;
import org.jvfio.observe.RecordException;
import org.jvfio.observe.Recording;

/** {@code jvfio check}: makes the calls of a record on an emulated host, and lists the answers that differ. */
final class CheckCommand extends Command {
    private static final long DEFAULT_SECONDS = 2;

    CheckCommand() {
        super("check", "make the calls of a record on an emulated host, and list answers that differ");
    }

    @Override
    void describe(CommandSyntax syntax) {
        syntax.argument("RECORD", "a file that 'jvfio record' has made, compressed by gzip or not")
                .choice(
                        "machine",
                        "MACHINE",
                        EmulatedMachine.presets(),
                        "make the calls on this machine, a preset or a JSON file (default: one that is made from the"
                                + " facts of the record)")
                .option("patience", "SECONDS", "wait this long for an answer that depends on time (default: 2)")
                .about(
                        "The machine that is made from a record has its platform, kernel version, page size, and those of"
                                + " its devices that can be emulated: edu and NVMe. What depends on time is waited for: of"
                                + " equal reads of a register in a row the last one counts. DMA needs a record that was made"
                                + " with --memory.")
                .status(Failure.FAILED, "an answer differs, or not done")
                .json(JsonShape.object("the answers of both hosts")
                        .with("calls", JsonShape.integer("calls that were made"))
                        .with(
                                "differences",
                                JsonShape.list(
                                        "answers that differ",
                                        JsonShape.object("an answer")
                                                .with("call", JsonShape.integer("its number in the record"))
                                                .with("thread", JsonShape.string("that made it"))
                                                .with("recorded", JsonShape.string("call and answer in the record"))
                                                .with("emulated", JsonShape.string("answer of the emulated host"))))
                        .with(
                                "notCompared",
                                JsonShape.list(
                                        "why calls were not compared",
                                        JsonShape.object("a reason")
                                                .with("reason", JsonShape.string("what they are"))
                                                .with("calls", JsonShape.integer("how many")))))
                .example("jvfio check host.rec", "compare a real host with the emulated one");
    }

    @Override
    int run(Invocation in) throws Failure {
        Recording recording = Records.read(Path.of(in.arguments().getFirst()));
        long patience = in.number("patience", DEFAULT_SECONDS, 0, 3600);
        EmulatedMachine machine = in.value("machine").isPresent()
                ? HostChoice.named(in.value("machine").get(), List.of())
                : RecordedMachine.of(recording.facts());
        RecordCheck.Result result;
        try {
            result = RecordCheck.run(recording, EmulatedKernel.boot(machine), Duration.ofSeconds(patience));
        } catch (RecordException e) {
            throw Failure.failed("cannot check the record: " + e.getMessage());
        } catch (OutOfMemoryError tooLarge) {
            throw Failure.failed("cannot check the record: its calls need more memory than Java has");
        }
        if (in.json()) {
            in.out().println(Json.text(json(result)));
        } else {
            result.differences().forEach(in.out()::println);
            result.notCompared()
                    .forEach((reason, count) -> in.out().println("not compared: %s: %d".formatted(reason, count)));
            in.out()
                    .println("%s made, %s"
                            .formatted(
                                    Words.count(result.calls(), "call"),
                                    result.differences().isEmpty()
                                            ? "all answers are the same"
                                            : Words.count(result.differences().size(), "answer") + " differ"
                                                    + (result.differences().size() == 1 ? "s" : "")));
        }
        return result.differences().isEmpty() ? 0 : Failure.FAILED;
    }

    private static Map<String, Object> json(RecordCheck.Result result) {
        List<Map<String, Object>> differences = new ArrayList<>();
        for (Difference each : result.differences()) {
            differences.add(Json.object(
                    "call",
                    each.number(),
                    "thread",
                    each.thread(),
                    "recorded",
                    each.recorded(),
                    "emulated",
                    each.actual()));
        }
        List<Map<String, Object>> notCompared = new ArrayList<>();
        result.notCompared().forEach((reason, count) -> notCompared.add(Json.object("reason", reason, "calls", count)));
        return Json.object("calls", result.calls(), "differences", differences, "notCompared", notCompared);
    }
}
