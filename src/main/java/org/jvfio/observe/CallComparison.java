package org.jvfio.observe;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.jvfio.uapi.pollfd;

/** Compares the arguments of calls, as a record has them. */
final class CallComparison {
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

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
                        || !polled(recorded.given()).equals(polled(actual.given()));
            default ->
                !Arrays.equals(recorded.numbers(), actual.numbers())
                        || !Arrays.equals(recorded.given(), actual.given());
        };
    }

    /** The descriptors that are polled, with the events asked for. */
    static Map<Integer, Short> polled(byte[] pollfds) {
        return each(pollfds, pollfd.events$offset());
    }

    /** The descriptors that a poll has found ready, with the events. */
    static Map<Integer, Short> found(byte[] pollfds) {
        Map<Integer, Short> found = each(pollfds, pollfd.revents$offset());
        found.values().removeIf(events -> events == 0);
        return found;
    }

    /** What is ready of the events that are asked for of a descriptor. */
    interface Readiness {
        short of(int descriptor, short wanted);
    }

    /** Writes what is ready into an array of {@code struct pollfd}: the number of descriptors that are. */
    static int answer(MemorySegment pollfds, Readiness readiness) {
        int found = 0;
        for (long at = 0; at + pollfd.sizeof() <= pollfds.byteSize(); at += pollfd.sizeof()) {
            int descriptor = pollfds.get(RecordFormat.INT, at);
            short wanted = pollfds.get(SHORT, at + pollfd.events$offset());
            short ready = descriptor < 0 ? 0 : readiness.of(descriptor, wanted);
            pollfds.set(SHORT, at + pollfd.revents$offset(), ready);
            found += ready == 0 ? 0 : 1;
        }
        return found;
    }

    private static Map<Integer, Short> each(byte[] pollfds, long offset) {
        Map<Integer, Short> each = new HashMap<>();
        ByteBuffer buffer = ByteBuffer.wrap(pollfds).order(ByteOrder.LITTLE_ENDIAN);
        for (int at = 0; at + pollfd.sizeof() <= pollfds.length; at += (int) pollfd.sizeof()) {
            each.put(buffer.getInt(at), buffer.getShort(at + (int) offset));
        }
        return each;
    }
}
