package org.jvfio.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.jvfio.observe.Difference;
import org.jvfio.observe.RecordException;
import org.jvfio.observe.Recording;
import org.jvfio.observe.ReplayException;
import org.jvfio.observe.ReplayedKernel;

/** {@code jvfio replay}: runs a command on the host of a record. */
final class ReplayCommand extends Command {
    ReplayCommand() {
        super("replay", "run a command on the host of a record, and show where it differs");
    }

    @Override
    void describe(CommandSyntax syntax) {
        syntax.argument("RECORD", "a file that 'jvfio record' has made, compressed by gzip or not")
                .command("the command (default: the one that was recorded)", false)
                .about("Each call of the command is compared with the record, and answered from it. The first one that"
                        + " differs is shown with both sides, and ends the replay. Devices do in memory what they did"
                        + " then, if the record was made with --memory. Options such as --kernel and --machine have to"
                        + " be those of the record; the host is that of the record all the same.")
                .status(Failure.FAILED, "a call differs, or the command failed")
                .example("jvfio replay host.rec", "run what was recorded on another host, here")
                .example("jvfio replay host.rec demo --kernel linux", "run this command instead");
    }

    @Override
    int run(Invocation in) throws Failure {
        Recording recording = Records.read(Path.of(in.arguments().getFirst()));
        List<String> given = in.arguments().subList(1, in.arguments().size());
        List<String> command = given.isEmpty() ? Records.command(recording) : given;
        ReplayedKernel kernel;
        try {
            kernel = ReplayedKernel.of(recording);
        } catch (RecordException e) {
            throw Failure.failed("cannot replay the record: " + e.getMessage());
        }
        int status = run(in, command, kernel);
        Optional<Difference> difference = kernel.end();
        if (difference.isPresent()) {
            throw Failure.failed("the replay differs from the record. " + difference.get());
        }
        in.err()
                .println("jvfio: the replay does not differ from the %s of the record"
                        .formatted(Words.count(kernel.calls(), "call")));
        return status;
    }

    /** Threads of the command end with the replay: what differs is printed once, not for each of them. */
    private static int run(Invocation in, List<String> command, ReplayedKernel kernel) {
        Thread.UncaughtExceptionHandler former = Thread.getDefaultUncaughtExceptionHandler();
        Thread.setDefaultUncaughtExceptionHandler((thread, exception) -> {
            if (!(exception instanceof ReplayException)) {
                in.err().println("jvfio: thread %s has ended: %s".formatted(thread.getName(), exception));
            }
        });
        try {
            return ObservedCommand.run(in, command, host -> kernel);
        } catch (ReplayException _) {
            // The caller prints the difference.
            return Failure.FAILED;
        } finally {
            Thread.setDefaultUncaughtExceptionHandler(former);
        }
    }
}
