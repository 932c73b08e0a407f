package org.jvfio.observe;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.StringWriter;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Records whose calls are others than a program ever made: what can be read of them can be shown, checked and replayed,
 * with differences and no other exception.
 */
@Timeout(300)
class MutatedRecordTest {
    private static final Duration SHORT = Duration.ofMillis(1);

    @TempDir
    private Path directory = Path.of("");

    /** A record whose chunk is open, so that no checksum protects its frames. */
    private byte[] unprotected() throws IOException {
        Path file = directory.resolve("x.rec");
        RecordedSession.ofEdu(file);
        byte[] bytes = Files.readAllBytes(file);
        MemorySegment record = MemorySegment.ofArray(bytes);
        record.set(RecordFormat.INT, RecordFormat.ENDED, 0);
        record.set(
                RecordFormat.INT,
                record.get(RecordFormat.INT, RecordFormat.HEADER_BYTES) + RecordFormat.CHUNK_STATE,
                RecordFormat.CHUNK_OPEN);
        return bytes;
    }

    private static Optional<Recording> mutated(byte[] original, Random random) {
        int frames = MemorySegment.ofArray(original).get(RecordFormat.INT, RecordFormat.HEADER_BYTES)
                + RecordFormat.CHUNK_FRAMES;
        byte[] bytes = original.clone();
        for (int left = random.nextInt(3); left >= 0; left--) {
            int place = frames + random.nextInt(bytes.length - frames);
            bytes[place] = random.nextBoolean() ? (byte) random.nextInt() : (byte) (bytes[place] ^ 1);
        }
        try {
            return Optional.of(Recording.read("x.rec", bytes));
        } catch (RecordException e) {
            assertTrue(String.valueOf(e.getMessage()).startsWith("x.rec is damaged: "), e.getMessage());
            return Optional.empty();
        }
    }

    @Test
    void check_mutatedCalls_differences() throws IOException {
        byte[] original = unprotected();
        Random random = new Random(1);
        int checked = 0;
        int different = 0;
        for (int round = 0; round < 400; round++) {
            Optional<Recording> recording = mutated(original, random);
            if (recording.isPresent()) {
                recording.get().write(TraceForm.TEXT, new StringWriter());
                recording.get().write(TraceForm.PERFETTO, new StringWriter());
                RecordCheck.Result result = RecordCheck.run(recording.get(), EduSession.boot(), SHORT);
                result.differences().forEach(each -> assertFalse(each.recorded().isEmpty(), each::toString));
                checked++;
                different += result.differences().isEmpty() ? 0 : 1;
            }
        }
        assertTrue(checked > 50 && different > 20, checked + " checked, " + different + " with differences");
    }

    @Test
    void replay_mutatedCalls_firstDifference() throws IOException {
        byte[] original = unprotected();
        Random random = new Random(2);
        int replayed = 0;
        for (int round = 0; round < 100; round++) {
            Optional<Recording> recording = mutated(original, random);
            if (recording.isPresent()) {
                ReplayedKernel kernel = ReplayedKernel.of(recording.get(), Duration.ofMillis(50));
                try {
                    EduSession.run(kernel);
                } catch (RuntimeException ended) {
                    assertFalse(
                            ended instanceof IndexOutOfBoundsException || ended instanceof NullPointerException,
                            ended::toString);
                }
                kernel.end().ifPresent(each -> assertFalse(each.toString().isEmpty()));
                replayed++;
            }
        }
        assertTrue(replayed > 10, replayed + " replayed");
    }
}
