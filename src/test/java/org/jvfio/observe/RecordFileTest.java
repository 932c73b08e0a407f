package org.jvfio.observe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.jvfio.uapi.vfio_h;

class RecordFileTest {
    private static byte[] good = {};
    private static byte[] compressed = {};
    private static long calls;

    @TempDir
    private Path directory;

    @BeforeAll
    static void record(@TempDir Path shared) throws IOException {
        // Small, as every truncation is read.
        Recording recording = RecordedSession.record(
                RecordOptions.of(shared.resolve("good.rec")).withMemory(), EduSession.boot(), kernel -> {
                    kernel.open("/dev/vfio/vfio", vfio_h.O_RDWR);
                    kernel.eventfd(0, 0);
                    kernel.mmap(1 << 16, 0, vfio_h.MAP_PRIVATE | vfio_h.MAP_ANONYMOUS, -1, 0);
                    kernel.close(3);
                });
        calls = recording.calls();
        good = Files.readAllBytes(shared.resolve("good.rec"));
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (GZIPOutputStream out = new GZIPOutputStream(bytes)) {
            out.write(good);
        }
        compressed = bytes.toByteArray();
    }

    private static void assertOneClearLine(RecordException e) {
        String message = String.valueOf(e.getMessage());
        assertTrue(message.startsWith("x.rec is "), message);
        assertFalse(message.contains("\n"), message);
    }

    @Test
    void read_goodRecord_allCallsAndFacts() throws IOException {
        Recording recording = Recording.read("x.rec", good);
        assertTrue(recording.hasEnded());
        assertTrue(recording.isWhole());
        assertTrue(recording.hasMemory());
        assertTrue(recording.hasRegisters());
        assertEquals(calls, recording.calls());
        assertEquals("a test", recording.facts().value("recorded").orElseThrow());
        assertEquals("PowerNV", recording.facts().value("platform").orElseThrow());
        assertEquals(1, recording.facts().devices().size());
        assertEquals("1234:11e8", recording.facts().devices().getFirst().id());
    }

    @Test
    void read_compressedRecord_same() throws IOException {
        assertEquals(calls, Recording.read("x.rec", compressed).calls());
    }

    @Test
    void read_everyTruncation_damagedOrNoRecord() {
        for (int length = 0; length < good.length; length += length < 3800 && length > 80 ? 61 : 1) {
            byte[] bytes = Arrays.copyOf(good, length);
            assertOneClearLine(assertThrows(
                    RecordException.class, () -> Recording.read("x.rec", bytes), "of " + length + " bytes"));
        }
    }

    @Test
    void read_everyTruncationOfACompressedRecord_damagedOrNoRecord() {
        for (int length = 0; length < compressed.length; length += 7) {
            byte[] bytes = Arrays.copyOf(compressed, length);
            assertOneClearLine(assertThrows(
                    RecordException.class, () -> Recording.read("x.rec", bytes), "of " + length + " bytes"));
        }
    }

    /** A flipped bit is found by a checksum, or is one of those that only say whether the record has ended. */
    @Test
    void read_flippedBits_damagedOrAllCalls() throws IOException {
        Random random = new Random(1);
        int factsBytes = MemorySegment.ofArray(good).get(RecordFormat.INT, RecordFormat.FACTS_BYTES);
        int found = 0;
        for (int round = 0; round < 800; round++) {
            byte[] bytes = good.clone();
            for (int flips = random.nextInt(3); flips >= 0; flips--) {
                // Between the facts and the first chunk is nothing.
                int facts = RecordFormat.FACTS + factsBytes;
                int place = random.nextInt(facts + bytes.length - RecordFormat.PAGE);
                bytes[place < facts ? place : place - facts + RecordFormat.PAGE] ^= (byte) (1 << random.nextInt(8));
            }
            try {
                assertEquals(calls, Recording.read("x.rec", bytes).calls());
            } catch (RecordException e) {
                assertOneClearLine(e);
                found++;
            }
        }
        assertTrue(found > 700, found + " of 800 were found");
    }

