package org.jvfio.observe;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.jvfio.uapi.vfio_h;

/**
 * The order that a replay keeps to: what a record has, without the calls whose number depends on time. These are
 *
 * <ul>
 *   <li>polls and reads of eventfds: in their place are the signals of the host that they found, and where these had
 *       been read,
 *   <li>reads of a register of a BAR that returned what the last read of it did.
 * </ul>
 */
final class ReplayOrder {
    /** Something that comes to its turn. */
    sealed interface Turn {
        /** Nanoseconds since the record began. */
        long nanos();
    }

    /** A call begins. */
    record Start(Step step, long nanos) implements Turn {}

    /** A call ends. */
    record Finish(Step step, long nanos) implements Turn {}

    /** Memory has changed since the turn before. */
    record Change(Recording.Memory memory, long nanos) implements Turn {}

    /** The host signals an eventfd. */
    record Signal(ReplayedEvent event, long count, long nanos) implements Turn {}

    /**
     * Signals of the host have been read.
     *
     * @param read the call of the record that read the last of them
     * @param total all that were read of the eventfd up to here
     */
    record Taken(ReplayedEvent event, long total, Step read, long nanos) implements Turn {}

    /** A call of the record, and where its beginning and its end are; -1 if the record ends before the call. */
    static final class Step {
        private final RecordedCall call;
        private final long number;
        private int begin = -1;
        private int end = -1;

        private Step(RecordedCall call, long number) {
            this.call = call;
            this.number = number;
        }

        RecordedCall call() {
            return call;
        }

        /** The number of the call in the record, from 1. */
        long number() {
            return number;
        }

        int begin() {
            return begin;
        }

        int end() {
            return end;
        }
    }

    /** The calls of one thread of the record, and the thread that makes them now. */
    static final class Track {
        private final String name;
        private final List<Step> steps = new ArrayList<>();
        private int next;
        private boolean inCall;
        private @Nullable Thread thread;

        private Track(String name) {
            this.name = name;
        }

        String name() {
            return name;
        }

        Step first() {
            return steps.getFirst();
        }

        /** The call that the thread makes next; null if it makes no more. */
        @Nullable
        Step step() {
            return next < steps.size() ? steps.get(next) : null;
        }

        boolean hasNext(Predicate<RecordedCall> isSame) {
            Step step = step();
            return step != null && isSame.test(step.call);
        }

        boolean inCall() {
            return inCall;
        }

        void beginCall() {
            inCall = true;
        }

        void endCall() {
            inCall = false;
        }

        void advance() {
            next++;
        }

        @Nullable
        Thread thread() {
            return thread;
        }

        void setThread(Thread newThread) {
            thread = newThread;
        }
    }

    /** What the record has about an eventfd, while the order is built. */
    private static final class Source {
        private final ReplayedEvent event;
        /** What the program has written, and no read has taken. */
        private long written;
        /** Where in the order the signal is that a poll has found, and no read has taken; -1 if there is none. */
        private int found = -1;

        private long taken;

        private Source(RecordedCall opening) {
            event = new ReplayedEvent(opening);
            written = Integer.toUnsignedLong((int) opening.number(0));
        }
    }

    private final List<Turn> turns = new ArrayList<>();
    private final Map<Integer, Track> tracks = new LinkedHashMap<>();
    private final IdentityHashMap<RecordedCall, Step> steps = new IdentityHashMap<>();
    private final IdentityHashMap<RecordedCall, ReplayedEvent> opened = new IdentityHashMap<>();
    private final Map<Integer, Source> sources = new HashMap<>();
    /** Calls without a turn. */
    private final IdentityHashMap<RecordedCall, Boolean> outOfOrder = new IdentityHashMap<>();

    private final Map<Register, RecordedCall> lastReads = new HashMap<>();

    /** Where a read of a device begins, and how many bytes it has. */
    private record Register(int descriptor, long offset, long bytes) {}

    ReplayOrder(Recording recording) {
        long nanos = 0;
        for (Recording.Event event : recording.events()) {
            switch (event) {
                case Recording.Begin begin -> {
                    nanos = begin.call().beginNanos();
                    begin(begin.call());
                }
                case Recording.End end -> {
                    nanos = end.call().endNanos();
                    end(end.call());
                }
                case Recording.Memory memory -> turns.add(new Change(memory, nanos));
            }
        }
    }

    private void begin(RecordedCall call) {
        Step step = new Step(call, steps.size() + 1L);
        steps.put(call, step);
        if (call.kind() == CallKind.CLOSE) {
            sources.remove(call.descriptor());
            lastReads.keySet().removeIf(register -> register.descriptor == call.descriptor());
        }
        Source source = sources.get(call.descriptor());
        if (source != null && isWrite(call)) {
            source.written += number(call.given());
        }
        if ((source != null && isRead(call))
                || (call.kind() == CallKind.POLL && onlyEvents(CallComparison.polled(call.given()), sources))
                || isUnchanged(call)) {
            outOfOrder.put(call, true);
            return;
        }
        step.begin = turns.size();
        turns.add(new Start(step, call.beginNanos()));
        tracks.computeIfAbsent(
                        call.caller().number(), _ -> new Track(call.caller().name()))
                .steps
                .add(step);
    }

