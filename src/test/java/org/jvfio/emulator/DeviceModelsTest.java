package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.jvfio.emulator.device.DeviceModel;
import org.jvfio.emulator.device.MachineOptions;
import org.jvfio.emulator.edu.EduModel;
import org.jvfio.emulator.edu.EmulatedEdu;
import org.jvfio.emulator.nvme.NvmeModel;

/** The models of devices that a machine file can name. */
class DeviceModelsTest {
    /** An edu device as somebody else has made it. */
    private static final class OtherEdu implements DeviceModel {
        @Override
        public String name() {
            return "edu";
        }

        @Override
        public Set<String> options() {
            return Set.of();
        }

        @Override
        public Supplier<EmulatedEdu> configure(MachineOptions options) {
            return new EduModel().configure(options);
        }
    }

    @Test
    void find_twoModelsOfOneName_illegalState() {
        DeviceModels models = new DeviceModels(List.of(new EduModel(), new NvmeModel(), new OtherEdu()));
        IllegalStateException two = assertThrows(IllegalStateException.class, () -> models.find("edu"));
        assertEquals(
                "2 device models have the name 'edu', of the classes org.jvfio.emulator.DeviceModelsTest$OtherEdu and"
                        + " org.jvfio.emulator.edu.EduModel; keep one of them",
                two.getMessage());
        assertTrue(models.find("nvme").isPresent());
        assertEquals("'edu' and 'nvme'", models.names());
    }

    @Test
    void find_noModels_empty() {
        DeviceModels none = new DeviceModels(List.of());
        assertEquals(Optional.empty(), none.find("edu"));
        assertEquals("none", none.names());
        IllegalStateException missing = assertThrows(IllegalStateException.class, () -> DeviceModels.own("ide"));
        assertTrue(
                Objects.requireNonNull(missing.getMessage()).contains("'ide' is missing, the installed models are '"));
        assertEquals("'nvme'", new DeviceModels(List.of(new NvmeModel())).names());
    }

    @Test
    void load_unusableModel_named(@TempDir Path directory) throws IOException {
        Path services = Files.createDirectories(directory.resolve("META-INF/services"));
        Files.writeString(services.resolve(DeviceModel.class.getName()), "org.example.Gone\n");
        try (URLClassLoader plugins = new URLClassLoader(
                new URL[] {directory.toUri().toURL()}, getClass().getClassLoader())) {
            withContext(plugins, () -> {
                IllegalStateException unusable = assertThrows(IllegalStateException.class, DeviceModels::installed);
                String message = Objects.requireNonNull(unusable.getMessage());
                assertTrue(message.contains("an installed device model cannot be loaded"), message);
                assertTrue(message.contains("org.example.Gone"), message);
            });
        }
    }

    @Test
    void find_otherContextClassLoader_projectsModels() {
        withContext(
                ClassLoader.getPlatformClassLoader(),
                () -> assertEquals(
                        List.of(0, 1, 2),
                        EmulatedKernel.boot(EmulatedMachine.power8()).host().groups()));
    }

    private static void withContext(ClassLoader loader, Runnable step) {
        Thread thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        thread.setContextClassLoader(loader);
        try {
            step.run();
        } finally {
            thread.setContextClassLoader(before);
        }
    }
}