    /**
     * A record whose process has died has no checksum in its last chunk: what decodes is there, the rest is an error.
     */
    @Test
    void read_flippedBitsInAnUnfinishedRecord_noOtherException() throws IOException {
        byte[] unfinished = good.clone();
        unfinished[RecordFormat.ENDED] = 0;
        int chunk = (unfinished[RecordFormat.HEADER_BYTES] & 0xff)
                | (unfinished[RecordFormat.HEADER_BYTES + 1] & 0xff) << 8;
        unfinished[chunk + RecordFormat.CHUNK_STATE] = RecordFormat.CHUNK_OPEN;
        assertEquals(calls, Recording.read("x.rec", unfinished).calls());
        Random random = new Random(2);
        int read = 0;
        for (int round = 0; round < 800; round++) {
            byte[] bytes = unfinished.clone();
            bytes[chunk + random.nextInt(bytes.length - chunk)] ^= (byte) (1 << random.nextInt(8));
            try {
                Recording recording = Recording.read("x.rec", bytes);
                recording.write(TraceForm.TEXT, new StringWriter());
                recording.write(TraceForm.PERFETTO, new StringWriter());
                read++;
            } catch (RecordException e) {
                assertOneClearLine(e);
            }
        }
        assertTrue(read > 0 && read < 800, read + " of 800 were read");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "x", "JVFIORE", "{\"traceEvents\": []}", "a text of some length that is no record"})
    void read_anotherFile_noRecord(String text) throws IOException {
        Path file = Files.writeString(directory.resolve("x.rec"), text);
        RecordException e = assertThrows(RecordException.class, () -> Recording.read(file));
        assertEquals(file + " is no record: it does not begin as one", e.getMessage());
    }

    @Test
    void read_anotherVersion_namesBoth() {
        byte[] bytes = good.clone();
        bytes[RecordFormat.VERSION_AT] = 7;
        RecordException e = assertThrows(RecordException.class, () -> Recording.read("x.rec", bytes));
        assertEquals("x.rec is a record of version 7, and this program reads version 1", e.getMessage());
    }

    @Test
    void read_moreBehindTheRecord_damaged() {
        byte[] bytes = Arrays.copyOf(good, good.length + 1);
        RecordException e = assertThrows(RecordException.class, () -> Recording.read("x.rec", bytes));
        assertEquals("x.rec is damaged: there is more behind its %d bytes".formatted(good.length), e.getMessage());
    }

    @Test
    void record_manyCalls_keepsTheLastOnes() throws IOException {
        Path file = directory.resolve("ring.rec");
        byte[] path = new byte[1 << 15];
        Arrays.fill(path, (byte) 'x');
        String name = new String(path, StandardCharsets.US_ASCII);
        RecordOptions options = new RecordOptions(file, RecordOptions.MIN_BYTES, RecordOptions.ALL, false, true);
        Recording recording = RecordedSession.record(options, EduSession.boot(), kernel -> {
            for (int each = 0; each < 400; each++) {
                kernel.open("/" + each + name, vfio_h.O_RDONLY);
            }
        });
        assertTrue(Files.size(file) <= RecordOptions.MIN_BYTES, "bytes: " + Files.size(file));
        assertFalse(recording.isWhole());
        assertTrue(recording.calls() > 80 && recording.calls() < 130, "calls: " + recording.calls());
        String last = ((Recording.End) recording.events().getLast()).call().text();
        assertTrue(last.startsWith("/399x"));
        RecordException e = assertThrows(RecordException.class, () -> ReplayedKernel.of(recording));
        assertEquals(
                file + " does not begin with the program: its first calls were overwritten; make a larger record",
                e.getMessage());
        assertThrows(RecordException.class, () -> RecordCheck.run(recording, EduSession.boot(), Duration.ofSeconds(1)));
    }

    @Test
    void record_ofAShortTime_overwritesOlderCallsThoughThereIsRoom() {
        Path file = directory.resolve("short.rec");
        String name = "x".repeat(1 << 15);
        RecordOptions options = new RecordOptions(file, RecordOptions.DEFAULT_BYTES, Duration.ofNanos(1), false, true);
        Recording recording = RecordedSession.record(options, EduSession.boot(), kernel -> {
            for (int each = 0; each < 400; each++) {
                kernel.open("/" + each + name, vfio_h.O_RDONLY);
            }
        });
        assertFalse(recording.isWhole());
        assertTrue(recording.calls() < 130, "calls: " + recording.calls());
    }

    /** What a process that is killed leaves behind: the file as it is, without an end. */
    @Test
    void read_recordThatHasNotEnded_allCallsSoFar() throws IOException {
        Path file = directory.resolve("killed.rec");
        try (Observer observer = Observer.record(RecordOptions.of(file), "a test")) {
            var kernel = observer.observe(EduSession.boot());
            for (int each = 0; each < 5; each++) {
                kernel.sysconf(vfio_h._SC_PAGESIZE);
                Recording recording = Recording.read("killed.rec", Files.readAllBytes(file));
                assertFalse(recording.hasEnded());
                assertEquals(each + 1, recording.calls());
                assertTrue(recording.isWhole());
            }
        }
    }

    /** What a process leaves behind that dies between two chunks: the next one is claimed, and has no call yet. */
    @Test
    void read_processDiedAsItBeganAChunk_allCallsBefore() throws IOException {
        int chunk = MemorySegment.ofArray(good).get(RecordFormat.INT, RecordFormat.HEADER_BYTES);
        for (int length : new int[] {1, RecordFormat.CHUNK_FRAMES, RecordFormat.PAGE}) {
            byte[] bytes = Arrays.copyOf(good, chunk + RecordFormat.DEFAULT_CHUNK + length);
            MemorySegment file = MemorySegment.ofArray(bytes);
            file.set(RecordFormat.INT, RecordFormat.ENDED, 0);
            assertEquals(calls, Recording.read("x.rec", bytes).calls(), length + " bytes of zeros");
            if (length >= RecordFormat.CHUNK_FRAMES) {
                file.set(RecordFormat.LONG, chunk + RecordFormat.DEFAULT_CHUNK + RecordFormat.CHUNK_SEQUENCE, 2);
                assertEquals(calls, Recording.read("x.rec", bytes).calls(), "with a number");
            }
        }
    }

    @Test
    void options_outOfRange_refused() {
        Path file = directory.resolve("x.rec");
        assertThrows(
                IllegalArgumentException.class,
                () -> new RecordOptions(file, RecordOptions.MIN_BYTES - 1, RecordOptions.ALL, false, true));
        assertThrows(
                IllegalArgumentException.class,
                () -> new RecordOptions(file, RecordOptions.MAX_BYTES + 1, RecordOptions.ALL, false, true));
        assertThrows(
                IllegalArgumentException.class,
                () -> new RecordOptions(file, RecordOptions.DEFAULT_BYTES, Duration.ZERO, false, true));
    }

    @Test
    void record_inAMissingDirectory_failsAtTheFirstKernel() throws IOException {
        try (Observer observer = Observer.record(RecordOptions.of(directory.resolve("none/x.rec")), "a test")) {
            assertThrows(UncheckedIOException.class, () -> observer.observe(EduSession.boot()));
        }
    }
}