    /** Whether a register of a BAR is read again, and has not changed. */
    private boolean isUnchanged(RecordedCall call) {
        if (call.kind() != CallKind.PREAD
                || call.fileKind() != FileKind.DEVICE
                || Requests.region(call.number(2)) > vfio_h.VFIO_PCI_BAR5_REGION_INDEX
                || !call.hasEnded()) {
            return false;
        }
        RecordedCall last = lastReads.put(new Register(call.descriptor(), call.number(2), call.number(1)), call);
        return last != null
                && last.outcome() == call.outcome()
                && last.result() == call.result()
                && Arrays.equals(last.after(), call.after());
    }

    private void end(RecordedCall call) {
        Step step = steps.get(call);
        if (step == null) {
            return;
        }
        if (outOfOrder.containsKey(call)) {
            if (call.kind() == CallKind.PREAD) {
                return;
            }
            if (call.kind() == CallKind.POLL) {
                CallComparison.polled(call.given()).forEach((descriptor, events) -> {
                    Source source = sources.get(descriptor);
                    if (source != null) {
                        source.event.addPolledFor(events);
                    }
                });
                CallComparison.found(call.after()).forEach((descriptor, events) -> found(call, descriptor, events));
            } else if (!call.failed()) {
                read(call, step, number(call.after()));
            }
            return;
        }
        step.end = turns.size();
        turns.add(new Finish(step, call.endNanos()));
        if (call.kind() == CallKind.EVENTFD && call.opens()) {
            Source source = new Source(call);
            sources.put((int) call.result(), source);
            opened.put(call, source.event);
        }
    }

    /** A poll has found an eventfd ready. */
    private void found(RecordedCall poll, int descriptor, short events) {
        Source source = sources.get(descriptor);
        if (source != null && (events & vfio_h.POLLIN) != 0 && source.written == 0 && source.found < 0) {
            source.found = turns.size();
            turns.add(new Signal(source.event, 1, poll.endNanos()));
        }
    }

    /** A read has returned a number, of which the host has signalled what the program had not written. */
    private void read(RecordedCall call, Step step, long number) {
        Source source = sources.get(call.descriptor());
        if (source == null) {
            return;
        }
        long signalled = Math.max(number - source.written, source.found >= 0 ? 1 : 0);
        source.written -= Math.min(source.written, number - signalled);
        if (signalled == 0) {
            return;
        }
        if (source.found >= 0) {
            turns.set(
                    source.found,
                    new Signal(source.event, signalled, turns.get(source.found).nanos()));
            source.found = -1;
        } else {
            turns.add(new Signal(source.event, signalled, call.endNanos()));
        }
        source.taken += signalled;
        turns.add(new Taken(source.event, source.taken, step, call.endNanos()));
    }

    static boolean isRead(RecordedCall call) {
        return call.kind() == CallKind.READ && call.number(1) >= Long.BYTES;
    }

    static boolean isWrite(RecordedCall call) {
        return call.kind() == CallKind.WRITE && call.given().length >= Long.BYTES;
    }

    /** The number that a read or write of an eventfd transfers. */
    static long number(byte[] bytes) {
        return bytes.length < Long.BYTES ? 0 : MemorySegment.ofArray(bytes).get(RecordFormat.LONG, 0);
    }

    /** Whether a poll is of eventfds alone. */
    static boolean onlyEvents(Map<Integer, Short> polled, Map<Integer, ?> events) {
        return !polled.isEmpty() && events.keySet().containsAll(polled.keySet());
    }

    List<Turn> turns() {
        return turns;
    }

    Collection<Track> tracks() {
        return tracks.values();
    }

    /** The calls of the record, those that have no turn included. */
    long calls() {
        return steps.size();
    }

    /** The eventfd that a call opens; null if it opens none. */
    @Nullable
    ReplayedEvent opened(RecordedCall call) {
        return opened.get(call);
    }

    /** What the thread of a call makes next. */
    @Nullable
    Step next(RecordedCall call) {
        Track track = tracks.get(call.caller().number());
        return track == null ? null : track.step();
    }

    /** What a call that is the same returned last before a turn; null if there is none. */
    @Nullable
    RecordedCall former(int turn, Predicate<RecordedCall> isSame) {
        for (int index = Math.min(turn, turns.size()) - 1; index >= 0; index--) {
            if (turns.get(index) instanceof Finish finish && isSame.test(finish.step.call)) {
                return finish.step.call;
            }
        }
        return null;
    }
}
