package org.jvfio.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

class FileErrorsTest {
    @TempDir
    private Path directory = Path.of("");

    private static String reason(Executable use) {
        return FileErrors.reason(assertThrows(IOException.class, use));
    }

    @Test
    void reason_directory_saysSoForReadingAndWriting() {
        assertEquals(FileErrors.DIRECTORY, reason(() -> Files.readString(directory)));
        assertEquals(FileErrors.DIRECTORY, reason(() -> Files.writeString(directory, "")));
    }

    @Test
    void reason_unusableFile_wordsWithoutPathAndClass() throws IOException {
        Path file = Files.createFile(directory.resolve("file"));
        assertEquals("there is no such file or directory", reason(() -> Files.readString(directory.resolve("none"))));
        assertEquals("it exists already", reason(() -> Files.createFile(file)));
        assertEquals("the directory is not empty", reason(() -> Files.delete(directory)));
        assertEquals("permission denied", FileErrors.reason(new AccessDeniedException("file")));
        assertEquals("Not a tty", FileErrors.reason(new FileSystemException("file", null, "Not a tty")));
        assertEquals("the system gives no reason", FileErrors.reason(new FileSystemException("file")));
        assertEquals("the system gives no reason", FileErrors.reason(new IOException()));
    }
}
