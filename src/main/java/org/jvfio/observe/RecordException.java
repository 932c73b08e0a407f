package org.jvfio.observe;

import java.io.IOException;

/** A file is not a record, or is damaged. The message is one sentence with the file and the reason. */
public final class RecordException extends IOException {
    private static final long serialVersionUID = 1;

    RecordException(String message) {
        super(message);
    }
}
