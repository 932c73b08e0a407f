package org.jvfio.observe;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.jvfio.kernel.Kernel;

/** Records programs on a kernel. */
final class RecordedSession {
    private RecordedSession() {}

    static Recording record(RecordOptions options, Kernel kernel, Consumer<Kernel> program) {
        try {
            try (Observer observer = Observer.record(options, "a test")) {
                program.accept(observer.observe(kernel));
            }
            return Recording.read(options.file());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The edu session with memory. */
    static Recording ofEdu(Path file) throws IOException {
        return EduSession.watched(kernel -> record(RecordOptions.of(file).withMemory(), kernel, EduSession::run));
    }
}
