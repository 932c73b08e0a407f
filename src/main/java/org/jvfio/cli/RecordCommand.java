package org.jvfio.cli;

import java.nio.file.Path;
import java.time.Duration;
import org.jvfio.ByteSize;
import org.jvfio.observe.Observer;
import org.jvfio.observe.RecordOptions;

/** {@code jvfio record}: runs a command and records its system calls. */
final class RecordCommand extends Command {
    private static final String DEFAULT_FILE = "jvfio.rec";
    private static final long MAX_MINUTES = RecordOptions.ALL.toMinutes();

    RecordCommand() {
        super("record", "run a command and record its system calls in a file");
    }

    @Override
    void describe(CommandSyntax syntax) {
        syntax.command("a command of jvfio, such as demo, with its options", true)
                .option("output", "FILE", "the record (default: " + DEFAULT_FILE + ")")
                .flag(
                        "memory",
                        "record changes of the memory that devices can access, too: needed to replay a program that"
                                + " does DMA")
                .flag("mapped", "let BARs be mapped: accesses of registers are not recorded then")
                .option(
                        "size",
                        "BYTES",
                        "overwrite the oldest calls when the record has this size, 4M to 1G (default: 64M)")
                .option("minutes", "NUMBER", "overwrite calls older than this (default: all that fit are kept)")
                .about("The record has the facts of the host, each call, and the files of sysfs and procfs that were"
                        + " read. It is complete up to the last call even if the process is killed. BARs are not mapped"
                        + " while it is made, so that accesses of registers are system calls. Memory is compared at"
                        + " each call; what changes twice between two calls is recorded once.")
                .status(Failure.FAILED, "not done, or the command failed")
                .example("jvfio record --memory demo --kernel linux", "record the demo on this host");
    }

    @Override
    int run(Invocation in) throws Failure {
        Path file = Path.of(in.value("output").orElse(DEFAULT_FILE));
        long size = in.bytes("size", RecordOptions.DEFAULT_BYTES);
        if (size < RecordOptions.MIN_BYTES || size > RecordOptions.MAX_BYTES) {
            throw Failure.usage("--size %s: use %s to %s"
                    .formatted(
                            ByteSize.format(size),
                            ByteSize.format(RecordOptions.MIN_BYTES),
                            ByteSize.format(RecordOptions.MAX_BYTES)));
        }
        Duration keep = Duration.ofMinutes(in.number("minutes", MAX_MINUTES, 1, MAX_MINUTES));
        RecordOptions options = new RecordOptions(file, size, keep, in.has("memory"), !in.has("mapped"));
        return ObservedCommand.run(
                in, in.arguments(), Observer.record(options, String.join(" ", in.arguments())), "the record " + file);
    }
}
