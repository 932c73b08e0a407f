package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.jvfio.emulator.device.DeviceModel;

/** Device models in jars that are on neither path of the JVM, where JVFIO is a named module. */
class DeviceModelPathTest {
    @TempDir
    private Path directory = Path.of("");

    @BeforeEach
    void jvfioIsANamedModule() {
        assumeTrue(DeviceModel.class.getModule().isNamed(), "run by Maven, which has JVFIO on the module path");
    }

    private static DeviceModels with(Path... path) {
        return DeviceModels.installed().withJars(List.of(path));
    }

    private Path jar(String name) {
        return directory.resolve(name);
    }

    /** What is said of a path, without the directory of this test. */
    private String refused(Path... path) {
        IllegalArgumentException wrong = assertThrows(IllegalArgumentException.class, () -> with(path));
        String message = Objects.requireNonNull(wrong.getMessage());
        assertEquals(1, message.lines().count(), message);
        return message.replace(directory + "/", "");
    }

    @Test
    void withJars_modularAndPlain_bothModelsAreFound() throws IOException {
        DeviceModels models = with(
                new ModelJar().model("one", "first").module("one").write(jar("one.jar")),
                new ModelJar().model("two", "second").service("two").write(jar("two.jar")));
        assertTrue(models.find("first").isPresent());
        assertTrue(models.find("second").isPresent());
        assertTrue(models.find("edu").isPresent());
        assertEquals(
                "org.example.one",
                models.find("first").orElseThrow().getClass().getModule().getName());
    }

    @Test
    void read_machineWithAModelOfAJar_itBoots() throws IOException {
        Path jar = new ModelJar().model("one", "first").module("one").write(jar("one.jar"));
        Path machine = Files.writeString(directory.resolve("machine.json"), """
                {"like": "power8", "devices": [{"address": "0000:01:00.0", "group": 3, "model": "first"}]}
                """);
        EmulatedMachine read = EmulatedMachine.read(machine, with(jar));
        assertEquals(List.of(3), EmulatedKernel.boot(read).host().groups());
    }

    @Test
    void withJars_directory_aModelMayRequireAnotherJarOfIt() throws IOException {
        Path library = new ModelJar()
                .file("module-info.java", "module org.example.library { exports org.example.library; }")
                .file("org/example/library/Table.java", """
                        package org.example.library;

                        public final class Table {
                            private Table() {}

                            public static void look() {}
                        }
                        """)
                .write(jar("library.jar"));
        new ModelJar()
                .against(library)
                .model("one", "first", "org.example.library.Table.look();")
                .module("one", "requires org.example.library;")
                .write(jar("one.jar"));
        assertTrue(with(directory).find("first").isPresent());
    }

    @Test
    void withJars_directoryWithACopyOfJvfio_theRunningOneIsUsed() throws IOException {
        new ModelJar().model("one", "first").module("one").write(jar("one.jar"));
        new ModelJar().file("module-info.java", "module org.jvfio {}").write(jar("jvfio.jar"));
        assertTrue(with(directory).find("first").isPresent());
    }

    @Test
    void withJars_noSuchFile_itIsNamed() {
        assertEquals("gone.jar does not exist", refused(jar("gone.jar")));
    }

    @Test
    void withJars_directoryWithoutJars_itIsNamed() {
        String message = refused(directory);
        assertEquals("the directory " + directory + " has no *.jar", message);
    }

    @Test
    void withJars_textFile_isNotAJar() throws IOException {
        Path text = Files.writeString(jar("text.jar"), "not a zip file");
        assertEquals("text.jar is not a jar: zip END header not found", refused(text));
        assertEquals("text.jar is not a jar: zip END header not found", refused(directory));
    }

    @Test
    void withJars_jarWithoutAModel_saysHowAModelIsAnnounced() throws IOException {
        Path model = new ModelJar().model("one", "first").module("one").write(jar("one.jar"));
        Path none = new ModelJar().file("notes.txt", "nothing").write(jar("none.jar"));
        String message = refused(model, none);
        assertTrue(message.startsWith("none.jar adds no device model: the module-info of a modular jar says"), message);
        assertTrue(message.contains("'provides org.jvfio.emulator.device.DeviceModel with'"), message);
        assertTrue(message.contains("META-INF/services/org.jvfio.emulator.device.DeviceModel"), message);
    }

    @Test
    void withJars_requiredModuleMissing_itIsNamed() throws IOException {
        Path library = new ModelJar()
                .file("module-info.java", "module org.example.library {}")
                .write(Files.createDirectory(directory.resolve("elsewhere")).resolve("library.jar"));
        Path jar = new ModelJar()
                .against(library)
                .model("one", "first")
                .module("one", "requires org.example.library;")
                .write(jar("one.jar"));
        assertEquals(
                "the jars cannot be loaded: Module org.example.library not found, required by org.example.one",
                refused(jar));
    }

    @Test
    void withJars_announcedClassMissing_itIsNamed() throws IOException {
        Path jar = new ModelJar().service("gone").write(jar("one.jar"));
        String message = refused(jar);
        assertTrue(message.startsWith("the jars cannot be loaded: "), message);
        assertTrue(message.contains("org.example.gone"), message);
    }

    @Test
    void withJars_constructorThrows_theReasonIsGiven() throws IOException {
        Path jar = new ModelJar()
                .model("one", "first", "if (true) { throw new IllegalStateException(\"no table\"); }")
                .module("one")
                .write(jar("one.jar"));
        String message = refused(jar);
        assertTrue(message.contains("org.example.one.Model"), message);
        assertTrue(message.endsWith("java.lang.IllegalStateException: no table"), message);
    }

    @Test
    void withJars_nameOfAnInstalledModel_bothClassesAreNamed() throws IOException {
        Path jar = new ModelJar().model("one", "edu").module("one").write(jar("one.jar"));
        assertEquals(
                "two device models have the name 'edu': org.jvfio.emulator.edu.EduModel and org.example.one.Model",
                refused(jar));
    }

    @Test
    void withJars_sameModuleTwice_bothJarsAreNamed() throws IOException {
        Path one = new ModelJar().model("one", "first").module("one").write(jar("one.jar"));
        Path two = new ModelJar().model("one", "second").module("one").write(jar("two.jar"));
        refused(one, two);
    }

    @Test
    void withJars_blankName_theClassIsNamed() throws IOException {
        Path jar = new ModelJar().model("one", " ").service("one").write(jar("one.jar"));
        assertEquals("the device model org.example.one.Model has no name", refused(jar));
    }
}
