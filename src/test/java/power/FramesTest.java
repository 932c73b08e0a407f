package power;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

/** What is taken from a guest's console, and what is left for the log. */
class FramesTest implements Frames.Receiver {
    private static final String NONCE = "00112233445566778899aabb";

    private final Frames frames = new Frames(NONCE, this);
    private final StringBuilder out = new StringBuilder();
    private final StringBuilder err = new StringBuilder();
    private final StringBuilder kernelLog = new StringBuilder();
    private final List<String> log = new ArrayList<>();
    private final List<Integer> replies = new ArrayList<>();

    private static String frame(char type, int number, String text) {
        String rest = type + " " + number + " "
                + Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.ISO_8859_1));
        return NONCE + Frames.md5(rest + "\n") + " " + rest;
    }

    @Test
    void line_framesOfEachType_goToTheirPlaces() throws IOException {
        frames.line(frame('o', 1, "out\n"));
        frames.line(frame('e', 2, "err") + "\r");
        frames.line(frame('k', 3, "kernel"));
        assertEquals(OptionalInt.empty(), frames.status());
        frames.line(frame('x', 4, "7\n"));
        assertEquals("out\n", out.toString());
        assertEquals("err", err.toString());
        assertEquals("kernel", kernelLog.toString());
        assertEquals(OptionalInt.of(7), frames.status());
        assertEquals(List.of(1, 2, 3, 4), replies);
        assertEquals(List.of(), log);
    }

    @Test
    void line_frameThatComesAgain_repliedToButTakenOnce() throws IOException {
        frames.line(frame('o', 1, "once"));
        frames.line(frame('o', 1, "once"));
        frames.line(frame('o', 2, " more"));
        assertEquals("once more", out.toString());
        assertEquals(List.of(1, 1, 2), replies);
    }

    @Test
    void line_frameAfterTextOfFirmware_taken() throws IOException {
        frames.line("[   12.3] OPAL says" + frame('o', 1, "out"));
        assertEquals("out", out.toString());
        assertEquals(List.of("[   12.3] OPAL says"), log);
    }

    @Test
    void line_frameCutByKernelMessage_notRepliedToUntilItComesWhole() throws IOException {
        String frame = frame('o', 1, "out");
        for (int cut = 1; cut < frame.length(); cut++) {
            frames.line(frame.substring(0, cut) + "[   12.345678] vfio: ");
            frames.line(frame.substring(cut));
        }
        assertEquals(List.of(), replies);
        assertEquals(2 * (frame.length() - 1), log.size());
        frames.line(frame);
        assertEquals(List.of(1), replies);
        assertEquals("out", out.toString());
    }

    @Test
    void line_characterInsideAFrameChanged_notTaken() throws IOException {
        String frame = frame('o', 1, "text of some length");
        for (int i = 0; i < frame.length(); i++) {
            char other = frame.charAt(i) == 'A' ? 'B' : 'A';
            frames.line(frame.substring(0, i) + other + frame.substring(i + 1));
        }
        assertEquals(List.of(), replies);
        assertEquals("", out.toString());
    }

    @Test
    void line_frameOfAnotherRun_isLog() throws IOException {
        String other = frame('o', 1, "out").replace(NONCE, "ffffffffffffffffffffffff");
        frames.line(other);
        assertEquals(List.of(other), log);
        assertEquals(List.of(), replies);
    }

    @Test
    void line_bytesAboveAscii_keptInTheLogAndInFrames() throws IOException {
        frames.line("\u00ff\u0080");
        frames.line(frame('o', 1, "\u00c3\u00a9"));
        assertEquals(List.of("\u00ff\u0080"), log);
        assertEquals("\u00c3\u00a9", out.toString());
    }

    @Override
    public void out(byte[] data) {
        out.append(new String(data, StandardCharsets.ISO_8859_1));
    }

    @Override
    public void err(byte[] data) {
        err.append(new String(data, StandardCharsets.ISO_8859_1));
    }

    @Override
    public void kernelLog(byte[] data) {
        kernelLog.append(new String(data, StandardCharsets.ISO_8859_1));
    }

    @Override
    public void log(String line) {
        log.add(line);
    }

    @Override
    public void reply(int number) {
        replies.add(number);
    }
}
