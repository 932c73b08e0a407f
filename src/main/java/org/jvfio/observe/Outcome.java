package org.jvfio.observe;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** How a call ended. */
enum Outcome {
    RETURNED(0),
    /** It threw an unchecked exception, whose text is kept. */
    THREW(1),
    NO_SUCH_FILE(2),
    ACCESS_DENIED(3),
    NOT_A_DIRECTORY(4),
    /** Another {@link FileSystemException}, whose reason is kept. */
    FILE_SYSTEM_ERROR(5),
    /** Another {@link IOException}, whose message is kept. */
    IO_ERROR(6);

    private static final Map<Integer, Outcome> BY_NUMBER =
            Arrays.stream(values()).collect(Collectors.toMap(Outcome::number, outcome -> outcome));

    private final int number;

    Outcome(int number) {
        this.number = number;
    }

    /** What stands for it in a record. */
    int number() {
        return number;
    }

    /** The outcome of a number in a record; null if there is none. */
    static @Nullable Outcome of(int number) {
        return BY_NUMBER.get(number);
    }

    static Outcome of(IOException exception) {
        return switch (exception) {
            case NoSuchFileException _ -> NO_SUCH_FILE;
            case AccessDeniedException _ -> ACCESS_DENIED;
            case NotDirectoryException _ -> NOT_A_DIRECTORY;
            case FileSystemException _ -> FILE_SYSTEM_ERROR;
            default -> IO_ERROR;
        };
    }

    /** What is kept of an exception besides its kind. */
    static String text(IOException exception) {
        String text = exception instanceof FileSystemException inFile ? inFile.getReason() : exception.getMessage();
        return text == null ? "" : text;
    }

    /** The exception of a file's call that did not return. */
    IOException exception(String path, String text) {
        return switch (this) {
            case NO_SUCH_FILE -> new NoSuchFileException(path);
            case ACCESS_DENIED -> new AccessDeniedException(path);
            case NOT_A_DIRECTORY -> new NotDirectoryException(path);
            case FILE_SYSTEM_ERROR -> new FileSystemException(path, null, text);
            default -> new IOException(text);
        };
    }
}
