package org.jvfio.observe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.jvfio.kernel.Kernel;

class TracePropertyTest {
    @TempDir
    private Path directory;

    @Test
    void observe_withoutAProperty_kernelAsItIs() {
        Kernel kernel = EduSession.boot();
        assertSame(kernel, TraceProperty.observe(kernel));
        assertEquals(Optional.empty(), TraceProperty.of(_ -> null));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "''    |      |       |       | -Djvfio.trace has no file; use -Djvfio.trace=FILE",
                "x     | html |       |       | -Djvfio.trace.form=html: use text, perfetto, jfr, record",
                "x     |      | yes   |       | -Djvfio.trace.registers=yes: use true or false",
                "x     |      |       | true  | -Djvfio.trace.memory=true needs a record; add -Djvfio.trace.form=record",
                "-     | jfr  | false | false | -Djvfio.trace.form=jfr needs a file; use -Djvfio.trace=FILE"
            })
    void observe_wrongProperties_named(String file, String form, String registers, String memory, String message) {
        Map<String, String> properties = new HashMap<>();
        properties.put(TraceProperty.FILE, file);
        properties.put(TraceProperty.FORM, form);
        properties.put(TraceProperty.REGISTERS, registers);
        properties.put(TraceProperty.MEMORY, memory);
        IllegalArgumentException e =
                assertThrows(IllegalArgumentException.class, () -> TraceProperty.of(properties::get));
        assertEquals(message, e.getMessage());
    }

    @ParameterizedTest
    @CsvSource({"a.json, PERFETTO", "a.jfr, JFR", "a.rec, RECORD", "a.txt, TEXT", "-, TEXT"})
    void form_ofAFileName_isWhatItEndsIn(String file, TraceForm form) {
        assertEquals(form, TraceForm.ofFile(file));
    }

    /** In a JVM of its own, as properties count for all of it. */
    @Test
    void observe_programWithTheProperty_traced() throws IOException, InterruptedException {
        Path file = directory.resolve("x.txt");
        List<String> command = List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Djvfio.trace=" + file,
                "-Djvfio.trace.registers=true",
                "-cp",
                System.getProperty("jdk.module.path") == null
                        ? System.getProperty("java.class.path")
                        : System.getProperty("jdk.module.path")
                                + File.pathSeparator
                                + System.getProperty("java.class.path"),
                TracedProgram.class.getName());
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("out").toFile())
                .start();
        assertTrue(process.waitFor(120, TimeUnit.SECONDS));
        assertEquals(0, process.exitValue(), () -> read(directory.resolve("out")));
        List<String> lines = Files.readAllLines(file);
        assertTrue(lines.getLast().contains("close(3</dev/vfio/vfio>) = 0"), lines.getLast());
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            return e.toString();
        }
    }
}
