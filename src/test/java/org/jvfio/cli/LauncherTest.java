package org.jvfio.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.jr.ob.JSON;
import java.io.File;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.commons.cli.Options;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.jvfio.emulator.ModelJar;

/** The command in a JVM of its own, with and without the libraries that are optional for the module. */
class LauncherTest {
    private static final String LAUNCHER = "org.jvfio.cli.Launcher";
    private static final List<String> ADD_MODULES =
            List.of("--add-modules", "org.apache.commons.cli,com.fasterxml.jackson.jr.ob");

    @TempDir
    private Path directory = Path.of("");

    @BeforeEach
    void jvfioIsAModule() {
        assumeTrue(Launcher.class.getModule().isNamed(), "run by Maven");
    }

    private record Ended(int status, String out, String err) {}

    private Ended java(List<String> options, String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                ProcessHandle.current().info().command().orElseThrow(),
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "--illegal-native-access=deny"));
        command.addAll(options);
        command.addAll(List.of(arguments));
        Path out = directory.resolve("out");
        Path err = directory.resolve("err");
        ProcessBuilder builder =
                new ProcessBuilder(command).redirectOutput(out.toFile()).redirectError(err.toFile());
        builder.environment().remove("JDK_JAVA_OPTIONS");
        builder.environment().remove("JAVA_TOOL_OPTIONS");
        Process process = builder.start();
        process.getOutputStream().close();
        return new Ended(process.waitFor(), Files.readString(out), Files.readString(err));
    }

    private static String path(Class<?>... inJars) {
        return Stream.concat(
                        Stream.of(ModelJar.projectClasses()), Stream.of(inJars).map(LauncherTest::jarOf))
                .map(Path::toString)
                .collect(Collectors.joining(File.pathSeparator));
    }

    private static Path jarOf(Class<?> type) {
        try {
            return Path.of(
                    type.getProtectionDomain().getCodeSource().getLocation().toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    private static String everything() {
        return path(Options.class, JSON.class, JsonFactory.class);
    }

    private static List<String> onModulePath(String path, String... more) {
        return Stream.of(List.of("--module-path", path), List.of(more), List.of("--module", "org.jvfio/" + LAUNCHER))
                .flatMap(List::stream)
                .toList();
    }

    private Path machine(String model) throws IOException {
        return Files.writeString(directory.resolve("machine.json"), """
                {"like": "power8", "devices": [
                  {"address": "0000:01:00.0", "group": 0, "model": "%s"},
                  {"address": "0001:01:00.0", "group": 1, "model": "edu"}]}
                """.formatted(model));
    }

    @Test
    void main_librariesOnTheModulePathButNotResolved_saysWhichModulesToAdd() throws IOException, InterruptedException {
        assertEquals(
                new Ended(
                        1,
                        "",
                        "jvfio: the command needs commons-cli, jackson-jr-objects, jackson-core: put the jars on the"
                                + " module path and pass --add-modules org.apache.commons.cli,"
                                + "com.fasterxml.jackson.jr.ob,com.fasterxml.jackson.core"
                                + System.lineSeparator()),
                java(onModulePath(everything()), "--version"));
    }

    @Test
    void main_onlyCommonsCliOnTheClassPath_namesTheOthers() throws IOException, InterruptedException {
        assertEquals(
                new Ended(
                        1,
                        "",
                        "jvfio: the command needs jackson-jr-objects, jackson-core: put the jars on the class path"
                                + System.lineSeparator()),
                java(List.of("-cp", path(Options.class), LAUNCHER), "--version"));
    }

    @Test
    void main_librariesAvailable_runsOnBothPaths() throws IOException, InterruptedException {
        Ended onModulePath = java(onModulePath(everything(), ADD_MODULES.toArray(String[]::new)), "demo", "--json");
        assertEquals("", onModulePath.err());
        assertTrue(onModulePath.out().startsWith("{"), onModulePath.out());
        Ended onClassPath = java(List.of("-cp", everything(), LAUNCHER), "--help");
        assertEquals("", onClassPath.err());
        assertTrue(onClassPath.out().contains("usage: jvfio"), onClassPath.out());
    }

    /** A user's program, which boots a machine and reads one from a file, with nothing but JVFIO on the path. */
    @Test
    void library_withoutJackson_worksButForMachineFiles() throws IOException, InterruptedException {
        Path jar = new ModelJar()
                .file("module-info.java", "module org.example.user { requires org.jvfio; }")
                .file("org/example/user/User.java", """
                        package org.example.user;

                        import org.jvfio.emulator.EmulatedKernel;
                        import org.jvfio.emulator.EmulatedMachine;

                        public final class User {
                            public static void main(String[] arguments) throws Exception {
                                System.out.println(EmulatedKernel.boot(EmulatedMachine.power8()).host().groups());
                                try {
                                    EmulatedMachine.read(java.nio.file.Path.of(arguments[0]));
                                } catch (IllegalStateException e) {
                                    System.out.println(e.getMessage());
                                }
                            }
                        }
                        """)
                .write(directory.resolve("user.jar"));
        String machine = machine("edu").toString();
        String needs =
                "[0, 1, 2]%nreading a machine file needs com.fasterxml.jackson.jr:jackson-jr-objects: put it on the ";
        assertEquals(
                new Ended(
                        0,
                        (needs
                                        + "module path, and let a module require com.fasterxml.jackson.jr.ob or pass --add-modules"
                                        + " com.fasterxml.jackson.jr.ob%n")
                                .formatted(),
                        ""),
                java(
                        List.of(
                                "-p",
                                path() + File.pathSeparator + jar,
                                "-m",
                                "org.example.user/org.example.user.User"),
                        machine));
        assertEquals(
                new Ended(0, (needs + "class path%n").formatted(), ""),
                java(List.of("-cp", path() + File.pathSeparator + jar, "org.example.user.User"), machine));
    }

    @Test
    void deviceModels_jarOnNeitherPath_demoRunsOnItsDevice() throws IOException, InterruptedException {
        Path modular = new ModelJar().model("one", "first").module("one").write(directory.resolve("one.jar"));
        Path plain = new ModelJar().model("two", "second").service("two").write(directory.resolve("two.jar"));
        String path = modular + File.pathSeparator + plain;
        Ended onModulePath = java(
                onModulePath(everything(), ADD_MODULES.toArray(String[]::new)),
                "demo",
                "--json",
                "--machine",
                machine("first").toString(),
                "--device-models",
                path);
        assertEquals("", onModulePath.err());
        assertEquals(0, onModulePath.status());
        Ended onClassPath = java(
                List.of("-cp", everything(), LAUNCHER),
                "demo",
                "--json",
                "--machine",
                machine("second").toString(),
                "--device-models",
                plain.toString());
        assertEquals("", onClassPath.err());
        assertEquals(0, onClassPath.status());
        assertEquals(
                new Ended(
                        1,
                        "",
                        "jvfio: cannot use --device-models: " + modular + " adds no device model: on the class path, a"
                                + " jar names the class in META-INF/services/"
                                + "org.jvfio.emulator.device.DeviceModel" + System.lineSeparator()),
                java(
                        List.of("-cp", everything(), LAUNCHER),
                        "demo",
                        "--machine",
                        machine("second").toString(),
                        "--device-models",
                        path));
    }
}
