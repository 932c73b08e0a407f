package org.jvfio.cli;

import java.io.IOException;
import java.nio.file.Path;
import org.jvfio.observe.RecordException;
import org.jvfio.observe.Recording;

/** Record files. */
final class Records {
    private Records() {}

    /** Reads a record. */
    static Recording read(Path file) throws Failure {
        try {
            return Recording.read(file);
        } catch (RecordException e) {
            throw Failure.failed("cannot read the record: " + e.getMessage());
        } catch (IOException e) {
            throw Failure.failed("cannot read the record %s: %s".formatted(file, FileErrors.reason(e)));
        }
    }
}
