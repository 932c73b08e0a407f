package org.jvfio.observe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.StringWriter;

/** Any bytes as a record: one that can be shown, converted and put in an order, or one line that names the file. */
public final class RecordFuzz {
    private RecordFuzz() {}

    /** One input: called by the fuzzer, and for each file of the corpus. */
    public static void fuzzerTestOneInput(byte[] bytes) throws IOException {
        try {
            Recording recording = Recording.read("x.rec", bytes);
            recording.write(TraceForm.TEXT, new StringWriter());
            recording.write(TraceForm.PERFETTO, new StringWriter());
            assertEquals(recording.calls(), new ReplayOrder(recording).calls());
        } catch (RecordException refused) {
            String message = String.valueOf(refused.getMessage());
            assertTrue(message.contains("x.rec"), message);
            assertFalse(message.contains("\n"), message);
        }
    }
}
