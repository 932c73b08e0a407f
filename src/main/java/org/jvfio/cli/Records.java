package org.jvfio.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.jvfio.kernel.FileErrors;
import org.jvfio.observe.RecordException;
import org.jvfio.observe.Recording;

/** Record files. */
final class Records {
    private Records() {}

    /**
     * The command that was recorded.
     *
     * @throws Failure if it was another program
     */
    static List<String> command(Recording recording) throws Failure {
        List<String> words =
                List.of(recording.facts().value("recorded").orElse("").split(" ", -1));
        if (Commands.find(words).isEmpty()) {
            throw Failure.usage("the record is of no command of jvfio; name the COMMAND that is to be replayed");
        }
        return words;
    }

    /** Reads a record. */
    static Recording read(Path file) throws Failure {
        try {
            return Recording.read(file);
        } catch (RecordException e) {
            throw Failure.failed("cannot read the record: " + e.getMessage());
        } catch (IOException e) {
            throw Failure.failed("cannot read the record %s: %s".formatted(file, FileErrors.reason(e)));
        } catch (OutOfMemoryError tooLarge) {
            throw Failure.failed(("cannot read the record %s: Java has too little memory for it; give it more, with"
                            + " JVFIO_JAVA_OPTIONS=-Xmx4g")
                    .formatted(file));
        }
    }
}
