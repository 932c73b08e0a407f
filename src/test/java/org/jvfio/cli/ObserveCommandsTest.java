package org.jvfio.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ObserveCommandsTest {
    @TempDir
    private Path directory;

    @Test
    void trace_aCommand_callsOnStandardErrorResultOnStandardOutput() {
        Ran ran = Ran.of("trace groups").ok();
        assertEquals(Ran.of("groups").ok().out(), ran.out());
        assertTrue(
                ran.err().contains("list(\"/sys/bus/pci/devices\") = [0000:01:00.0, 0001:01:00.0, 0002:01:00.0] <"),
                ran.err());
        assertTrue(
                ran.err().contains("readFile(\"/sys/kernel/iommu_groups/2/name\") = \"domain2-pefd\\n\" <"), ran.err());
    }

    @Test
    void record_shownReplayedAndChecked_noDifference() throws IOException {
        Path file = directory.resolve("demo.rec");
        Ran.of("record --memory --output", file.toString(), "demo").ok();
        Ran shown = Ran.of("trace --from", file.toString()).ok();
        Ran replayed = Ran.of("replay", file.toString()).ok();
        assertTrue(
                replayed.err()
                        .endsWith("jvfio: the replay does not differ from the %d calls of the record%n"
                                .formatted(shown.out().lines().count())),
                replayed.err());
        Ran checked = Ran.of("check", file.toString(), "--machine", "power8").ok();
        assertTrue(checked.out().contains("all answers are the same"), checked.out());
    }

    @Test
    void replay_anotherCommand_failsWithBothSides() {
        Path file = directory.resolve("groups.rec");
        Ran.of("record --output", file.toString(), "groups").ok();
        Ran ran = Ran.of("replay", file.toString(), "info", "0");
        assertEquals(1, ran.status());
        assertTrue(ran.err().contains("jvfio: the replay differs from the record. Call "), ran.err());
        assertTrue(ran.err().contains("  recorded  "), ran.err());
        assertFalse(ran.err().contains("\tat "), ran.err());
    }

    @Test
    void check_anotherMachine_failsWithTheDifferences() {
        Path file = directory.resolve("info.rec");
        Ran.of("record --output", file.toString(), "info", "0").ok();
        Ran ran = Ran.of("check", file.toString(), "--machine", "power9", "--patience", "0", "--json");
        assertEquals(1, ran.status());
        assertFalse(((List<?>) ran.json("check").getOrDefault("differences", List.of())).isEmpty());
    }

    @Test
    void read_damagedOrForeignRecord_oneLine() throws IOException {
        Path file = Files.writeString(directory.resolve("x.rec"), "no record");
        for (String command : List.of("trace --from", "replay", "check")) {
            Ran ran = Ran.of(command, file.toString());
            assertEquals(1, ran.status());
            assertEquals(
                    "jvfio: cannot read the record: %s is no record: it does not begin as one%n".formatted(file),
                    ran.err());
        }
        Ran missing = Ran.of("replay", directory.resolve("none").toString());
        assertEquals(
                "jvfio: cannot read the record %s: there is no such file or directory%n"
                        .formatted(directory.resolve("none")),
                missing.err());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "trace                        | trace needs a COMMAND, such as demo, or --from RECORD (see jvfio trace --help)",
                "trace --from x.rec demo      | trace --from shows a record; leave the command out",
                "trace --form jfr demo        | --form jfr needs --output FILE",
                "trace --form html demo       | --form html: use text, perfetto, jfr or record",
                "trace --from x --form jfr --output y | --from shows a record as text or perfetto; not as jfr",
                "trace nothing                | there is no command 'nothing' (see jvfio --help)",
                "record                       | record needs COMMAND, a command of jvfio, such as demo, with its options (see jvfio record --help)",
                "record --size 1K demo        | --size 1K: use 4M to 1G",
                "replay                       | replay needs RECORD, a file that 'jvfio record' has made, compressed by gzip or not (see jvfio replay --help)"
            })
    void parse_invalidCommandLine_refused(String line, String message) {
        Ran ran = Ran.of(line);
        assertEquals(2, ran.status(), ran.err());
        assertEquals("jvfio: %s%n".formatted(message), ran.err());
    }

    @Test
    void trace_intoAMissingDirectory_fails() {
        Path file = directory.resolve("none/x.txt");
        Ran ran = Ran.of("trace --output", file.toString(), "groups", "--machine", "power8");
        assertEquals(1, ran.status());
        assertEquals(
                "jvfio: cannot write the trace %s: there is no such file or directory%n".formatted(file), ran.err());
    }
}
