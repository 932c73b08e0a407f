package org.jvfio.observe;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
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
                        || pollsOthers(recorded, polled(actual.given()));
            default ->
                !Arrays.equals(recorded.numbers(), actual.numbers())
                        || !Arrays.equals(recorded.given(), actual.given());
        };
    }

    /**
     * Whether other descriptors are polled. A thread may poll before or after another one has added a descriptor to
     * those that it polls; what was found then must be among those that it polls now.
     */
    private static boolean pollsOthers(RecordedCall recorded, Map<Integer, Short> actual) {
        Map<Integer, Short> then = polled(recorded.given());
        boolean oneHasTheOther = then.entrySet().containsAll(actual.entrySet())
                || actual.entrySet().containsAll(then.entrySet());
        return !oneHasTheOther
                || !actual.keySet().containsAll(found(recorded.after()).keySet());
    }

    /** The descriptors that are polled, with the events asked for. */
    private static Map<Integer, Short> polled(byte[] pollfds) {
        return each(pollfds, pollfd.events$offset());
    }

    /** The descriptors that a poll has found ready, with the events. */
    static Map<Integer, Short> found(byte[] pollfds) {
        Map<Integer, Short> found = each(pollfds, pollfd.revents$offset());
        found.values().removeIf(events -> events == 0);
        return found;
    }

    private static Map<Integer, Short> each(byte[] pollfds, long offset) {
        Map<Integer, Short> each = new HashMap<>();
        ByteBuffer buffer = ByteBuffer.wrap(pollfds).order(ByteOrder.nativeOrder());
        for (int at = 0; at + pollfd.sizeof() <= pollfds.length; at += (int) pollfd.sizeof()) {
            each.put(buffer.getInt(at), buffer.getShort(at + (int) offset));
        }
        return each;
    }
}
