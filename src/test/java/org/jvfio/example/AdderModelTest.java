package org.jvfio.example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.lang.reflect.Constructor;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.jvfio.Device;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.InterruptType;
import org.jvfio.Interrupts;
import org.jvfio.PciAddress;
import org.jvfio.Region;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;

/** A machine file names an {@link Adder}, in a program that has it and the project on its class path. */
class AdderModelTest {
    private static final String ADDRESS = "0003:01:00.0";
    private static final Duration LONG = Duration.ofSeconds(60);

    @TempDir
    private Path directory = Path.of("");

    private Path machine(String device) throws IOException {
        return Files.writeString(
                directory.resolve("machine.json"),
                "{\"like\": \"power9\", \"devices\": [{\"address\": \"%s\", \"group\": 7, %s}]}"
                        .formatted(ADDRESS, device));
    }

    /** A program that lets the adder of a machine file add ten bytes of 20. */
    static final class Addition implements Callable<Long> {
        private final Path machine;

        Addition(Path machine) {
            this.machine = machine;
        }

        @Override
        public Long call() throws IOException, InterruptedException {
            EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.read(machine));
            try (Device device = Device.open(kernel, PciAddress.parse(ADDRESS));
                    DmaMemory memory = device.container().allocate(65536);
                    Interrupts interrupts = device.enableInterrupts(InterruptType.MSIX, 2)) {
                memory.segment().asSlice(0, 10).fill((byte) 20);
                DmaMapping mapping = device.container().defaultWindow().map(memory, DmaDirection.TO_DEVICE);
                device.enableBusMastering();
                Region registers = device.bar(0).withOrder(ByteOrder.LITTLE_ENDIAN);
                registers.writeLong(Adder.ADDRESS, mapping.iova());
                registers.writeLong(Adder.COUNT, 10);
                return interrupts.await(Adder.DONE, LONG) ? registers.readLong(Adder.SUM) : -1;
            }
        }
    }

    /** Runs it where no class is in a module, whatever runs this test. */
    private static Object addOnTheClassPath(Path machine) throws Exception {
        List<URL> classPath = new ArrayList<>();
        for (String property : List.of("java.class.path", "jdk.module.path")) {
            for (String entry : System.getProperty(property, "").split(File.pathSeparator, -1)) {
                classPath.add(Path.of(entry).toUri().toURL());
            }
        }
        Thread thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        // A parent, even the platform's, would give it the classes of the module.
        try (URLClassLoader loader = new URLClassLoader(classPath.toArray(URL[]::new), null)) {
            thread.setContextClassLoader(loader);
            Constructor<?> addition = loader.loadClass(Addition.class.getName()).getDeclaredConstructor(Path.class);
            addition.setAccessible(true);
            return ((Callable<?>) addition.newInstance(machine)).call();
        } finally {
            thread.setContextClassLoader(before);
        }
    }

    @Test
    void machineFile_modelOfUser_deviceWorks() throws Exception {
        assertEquals(200L, addOnTheClassPath(machine("\"model\": \"adder\", \"latencyMicros\": 5")));
    }

    @Test
    void machineFile_unknownModel_listsTheModels() throws IOException {
        Path machine = machine("\"model\": \"subtractor\"");
        assertRefused("'subtractor'; there are 'adder', 'edu' and 'nvme'", machine);
    }

    @Test
    void machineFile_unknownOption_listsTheOptions() throws IOException {
        Path machine = machine("\"model\": \"adder\", \"registers\": \"big\"");
        assertRefused(
                "has 'registers' in a device of model 'adder'; the options are [address, bars, config, driver,"
                        + " extendedConfig, group, hostUse, latencyMicros, model, rom, silentMicros, vpd, windowsFailed]",
                machine);
    }

    private static void assertRefused(String message, Path machine) {
        IllegalArgumentException refused =
                assertThrows(IllegalArgumentException.class, () -> addOnTheClassPath(machine));
        String said = Objects.requireNonNull(refused.getMessage());
        assertTrue(said.contains(message), said);
    }
}
