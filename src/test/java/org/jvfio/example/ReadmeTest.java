package org.jvfio.example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.jvfio.PciAddress;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;

class ReadmeTest {
    @Test
    void copyDriver_emulatedPower8_copies() {
        EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.power8());
        assertEquals("Hello, POWER", CopyDriver.copy(kernel, PciAddress.parse("0000:01:00.0"), "Hello, POWER"));
        assertEquals(0, kernel.openDescriptors());
        assertEquals(0, kernel.lockedBytes());
        assertTrue(kernel.host().group(0).ownedByHost());
    }

    @Test
    void readme_driver_sameAsSource() throws IOException {
        String source = Files.readString(Path.of("src/test/java/org/jvfio/example/CopyDriver.java"));
        String driver = source.substring(source.indexOf("import "));
        assertTrue(Files.readString(Path.of("README.md")).contains("```java\n" + driver + "```\n"));
    }
}
