package org.example.driver;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.Kernel;
import org.jvfio.kernel.linux.LinuxKernel;

class CopyTest {
    @Test
    void copy_onTheEmulatedKernel_theTextArrives() {
        assertEquals("Hello, POWER", Copy.copy(EmulatedKernel.boot(EmulatedMachine.power9()), "Hello, POWER"));
    }

    @Test
    void jvfio_isOnTheModulePath() {
        assertEquals(true, Kernel.class.getModule().isNamed());
    }

    @Test
    void jvfio_hasNativeAccess() {
        assertTrue(LinuxKernel.class.getModule().isNativeAccessEnabled());
    }

    @ParameterizedTest
    @ValueSource(strings = {"org.apache.commons.cli.Options", "com.fasterxml.jackson.jr.ob.JSON"})
    void librariesOfTheCommand_areNotThere(String type) {
        assertThrows(ClassNotFoundException.class, () -> Class.forName(type));
        assertThrows(
                ClassNotFoundException.class, () -> Class.forName(type, false, ClassLoader.getSystemClassLoader()));
    }
}
