package org.jvfio.observe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_h;

class KilledRecordTest {
    /** Makes calls, and reports how many after each, until it is killed. */
    static final class Victim {
        private Victim() {}

        public static void main(String[] arguments) throws IOException {
            try (Observer observer = Observer.record(RecordOptions.of(Path.of(arguments[0])), "a test")) {
                Kernel kernel = observer.observe(EduSession.boot());
                for (long calls = 1; ; calls++) {
                    kernel.sysconf(vfio_h._SC_PAGESIZE);
                    System.out.println(calls);
                }
            }
        }
    }

    @Test
    void record_ofAKilledProcess_hasEveryCallThatHadReturned(@TempDir Path directory)
            throws IOException, InterruptedException {
        Path file = directory.resolve("x.rec");
        String modules = System.getProperty("jdk.module.path");
        Process process = new ProcessBuilder(List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        modules == null
                                ? System.getProperty("java.class.path")
                                : modules + File.pathSeparator + System.getProperty("java.class.path"),
                        Victim.class.getName(),
                        file.toString()))
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        long reported = 0;
        try (BufferedReader out = process.inputReader(StandardCharsets.US_ASCII)) {
            while (reported < 20_000) {
                reported = Long.parseLong(out.readLine());
            }
            process.destroyForcibly();
            process.waitFor();
        }
        Recording recording = Recording.read(file);
        assertFalse(recording.hasEnded());
        assertTrue(recording.isWhole());
        assertTrue(recording.calls() >= reported, recording.calls() + " of " + reported + " calls");
        assertEquals("sysconf(_SC_PAGESIZE) = 65536", CallPrinter.withResult(first(recording)));
    }

    private static RecordedCall first(Recording recording) {
        return ((Recording.Begin) recording.events().getFirst()).call();
    }
}
