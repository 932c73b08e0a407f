package org.jvfio.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.jvfio.observe.DamagedRecords;

/** Whatever a file is that should be a record or a plan: one line says what is wrong, and the status is 1. */
@Timeout(120)
class DamagedFilesTest {
    private static final List<String> READERS = List.of("replay", "check", "trace --from");

    private static Map<String, byte[]> records = Map.of();

    @TempDir
    private Path directory = Path.of("");

    @BeforeAll
    static void damage(@TempDir Path shared) throws IOException {
        Path good = shared.resolve("good.rec");
        Ran.of("record --output", good.toString(), "groups").ok();
        records = DamagedRecords.of(Files.readAllBytes(good));
    }

    private static void assertOneLine(String what, Ran ran, String... beginnings) {
        assertEquals(1, ran.status(), () -> what + ": " + ran);
        assertEquals("", ran.out(), what);
        assertEquals(1, ran.err().lines().count(), () -> what + ": " + ran.err());
        assertTrue(
                List.of(beginnings).stream().anyMatch(each -> ran.err().startsWith(each)),
                () -> what + ": " + ran.err());
        assertTrue(!ran.err().contains("Exception"), () -> what + ": " + ran.err());
    }

    private static void assertNoRecord(String what, Path file) {
        for (String reader : READERS) {
            assertOneLine(what + ", " + reader, Ran.of(reader, file.toString()), "jvfio: cannot read the record");
        }
    }

    static List<String> kindsOfRecords() throws IOException {
        return new ArrayList<>(records.keySet());
    }

    @ParameterizedTest
    @MethodSource("kindsOfRecords")
    void read_damagedRecord_oneLine(String what) throws IOException {
        assertNoRecord(what, Files.write(directory.resolve("x.rec"), records.getOrDefault(what, new byte[0])));
    }

    @Test
    void read_noRegularFile_oneLine() throws IOException, InterruptedException {
        assertNoRecord("a directory", directory);
        assertNoRecord("nothing", directory.resolve("none"));
        assertNoRecord(
                "a file in a file", Files.createFile(directory.resolve("file")).resolve("x.rec"));
        assertNoRecord("a link to nothing", Files.createSymbolicLink(directory.resolve("broken"), Path.of("none")));
        assertNoRecord("a link to itself", Files.createSymbolicLink(directory.resolve("loop"), Path.of("loop")));
        Path fifo = directory.resolve("fifo");
        assertEquals(0, new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor());
        assertNoRecord("a pipe", fifo);
        assertNoRecord("a device", Path.of("/dev/zero"));
        assertNoRecord("what the kernel makes up", Path.of("/proc/self/status"));
    }

    @Test
    void read_hugeFile_oneLine() throws IOException {
        Path file = directory.resolve("huge.rec");
        try (RandomAccessFile sparse = new RandomAccessFile(file.toFile(), "rw")) {
            sparse.setLength(1L << 40);
        }
        assertNoRecord("a tebibyte", file);
    }

