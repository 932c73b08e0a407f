package org.jvfio.cli;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.util.Objects;

/** Why a file cannot be used, in words. */
final class FileErrors {
    /** EISDIR; Java has no exception for it. */
    private static final String IS_DIRECTORY = "Is a directory";

    private FileErrors() {}

    static String reason(IOException e) {
        return switch (e) {
            case NoSuchFileException _ -> "there is no such file or directory";
            case AccessDeniedException _ -> "permission denied";
            case FileAlreadyExistsException _ -> "it exists already";
            case NotDirectoryException _ -> "it is not a directory";
            case DirectoryNotEmptyException _ -> "the directory is not empty";
            case IOException directory when IS_DIRECTORY.equals(directory.getMessage()) -> "it is a directory";
            case FileSystemException system ->
                Objects.requireNonNullElse(system.getReason(), "the system gives no reason");
            default -> Objects.requireNonNullElse(e.getMessage(), "the system gives no reason");
        };
    }
}
