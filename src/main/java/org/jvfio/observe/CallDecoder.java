package org.jvfio.observe;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.jvfio.observe.RecordedCall.Caller;

/** Turns the frames of a log into calls: it knows the open files and the threads. */
final class CallDecoder {
    /** Takes what happened, in its order. */
    interface Listener {
        /** A call has begun; it has no result yet. */
        default void begun(RecordedCall call) {}

        /** A call has ended. */
        void ended(RecordedCall call);

        /** DMA memory has changed since the event before. */
        default void memory(long address, byte[] bytes) {}
    }

    private final Listener listener;
    private final Map<Integer, Caller> callers = new HashMap<>();
    private final Map<Integer, String> files = new HashMap<>();
    private final Map<Integer, RecordedCall> running = new HashMap<>();
    private long last;
    private boolean lenient;

    CallDecoder(Listener listener) {
        this.listener = listener;
    }

    /**
     * Begins a chunk.
     *
     * @param time the base of its times, in nanoseconds
     * @param gap whether calls before it were overwritten: then the end of a call that began there is left out
     */
    void chunk(long time, boolean gap) {
        last = time;
        if (gap) {
            running.clear();
            lenient = true;
        }
    }

    /** Decodes one frame. */
    void frame(FrameReader frame) throws RecordException {
        int type = frame.octet();
        switch (type) {
            case Frame.BEGIN -> begin(frame);
            case Frame.END -> end(frame);
            case Frame.THREAD -> {
                int number = (int) frame.unsigned();
                callers.put(number, new Caller(number, frame.text()));
            }
            case Frame.FILE -> {
                int descriptor = (int) frame.unsigned();
                files.put(descriptor, frame.text());
            }
            case Frame.MEMORY -> {
                long address = frame.unsigned();
                listener.memory(address, frame.data());
            }
            default -> throw frame.damaged("there is no frame of type " + type);
        }
        if (frame.hasMore()) {
            throw frame.damaged("a frame is longer than its contents");
        }
    }

    private void begin(FrameReader frame) throws RecordException {
        int number = frame.octet();
        CallKind kind = CallKind.of(number);
        if (kind == null) {
            throw frame.damaged("there is no call of kind " + number);
        }
        Caller caller = caller(frame);
        long time = time(frame);
        long[] numbers = new long[kind.numbers()];
        for (int each = 0; each < numbers.length; each++) {
            numbers[each] = frame.signed();
        }
        String text = kind.hasText() ? frame.text() : "";
        byte[] given = kind.hasBytes() ? frame.data() : new byte[0];
        RecordedCall unnamed = new RecordedCall(kind, caller, time, numbers, text, given, "");
        String file = files.getOrDefault(unnamed.descriptor(), "");
        RecordedCall call = new RecordedCall(kind, caller, time, numbers, text, given, file);
        if (running.put(caller.number(), call) != null && !lenient) {
            throw frame.damaged("a thread begins a call before its last one has ended");
        }
        listener.begun(call);
    }

    private void end(FrameReader frame) throws RecordException {
        Caller caller = caller(frame);
        long time = time(frame);
        int number = frame.octet();
        Outcome outcome = Outcome.of(number);
        if (outcome == null) {
            throw frame.damaged("there is no outcome " + number);
        }
        long result = frame.signed();
        byte[] written = frame.octet() != 0 ? frame.data() : null;
        RecordedCall call = running.remove(caller.number());
        if (call == null) {
            if (lenient) {
                return;
            }
            throw frame.damaged("a call ends that has not begun");
        }
        end(call, time, outcome, result, written);
    }

    private void end(RecordedCall call, long time, Outcome outcome, long result, byte @Nullable [] written) {
        call.ended(time, outcome, result, written);
        if (call.kind() == CallKind.CLOSE) {
            files.remove(call.descriptor());
        }
        listener.ended(call);
    }

    private Caller caller(FrameReader frame) throws RecordException {
        int number = (int) frame.unsigned();
        Caller caller = callers.get(number);
        if (caller == null) {
            throw frame.damaged("a thread has no name");
        }
        return caller;
    }

    private long time(FrameReader frame) throws RecordException {
        last += frame.signed();
        if (last < 0) {
            throw frame.damaged("a time is before the beginning");
        }
        return last;
    }
}
