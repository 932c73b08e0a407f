package org.jvfio.example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.jvfio.PciAddress;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.observe.sanitize.Sanitizer;

class ReadmeTest {
    @Test
    void copyDriver_emulatedPower8_copies() {
        Sanitizer sanitizer = Sanitizer.boot(EmulatedMachine.power8());
        assertEquals(
                "Hello, POWER", CopyDriver.copy(sanitizer.kernel(), PciAddress.parse("0000:01:00.0"), "Hello, POWER"));
        sanitizer.requireClean();
        assertTrue(sanitizer.host().group(0).ownedByHost());
    }

    @Test
    void readme_driver_sameAsSource() throws IOException {
        String source = Files.readString(Path.of("src/test/java/org/jvfio/example/CopyDriver.java"));
        String driver = source.substring(source.indexOf("import "));
        assertTrue(Files.readString(Path.of("README.md")).contains("```java\n" + driver + "```\n"));
    }
}