    @Test
    void read_withoutPermission_oneLine() throws IOException {
        Path file = Files.createFile(
                directory.resolve("x.rec"),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("---------")));
        assumeFalse(Files.isReadable(file), "root may read everything");
        assertNoRecord("a file of others", file);
    }

    @Test
    void write_traceOrRecordWhereItCannotBe_oneLine() throws IOException {
        Path file = Files.createFile(directory.resolve("file"));
        for (String form : List.of("text", "perfetto", "jfr", "record")) {
            for (Path output : List.of(directory, directory.resolve("none/x"), file.resolve("x"))) {
                String what = form + " to " + output;
                assertOneLine(
                        what,
                        Ran.of(
                                "trace --form " + form + " --output",
                                output.toString(),
                                "groups",
                                "--machine",
                                "power8"),
                        "jvfio: cannot write the trace " + output);
            }
        }
        for (Path output : List.of(directory, directory.resolve("none/x"), file.resolve("x"))) {
            assertOneLine(
                    "a record to " + output,
                    Ran.of("record --output", output.toString(), "groups", "--machine", "power8"),
                    "jvfio: cannot write the record " + output);
        }
    }

    private static Map<String, String> plans() {
        String good = "{\"seed\": 7, \"faults\": [{\"on\": \"poll\", \"nth\": 1, \"errno\": \"EINTR\"}]}";
        Map<String, String> plans = new LinkedHashMap<>();
        plans.put("nothing", "");
        plans.put("blanks", " \n\t");
        plans.put("text", "no plan");
        plans.put("a record", "JVFIOREC\1\0\0\0");
        plans.put("a list", "[]");
        plans.put("a number", "17");
        plans.put("null", "null");
        plans.put("two objects", good + good);
        plans.put("text behind the object", good + "x");
        plans.put("a byte order mark", "\ufeff" + good);
        plans.put("a key twice", "{\"seed\": 1, \"seed\": 2, \"faults\": []}");
        plans.put("an unknown key", "{\"fault\": []}");
        plans.put("no list", "{\"faults\": {\"on\": \"poll\"}}");
        plans.put("a list of numbers", "{\"faults\": [1, 2]}");
        plans.put("null in a list", "{\"faults\": [null]}");
        plans.put("a seed that is a text", "{\"seed\": \"7\", \"faults\": []}");
        plans.put("a seed that is too large", "{\"seed\": 18446744073709551616, \"faults\": []}");
        plans.put("a seed with a fraction", "{\"seed\": 1.5, \"faults\": []}");
        plans.put("a number without end", "{\"seed\": 1e999999999, \"faults\": []}");
        plans.put("many digits", "{\"seed\": " + "9".repeat(5000) + "}");
        plans.put("deep nesting", "{\"faults\": " + "[".repeat(100_000));
        plans.put("a long name", "{\"" + "x".repeat(1 << 20) + "\": 1}");
        plans.put("many faults", "{\"faults\": [" + "{\"on\":\"poll\",\"lost\":true},".repeat(10_001) + "{}]}");
        plans.put("a device of no host", "{\"faults\": [{\"on\": \"open\", \"removed\": \"0009:01:00.0\"}]}");
        plans.put("zeros", "\0".repeat(100));
        for (int length = 1; length < good.length(); length++) {
            plans.put("cut off after %d bytes".formatted(length), good.substring(0, length));
        }
        return plans;
    }

    static List<String> kindsOfPlans() {
        return new ArrayList<>(plans().keySet());
    }

    private static void assertNoPlan(String what, Path file) {
        assertOneLine(
                what,
                Ran.of("demo --faults", file.toString()),
                "jvfio: cannot use the faults: ",
                "jvfio: cannot read the faults ",
                "jvfio: cannot boot the emulated machine: ");
    }

    @ParameterizedTest
    @MethodSource("kindsOfPlans")
    void read_damagedPlan_oneLine(String what) throws IOException {
        assertNoPlan(what, Files.writeString(directory.resolve("x.json"), plans().getOrDefault(what, "")));
    }

    @Test
    void read_planThatIsNoText_oneLine() throws IOException, InterruptedException {
        Path file = directory.resolve("x.json");
        assertNoPlan("UTF-16", Files.writeString(file, "{\"faults\": []}", StandardCharsets.UTF_16LE));
        assertNoPlan("half a character", Files.write(file, new byte[] {'{', '"', (byte) 0xc3}));
        assertNoPlan("a directory", directory);
        assertNoPlan("nothing", directory.resolve("none"));
        Path fifo = directory.resolve("fifo");
        assertEquals(0, new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor());
        assertNoPlan("a pipe", fifo);
        assumeTrue(Files.exists(Path.of("/dev/zero")));
        assertNoPlan("a device", Path.of("/dev/zero"));
    }
}
