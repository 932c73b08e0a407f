package org.jvfio.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.device.DeviceModel;

class MainTest {
    private record Ended(int status, String out, String err) {}

    private static Ended run(String... arguments) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        int status = Main.run(
                List.of(arguments),
                new StandardOutput(out, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8));
        return new Ended(status, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    @ParameterizedTest
    @ValueSource(strings = {"--help", "-h", "--version", "-V", "demo --help", "demo -h", "demo", "demo --json"})
    void run_validLine_status0(String line) {
        Ended ended = run(line.split(" "));
        assertEquals(0, ended.status(), ended.err());
        assertEquals("", ended.err());
        assertTrue(!ended.out().isBlank());
    }

    @ParameterizedTest
    @ValueSource(strings = {"--help", "--version", "demo --help", "demo", "demo --json", "nvme identify", "nvme read"})
    void run_outputFull_status1(String line) {
        FullOutput full = new FullOutput();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        int status = Main.run(
                List.of(line.split(" ")),
                new StandardOutput(full, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8));
        assertEquals(
                "jvfio: cannot write to standard output: No space left on device" + System.lineSeparator(),
                err.toString(StandardCharsets.UTF_8));
        assertEquals(1, status);
    }

    @Test
    void nvmeRead_readerClosed_stopsReading() {
        FullOutput full = new FullOutput();
        int status = Main.run(
                List.of("nvme", "read"),
                new StandardOutput(full, StandardCharsets.UTF_8),
                new PrintStream(OutputStream.nullOutputStream(), true, StandardCharsets.UTF_8));
        assertEquals(1, status);
        assertEquals(1, full.writes);
    }

    /** What takes nothing. */
    private static final class FullOutput extends OutputStream {
        private int writes;

        @Override
        public void write(int value) throws IOException {
            writes++;
            throw new IOException("No space left on device");
        }

        @Override
        public void write(byte[] bytes, int offset, int count) throws IOException {
            write(count);
        }
    }

    @Test
    void run_readerClosed_noError() {
        for (String line : List.of("--help", "demo", "nvme read", "nvme identify --json")) {
            ByteArrayOutputStream err = new ByteArrayOutputStream();
            int status = Main.run(
                    List.of(line.split(" ")),
                    new StandardOutput(new FullOutput(), StandardCharsets.UTF_8, true),
                    new PrintStream(err, true, StandardCharsets.UTF_8));
            assertEquals(0, status, line);
            assertEquals("", err.toString(StandardCharsets.UTF_8), line);
        }
    }

    @Test
    void help_ofACommand_usageFirst() {
        assertTrue(run("demo", "--help").out().startsWith("usage: jvfio demo [OPTION]...\n"));
        assertEquals(run("demo", "--help"), run("help", "demo"));
        assertEquals(run("--help"), run("help"));
        assertEquals(run("nvme", "--help"), run("help", "nvme"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "dmeo | there is no command 'dmeo'; did you mean demo? (see jvfio --help)",
                "nope | there is no command 'nope' (see jvfio --help)",
                "xyz | there is no command 'xyz' (see jvfio --help)",
                "--halp | there is no option '--halp'; did you mean --help? (see jvfio --help)",
                "demo --jsn | demo has no option '--jsn'; did you mean --json? (see jvfio demo --help)",
                "demo -x | demo has no option '-x' (see jvfio demo --help)",
                "demo --js | demo has no option '--js'; did you mean --json? (see jvfio demo --help)",
                "demo 0000:01:00.0 | demo takes no argument '0000:01:00.0' (see jvfio demo --help)",
                "demo --device | demo: --device needs a value: --device ADDRESS (see jvfio demo --help)",
                "demo --device 01:00.0 | --device: '01:00.0' is not a PCI address such as 0000:01:00.0; its domain is missing: 0000:01:00.0?",
                "help dmeo | there is no command 'dmeo'; did you mean demo? (see jvfio --help)",
                "help demo x | demo has no command 'x' (see jvfio help demo)",
                "help --schema | help --schema: name a command (see jvfio help --help)",
                "completion | completion needs SHELL, bash or zsh (see jvfio completion --help)",
                "completion zhs | completion: there is no script for 'zhs', only for bash and zsh; did you mean zsh?",
                "demo --linux 6 | --linux 6: use the version of a release from 4.1 on, such as 6.12",
                "demo --linux 3.18 | --linux 3.18: use the version of a release from 4.1 on, such as 6.12",
                "demo --kernel linux --linux 6.12 | --linux is for an emulated host; leave it out, or --kernel linux",
                "demo --machine powr9 | there is no machine 'powr9', neither a preset nor a file; presets are PRESETS; did you mean power9?",
                "demo --group -1 | --group: '-1' is not the number of an IOMMU group, such as 0",
                "demo --group x | --group: 'x' is not the number of an IOMMU group, such as 0",
                "demo --kernel linx | --kernel linx: use emulated or linux; did you mean linux?",
                "demo --device-models a.jar | --device-models needs --machine, whose file names a model of them for a device",
                "demo --machine m.json --device-models a.jar: | --device-models 'a.jar:': a path in it is empty",
            })
    void run_invalidLine_oneLineAndStatus2(String line, String answer) {
        String presets = Words.all(EmulatedMachine.presets());
        assertEquals(
                new Ended(2, "", "jvfio: " + answer.replace("PRESETS", presets) + System.lineSeparator()),
                run(line.split(" ")));
    }

    @Test
    void run_unusableDeviceModel_oneLine(@TempDir Path plugins) throws IOException {
        Path services = Files.createDirectories(plugins.resolve("META-INF/services"));
        Files.writeString(services.resolve(DeviceModel.class.getName()), "org.example.Gone\n");
        Thread thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        try (URLClassLoader loader =
                new URLClassLoader(new URL[] {plugins.toUri().toURL()}, before)) {
            thread.setContextClassLoader(loader);
            Path machine = Files.writeString(plugins.resolve("machine.json"), "{\"like\": \"power8\"}");
            Ended ended = run("demo", "--machine", machine.toString());
            assertEquals(1, ended.status());
            assertEquals(
                    "jvfio: cannot make the emulated machine: an installed device model cannot be loaded:"
                            + " org.jvfio.emulator.device.DeviceModel: Provider org.example.Gone not found"
                            + System.lineSeparator(),
                    ended.err());
        } finally {
            thread.setContextClassLoader(before);
        }
    }

    @Test
    void demo_deviceAndGroup_status2() {
        Ended ended = run("demo", "--device", "0000:01:00.0", "--group", "0");
        assertEquals(2, ended.status());
        assertEquals(1, ended.err().lines().count(), ended.err());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "demo --device 0009:01:00.0 | cannot use 0009:01:00.0: there is no such PCI device; this host has 0000:01:00.0, 0001:01:00.0, 0002:01:00.0",
                "demo --group 77 | cannot use IOMMU group 77: there is no such group; this host has 0, 1, 2",
                "demo --machine m.json --device-models gone.jar | cannot use --device-models: gone.jar does not exist",
                "demo --machine m.json --device-models pom.xml | cannot use --device-models: pom.xml is not a jar: zip END header not found",
            })
    void run_failingLine_oneLineAndStatus1(String line, String answer) {
        assertEquals(new Ended(1, "", "jvfio: " + answer + System.lineSeparator()), run(line.split(" ")));
    }

    @Test
    void run_noCommand_hintAndStatus2() {
        assertEquals(new Ended(2, "", "jvfio: there is no command; see jvfio --help" + System.lineSeparator()), run());
    }

    @Test
    void demo_textOrJson_sameFacts() throws IOException {
        Ended text = run("demo", "--group", "1");
        assertTrue(text.out().contains("0001:01:00.0, edu (1234:11e8)"), text.out());
        Map<String, Object> data = JSON.std.mapFrom(
                run("demo", "--json", "--device", "0001:01:00.0").out());
        assertEquals(List.of("host", "take", "windows", "map", "copy", "fault", "return"), List.copyOf(data.keySet()));
    }
}
