package org.jvfio.observe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_h;

/** Records of processes that are killed. */
class KilledRecordTest {
    @TempDir
    private Path directory = Path.of("");

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

    /** Makes calls in several threads as fast as it can, in the smallest ring, until it is killed. */
    static final class BusyVictim {
        private static final int THREADS = 3;
        private static final int BEFORE = 50_000;

        private BusyVictim() {}

        public static void main(String[] arguments) throws IOException, InterruptedException {
            RecordOptions options =
                    new RecordOptions(Path.of(arguments[0]), RecordOptions.MIN_BYTES, RecordOptions.ALL, false, true);
            try (Observer observer = Observer.record(options, "a test")) {
                Kernel kernel = observer.observe(EduSession.boot());
                CountDownLatch full = new CountDownLatch(THREADS);
                List<Thread> threads = new ArrayList<>();
                for (int each = 0; each < THREADS; each++) {
                    threads.add(Thread.ofPlatform().start(() -> {
                        makeCalls(kernel, BEFORE);
                        full.countDown();
                        makeCalls(kernel, Long.MAX_VALUE);
                    }));
                }
                full.await();
                System.out.println("ready");
                for (Thread each : threads) {
                    each.join();
                }
            }
        }

        private static void makeCalls(Kernel kernel, long count) {
            String path = "/" + "x".repeat(200);
            for (long each = 0; each < count; each++) {
                kernel.sysconf(vfio_h._SC_PAGESIZE);
                kernel.open(path, vfio_h.O_RDONLY);
            }
        }
    }

    private static Process start(Class<?> victim, Path file) throws IOException {
        String modules = System.getProperty("jdk.module.path");
        return new ProcessBuilder(List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        modules == null
                                ? System.getProperty("java.class.path")
                                : modules + File.pathSeparator + System.getProperty("java.class.path"),
                        victim.getName(),
                        file.toString()))
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
    }

    @Test
    void record_ofAKilledProcess_hasEveryCallThatHadReturned() throws IOException, InterruptedException {
        Path file = directory.resolve("x.rec");
        Process process = start(Victim.class, file);
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

    /** At any moment, such as that in which it closes a chunk of the ring and begins another. */
    @RepeatedTest(5)
    void record_ofABusyProcessThatIsKilled_hasTheLastCalls() throws IOException, InterruptedException {
        Path file = directory.resolve("x.rec");
        Process process = start(BusyVictim.class, file);
        try (BufferedReader out = process.inputReader(StandardCharsets.US_ASCII)) {
            assertEquals("ready", out.readLine());
            Thread.sleep(100);
            process.destroyForcibly();
            process.waitFor();
        }
        Recording recording = Recording.read(file);
        assertFalse(recording.hasEnded());
        assertFalse(recording.isWhole());
        assertTrue(recording.calls() > 5000, () -> recording.calls() + " calls");
        long callers = recording.events().stream()
                .filter(Recording.Begin.class::isInstance)
                .map(event -> ((Recording.Begin) event).call().caller())
                .distinct()
                .count();
        assertTrue(callers >= 1 && callers <= BusyVictim.THREADS, () -> callers + " threads");
    }

    private static RecordedCall first(Recording recording) {
        return ((Recording.Begin) recording.events().getFirst()).call();
    }
}
