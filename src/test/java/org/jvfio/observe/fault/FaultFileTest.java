package org.jvfio.observe.fault;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.jvfio.kernel.Errno;
import org.jvfio.observe.fault.Fault.Effect;
import org.jvfio.observe.fault.Fault.Occurrence;
import org.jvfio.observe.fault.FaultPoint.On;

class FaultFileTest {
    private static final String PLAN = """
            {
              "seed": -7,
              "faults": [
                {"on": "ioctl", "request": "VFIO_IOMMU_MAP_DMA", "range": "0x0..0xffffffff", "nth": 3, "errno": "ENOMEM"},
                {"on": "pread", "device": "0002:01:00.0", "area": "bar0", "every": 100, "delayMicros": 500},
                {"on": "read", "file": "eventfd", "nth": 1, "shortBytes": 4},
                {"on": "interrupt", "device": "0002:01:00.0", "vector": 1, "nth": 2, "doubledAfterMicros": 100},
                {"on": "interrupt", "probability": 0.01, "lost": true},
                {"on": "dma-write", "size": 16, "nth": 5, "flippedBits": 2},
                {"on": "register-read", "area": "bar0", "range": "0x1c..0x1f", "nth": 9, "allOnes": true},
                {"on": "dma-read", "nth": 4, "frozen": true},
                {"on": "open", "path": "/dev/vfio/vfio", "nth": 2, "removed": "0002:01:00.0"},
                {"on": "poll", "errno": "EINTR"}
              ]
            }
            """;

    @TempDir
    private Path directory = Path.of("");

    private Faults read(String json) throws IOException {
        return Faults.read(Files.writeString(directory.resolve("plan.json"), json));
    }

    @Test
    void read_everyEffect_planOfTheSameFaults() throws IOException {
        assertEquals(
                Faults.seeded(-7)
                        .with(
                                FaultPoint.ioctl(VfioRequest.VFIO_IOMMU_MAP_DMA).range(0, 0xffffffffL),
                                Occurrence.nth(3),
                                new Effect.Refusal(Errno.ENOMEM))
                        .with(
                                FaultPoint.on(On.PREAD).device("0002:01:00.0").area(DeviceArea.BAR0),
                                new Occurrence.Every(100),
                                new Effect.Delay(Duration.ofNanos(500_000)))
                        .with(
                                FaultPoint.on(On.READ).file(FileKind.EVENTFD),
                                Occurrence.nth(1),
                                new Effect.ShortTransfer(4))
                        .with(
                                FaultPoint.on(On.INTERRUPT)
                                        .device("0002:01:00.0")
                                        .vector(1),
                                Occurrence.nth(2),
                                new Effect.Doubled(Duration.ofNanos(100_000)))
                        .with(FaultPoint.on(On.INTERRUPT), new Occurrence.Randomly(0.01), new Effect.Lost())
                        .with(FaultPoint.on(On.DMA_WRITE).size(16), Occurrence.nth(5), new Effect.FlippedBits(2))
                        .with(
                                FaultPoint.on(On.REGISTER_READ)
                                        .area(DeviceArea.BAR0)
                                        .range(0x1c, 0x1f),
                                Occurrence.nth(9),
                                new Effect.AllOnes())
                        .with(FaultPoint.on(On.DMA_READ), Occurrence.nth(4), new Effect.Frozen(Optional.empty()))
                        .with(
                                FaultPoint.on(On.OPEN).path("/dev/vfio/vfio"),
                                Occurrence.nth(2),
                                new Effect.Removed(Optional.of("0002:01:00.0")))
                        .with(FaultPoint.on(On.POLL), Occurrence.always(), new Effect.Refusal(Errno.EINTR)),
                read(PLAN));
    }

    @Test
    void toString_anyPlan_readsAsTheSamePlan() throws IOException {
        Faults plan = read(PLAN);
        assertEquals(plan, read(plan.toString()));
        for (long seed = 0; seed < 200; seed++) {
            Faults random = Faults.random(seed);
            assertEquals(random, read(random.toString()), random.toString());
        }
    }

