package org.jvfio.observe.fault;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jvfio.fixture.FuzzFile;

/** Any bytes as a plan of faults: a plan, or one line that names the file. */
public final class FaultFileFuzz {
    private static final Path FILE = FuzzFile.named("plan.json");

    private FaultFileFuzz() {}

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
