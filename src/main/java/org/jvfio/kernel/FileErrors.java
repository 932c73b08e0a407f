package org.jvfio.kernel;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Why a file cannot be used, in words for messages. */
public final class FileErrors {
    /** The reason for EISDIR. */
    public static final String DIRECTORY = "it is a directory";

    /** The system's words for EISDIR; Java has no exception for it. */
    private static final String IS_DIRECTORY = "Is a directory";

    private FileErrors() {}

    /** The reason of an exception, without the name of the file and the class of the exception. */
    public static String reason(IOException e) {
        return switch (e) {
            case NoSuchFileException _ -> "there is no such file or directory";
            case AccessDeniedException _ -> "permission denied";
            case FileAlreadyExistsException _ -> "it exists already";
            case NotDirectoryException _ -> "it is not a directory";
            case DirectoryNotEmptyException _ -> "the directory is not empty";
            case FileSystemException system -> words(system.getReason());
            default -> words(e.getMessage());
        };
    }

    private static String words(@Nullable String reason) {
        return IS_DIRECTORY.equals(reason)
                ? DIRECTORY
                : Objects.requireNonNullElse(reason, "the system gives no reason");
    }
}
