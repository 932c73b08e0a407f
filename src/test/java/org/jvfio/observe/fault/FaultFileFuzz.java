package org.jvfio.observe.fault;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Any bytes as a plan of faults: a plan, or one line that names the file. */
public final class FaultFileFuzz {
    private static final Path FILE = file();

    private FaultFileFuzz() {}

    private static Path file() {
        try {
            Path directory = Files.createTempDirectory("jvfio-fuzz");
            directory.toFile().deleteOnExit();
            Path file = directory.resolve("plan.json");
            file.toFile().deleteOnExit();
            return file;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** One input: called by the fuzzer, and for each file of the corpus. */
    public static void fuzzerTestOneInput(byte[] bytes) throws IOException {
        Path file = Files.write(FILE, bytes);
        Faults plan;
        try {
            plan = Faults.read(file);
        } catch (IllegalArgumentException refused) {
            String message = String.valueOf(refused.getMessage());
            assertTrue(message.startsWith(file.toString()), message);
            assertFalse(message.contains("\n"), message);
            return;
        }
        Files.writeString(file, plan.toString());
        assertEquals(plan, Faults.read(file));
    }
}
