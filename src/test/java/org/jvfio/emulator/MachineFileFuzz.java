package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.MalformedInputException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jvfio.fixture.FuzzFile;

/** Any bytes as a machine file: a machine, or an error that names the file. */
public final class MachineFileFuzz {
    private static final Path FILE = FuzzFile.named("machine.json");
    /** Found once: a search of the class path takes most of an execution otherwise. */
    private static final DeviceModels MODELS = DeviceModels.installed();

    private MachineFileFuzz() {}

    /** One input: called by the fuzzer, and for each file of the corpus. */
    public static void fuzzerTestOneInput(byte[] bytes) throws IOException {
        Path file = Files.write(FILE, bytes);
        try {
            EmulatedMachine machine = EmulatedMachine.read(file, MODELS);
            assertTrue(machine.memoryBytes() > 0);
            assertTrue(!MachineDescription.of(machine, MODELS).isEmpty());
        } catch (IllegalArgumentException refused) {
            assertTrue(String.valueOf(refused.getMessage()).contains("machine.json"), refused.getMessage());
        } catch (MalformedInputException notText) {
            assertTrue(notText.getInputLength() > 0);
        }
    }
}
