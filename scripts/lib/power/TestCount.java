package power;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Copies the output of JUnit's console launcher, and reads its summary. A container is a class or a group of tests; one
 * that fails is a failure of tests that never ran.
 */
final class TestCount extends OutputStream {
    private static final Pattern COUNT = Pattern.compile("\\[ +([0-9]+) (tests|containers) (successful|failed) +]");

    private final OutputStream out;
    private final StringBuilder line = new StringBuilder();
    private boolean hasSummary;
    private long passed;
    private long failed;

    TestCount(OutputStream out) {
        this.out = out;
    }

    /** "N passed, N failed"; empty if the launcher did not get so far. */
    Optional<String> summary() {
        return hasSummary ? Optional.of(passed + " passed, " + failed + " failed") : Optional.empty();
    }

    @Override
    public void write(int b) throws IOException {
        write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] data, int offset, int length) throws IOException {
        out.write(data, offset, length);
        for (char c : new String(data, offset, length, StandardCharsets.ISO_8859_1).toCharArray()) {
            if (c == '\n') {
                count();
                line.setLength(0);
            } else {
                line.append(c);
            }
        }
    }

    private void count() {
        Matcher matcher = COUNT.matcher(line);
        if (!matcher.matches()) {
            return;
        }
        long number = Long.parseLong(matcher.group(1));
        if (matcher.group(3).equals("failed")) {
            failed += number;
        } else if (matcher.group(2).equals("tests")) {
            passed = number;
            hasSummary = true;
        }
    }

    @Override
    public void flush() throws IOException {
        out.flush();
    }
}