    @Test
    void toString_pathWithQuotesAndControls_readsAsTheSamePlan() throws IOException {
        Faults plan = Faults.NONE.with(
                FaultPoint.on(On.OPEN).path("/a\"b\\c\n\u0001d"), Occurrence.always(), new Effect.Refusal(Errno.EIO));
        assertEquals(plan, read(plan.toString()));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{'faults': [{'on': 'ioctls', 'errno': 'EIO'}]}| line 1 has 'on' ioctls, which is none of",
                "{'faults': [{'errno': 'EIO'}]}| line 1 lacks 'on'",
                "{'faults': [{'on': 'poll'}]}| has a fault without an effect; the effects are",
                "{'faults': [{'on': 'poll', 'errno': 'EFOO'}]}| has 'errno' 'EFOO', which is no error of Linux",
                "{'faults': [{'on': 'poll', 'errno': 4}]}| has 'errno' that is not a string",
                "{'faults': [{'on': 'poll', 'erno': 'EIO'}]}| has 'erno' in a fault; the options are",
                "{'faults': [{'on': 'poll', 'errno': 'EIO', 'lost': true}]}| has [errno, lost] in one fault",
                "{'faults': [{'on': 'poll', 'errno': 'EIO', 'nth': 1, 'every': 2}]}| has [nth, every] in one fault",
                "{'faults': [{'on': 'poll', 'errno': 'EIO', 'nth': 0}]}| nth 0: events are counted from 1",
                "{'faults': [{'on': 'poll', 'errno': 'EIO', 'nth': -1}]}| has 'nth' that is not a whole number",
                "{'faults': [{'on': 'poll', 'errno': 'EIO', 'probability': 2}]}| probabilities are 0 to 1, not 2.0",
                "{'faults': [{'on': 'poll', 'errno': 'EIO', 'vector': 2}]}| poll has no vector to match",
                "{'faults': [{'on': 'poll', 'lost': true}]}| poll cannot be lost",
                "{'faults': [{'on': 'poll', 'frozen': true}]}| poll is of no device: name the device of the effect",
                "{'faults': [{'on': 'interrupt', 'errno': 'EIO'}]}| only a system call returns an errno",
                "{'faults': [{'on': 'interrupt', 'lost': false}]}| has 'lost' of false; leave it out",
                "{'faults': [{'on': 'dma-read', 'frozen': 3}]}| has 'frozen' that is neither true nor the address",
                "{'faults': [{'on': 'dma-read', 'range': '1-2', 'frozen': true}]}| has 'range' of '1-2'; write",
                "{'faults': [{'on': 'dma-read', 'range': '0x2..0x1', 'frozen': true}]}| ends before it begins",
                "{'faults': [{'on': 'dma-read', 'device': '1:0', 'frozen': true}]}| '1:0' is not a PCI address",
                "{'faults': [{'on': 'dma-write', 'flippedBits': 0}]}| flipped bits is at least 1, not 0",
                "{'faults': [{'on': 'poll', 'delayMicros': 99999999999}]}| the range is 0 to one day",
                "{'faults': {}}| has 'faults' that is not a list",
                "{'seed': 1}| lacks 'faults'",
                "{'seed': 1.5, 'faults': []}| line 1 has 'seed' that is not a whole number",
                "{'like': 'power8'}| has 'like' in the plan; the options are [faults, seed]",
                "[]| is not a JSON object",
                "{'faults': []} x| line 1 is not JSON",
                "''| is empty; write a JSON object, such as {\"faults\": [{\"on\": \"poll\"",
            })
    void read_wrongPlan_fileLineAndReason(String json, String reason) {
        String text = json.replace('\'', '"');
        IllegalArgumentException wrong =
                assertThrows(IllegalArgumentException.class, () -> read(text.equals("\"\"") ? "" : text));
        assertTrue(String.valueOf(wrong.getMessage()).contains(reason), wrong.getMessage());
        assertTrue(
                String.valueOf(wrong.getMessage())
                        .startsWith(directory.resolve("plan.json").toString()),
                wrong.getMessage());
        assertFalse(String.valueOf(wrong.getMessage()).contains("\n"), wrong.getMessage());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{'on': 'poll',\\n'errno': 'EFOO'}|3 has 'errno' 'EFOO'",
                "{'on': 'poll',\\n'errno': 'EIO',\\n'nth': 0}|4 ('nth'): nth 0",
                "{'on': 'poll',\\n'errno': 'EIO',\\n'probability': 2}|4 ('probability'): probabilities",
                "{'on': 'poll',\\n'vector': 2,\\n'errno': 'EIO'}|3 ('vector'): poll has no vector to match",
                "{'on': 'ioctl',\\n'range': '0x1..0x2',\\n'errno': 'EIO'}|3 ('range'): ioctl has no range to match",
                "{'on': 'dma-read',\\n'range': '0x2..0x1',\\n'frozen': true}|3 ('range'): the range 0x2..0x1 ends",
                "{'on': 'dma-read',\\n'device': '1:0',\\n'frozen': true}|3 ('device'): '1:0' is not a PCI address",
                "{'on': 'poll',\\n'nth': 1,\\n'lost': true}|4 ('lost'): poll cannot be lost",
                "{'on': 'dma-write',\\n'flippedBits': 0}|3 ('flippedBits'): the number of flipped bits",
                "{'on': 'poll', 'errno': 'EIO'},\\n7|3 has a fault that is not a JSON object",
            })
    void read_wrongValue_messageNamesItsLine(String faults, String expected) {
        String json = "{'faults': [\n" + faults.replace("\\n", "\n") + "]}";
        IllegalArgumentException wrong =
                assertThrows(IllegalArgumentException.class, () -> read(json.replace('\'', '"')));
        assertTrue(String.valueOf(wrong.getMessage()).contains("plan.json, line " + expected), wrong.getMessage());
    }

    @Test
    void read_noSuchFile_ioException() {
        assertThrows(NoSuchFileException.class, () -> Faults.read(directory.resolve("none.json")));
    }

    @Test
    void read_bytesThatAreNoText_oneLine() throws IOException {
        Path file = Files.write(directory.resolve("plan.json"), new byte[] {'{', (byte) 0xff, (byte) 0xfe, 0});
        IllegalArgumentException wrong = assertThrows(IllegalArgumentException.class, () -> Faults.read(file));
        assertEquals(file + " is not a text file in UTF-8, and so not JSON", wrong.getMessage());
    }

    @Test
    void read_everyTruncation_oneLineOrAPlan() throws IOException {
        for (int length = 0; length < PLAN.length(); length++) {
            requireOneLine(PLAN.substring(0, length));
        }
    }

    @Test
    void read_randomEdits_oneLineOrAPlan() throws IOException {
        SplittableRandom random = new SplittableRandom(14);
        byte[] bytes = PLAN.getBytes(StandardCharsets.US_ASCII);
        String inserted = "{}[]\",:0123456789-.eEtfnux\\ \n";
        for (int round = 0; round < 500; round++) {
            StringBuilder edited = new StringBuilder(new String(bytes, StandardCharsets.US_ASCII));
            for (int edits = 1 + random.nextInt(3); edits > 0; edits--) {
                int at = random.nextInt(edited.length());
                char other = inserted.charAt(random.nextInt(inserted.length()));
                switch (random.nextInt(3)) {
                    case 0 -> edited.setCharAt(at, other);
                    case 1 -> edited.insert(at, other);
                    default -> edited.delete(at, Math.min(edited.length(), at + 1 + random.nextInt(20)));
                }
            }
            requireOneLine(edited.toString());
        }
    }

    /** A plan is read, or refused with one line that names the file; any other exception fails the test. */
    private void requireOneLine(String text) throws IOException {
        try {
            read(text);
        } catch (IllegalArgumentException wrong) {
            String message = String.valueOf(wrong.getMessage());
            assertTrue(message.startsWith(directory.resolve("plan.json").toString()), message);
            assertFalse(message.contains("\n"), () -> message + " for " + text);
        }
    }
}
