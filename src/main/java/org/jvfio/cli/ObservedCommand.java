package org.jvfio.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import org.jvfio.kernel.FileErrors;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.Observer;

/** Runs a command whose kernel is observed. */
final class ObservedCommand {
    private ObservedCommand() {}

    /**
     * Runs the command and ends the trace.
     *
     * @param what the trace, as it follows "cannot write"
     * @return the exit status of the command
     * @throws Failure if the trace cannot be written
     */
    static int run(Invocation in, List<String> command, Observer observer, String what) throws Failure {
        int status = run(in, command, host -> observe(observer, host.open(), what));
        try {
            observer.close();
        } catch (IOException e) {
            throw Failure.failed("cannot write %s: %s".formatted(what, FileErrors.reason(e)));
        }
        return status;
    }

    /** Runs a command with a kernel from somewhere else. */
    static int run(Invocation in, List<String> command, HostChoice.KernelSource source) {
        return ScopedValue.where(HostChoice.SOURCE, source)
                .call(() -> Main.run(command, in.out(), in.err(), in.terminal(), in.boot()));
    }

    private static Kernel observe(Observer observer, Kernel kernel, String what) throws Failure {
        try {
            return observer.observe(kernel);
        } catch (UncheckedIOException e) {
            IOException cause = e.getCause();
            throw Failure.failed(
                    "cannot write %s: %s".formatted(what, cause == null ? e.getMessage() : FileErrors.reason(cause)));
        } catch (IllegalStateException e) {
            throw Failure.failed(String.valueOf(e.getMessage()));
        }
    }
}
