package org.jvfio.observe;

import java.util.Arrays;
import org.jvfio.uapi.pollfd;

/** Compares the arguments of calls, as a record has them. */
final class CallComparison {
    private CallComparison() {}

    /** Whether a call is another one than the recorded one. */
    static boolean differs(RecordedCall recorded, RecordedCall actual) {
        if (recorded.kind() != actual.kind() || !recorded.text().equals(actual.text())) {
            return true;
        }
        return switch (recorded.kind()) {
            // What is adopted may be anywhere.
            case ADOPT -> recorded.number(1) != actual.number(1);
            // A timeout is what was left of some time, and events that were found before are not an argument.
            case POLL ->
                Long.signum(recorded.number(0)) != Long.signum(actual.number(0))
                        || !Arrays.equals(withoutResults(recorded.given()), withoutResults(actual.given()));
            default ->
                !Arrays.equals(recorded.numbers(), actual.numbers())
                        || !Arrays.equals(recorded.given(), actual.given());
        };
    }

    static byte[] withoutResults(byte[] pollfds) {
        byte[] bytes = pollfds.clone();
        int revents = (int) pollfd.revents$offset();
        for (int at = revents; at + 1 < bytes.length; at += (int) pollfd.sizeof()) {
            bytes[at] = 0;
            bytes[at + 1] = 0;
        }
        return bytes;
    }
}
