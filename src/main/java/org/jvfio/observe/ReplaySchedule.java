package org.jvfio.observe;

import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BiPredicate;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;

/**
 * The order of a record, which the threads of a program keep to: a call begins and ends only after all that began or
 * ended before it in the record. A call ends when the threads whose calls ended before have come to their next call, or
 * wait for something, and a thread that starts another one is held until that one makes its first call: so what a
 * thread decides between two calls, by what others have done, is mostly what it decided then.
 *
 * <p>One lock guards all; it is not held while a thread waits for its turn.
 */
final class ReplaySchedule {
    /** How long a thread is held that might be needed for the next event, after the last one. */
    private static final long HOLD_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

    /** How long an event waits for threads that run. */
    private static final long QUIET_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

    private static final long SLICE_NANOS = TimeUnit.MICROSECONDS.toNanos(100);

    /** How long the program may poll memory before the changes in front of its next call are applied. */
    private static final long POLLED_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

    /** A call of the record, and where its beginning and its end are; -1 if the record ends before the call. */
    private static final class Step {
        private final RecordedCall call;
        private final int begin;
        private final long number;
        private int end = -1;

        private Step(RecordedCall call, int begin, long number) {
            this.call = call;
            this.begin = begin;
            this.number = number;
        }
    }

    /** The calls of one thread of the record, and the thread that makes them now. */
    private static final class Track {
        private final String name;
        private final List<Step> steps = new ArrayList<>();
        private int next;
        private boolean inCall;
        private @Nullable Thread thread;

        private Track(String name) {
            this.name = name;
        }

        private @Nullable Step step() {
            return next < steps.size() ? steps.get(next) : null;
        }

        private boolean hasNext(Predicate<RecordedCall> isSame) {
            Step step = step();
            return step != null && isSame.test(step.call);
        }
    }

    private final List<Recording.Event> events;
    private final ReplayMemory memory;
    private final long stallNanos;
    private final long calls;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition moved = lock.newCondition();
    private final Map<Integer, Track> tracks = new LinkedHashMap<>();
    private int at;
    private long movedAt = System.nanoTime();
    private @Nullable Difference difference;
    private boolean ended;

    /**
     * Follows a record.
     *
     * @param stallNanos how long no call may come, beyond the time that none came in the record
     */
    ReplaySchedule(Recording recording, ReplayMemory memory, long stallNanos) {
        this.events = recording.events();
        this.memory = memory;
        this.stallNanos = stallNanos;
        IdentityHashMap<RecordedCall, Step> running = new IdentityHashMap<>();
        long number = 0;
        for (int index = 0; index < events.size(); index++) {
            switch (events.get(index)) {
                case Recording.Begin begin -> {
                    Step step = new Step(begin.call(), index, ++number);
                    running.put(begin.call(), step);
                    tracks.computeIfAbsent(
                                    begin.call().caller().number(),
                                    _ -> new Track(begin.call().caller().name()))
                            .steps
                            .add(step);
                }
                case Recording.End end -> {
                    Step step = running.remove(end.call());
                    if (step != null) {
                        step.end = index;
                    }
                }
                case Recording.Memory _ -> {
                    // Applied in front of the event behind it.
                }
            }
        }
        calls = number;
        if (recording.hasMemory()) {
            // A program that polls memory makes no call in which its changes could be applied.
            Thread.ofPlatform().daemon().name("jvfio replay memory").start(this::applyPolledMemory);
        }
    }

    private void applyPolledMemory() {
        lock.lock();
        try {
            while (at < events.size() && difference == null && !ended) {
                moved.awaitNanos(POLLED_NANOS / 4);
                if (System.nanoTime() - movedAt > POLLED_NANOS) {
                    applyMemory();
                }
            }
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Makes a call as this thread's next one: waits until it ended in the record, and returns it.
     *
     * @param actual the call as it would be in the record; it has no result
     * @param differs compares a recorded call with the actual one
     * @param done does what the call does, once it has ended
     * @throws ReplayException if the record has another call, or none
     */
    RecordedCall make(
            RecordedCall actual, BiPredicate<RecordedCall, RecordedCall> differs, Consumer<RecordedCall> done) {
        lock.lock();
        try {
            requireSame();
            Predicate<RecordedCall> isSame = call -> !differs.test(call, actual);
            Track own = track(isSame);
            Track track = own != null && own.hasNext(isSame) ? own : otherTrack(isSame);
            Step step = track == null ? null : track.step();
            if (track == null || step == null) {
                if (isSurplusPoll(own, actual)) {
                    actual.ended(0, Outcome.RETURNED, Errno.EINTR.negated(), null);
                    return actual;
                }
                RecordedCall former = former(isSame, actual).orElseThrow(() -> differ(difference(own, actual)));
                done.accept(former);
                return former;
            }
            track.inCall = true;
            reach(step.begin);
            pass();
            reach(step.end);
            quiesce(track);
            done.accept(step.call);
            track.next++;
            pass();
            track.inCall = false;
            hold(track);
            return step.call;
        } finally {
            lock.unlock();
        }
    }

    /**
     * The thread whose next call this is, made by another thread now: several threads that look for something, such as
     * the completions of a queue, do not always find it in the same order.
     */
    private @Nullable Track otherTrack(Predicate<RecordedCall> isSame) {
        for (Track track : tracks.values()) {
            if (!track.inCall && track.hasNext(isSame)) {
                return track;
            }
        }
        return null;
    }

    private Difference difference(@Nullable Track track, RecordedCall actual) {
        Step step = track == null ? null : track.step();
        return track == null || step == null
                ? new Difference(
                        0,
                        calls,
                        Thread.currentThread().getName(),
                        "nothing: the thread makes no more calls",
                        CallPrinter.call(actual))
                : new Difference(
                        step.number, calls, track.name, CallPrinter.withResult(step.call), CallPrinter.call(actual));
    }

    private void requireSame() {
        Difference found = difference;
        if (found != null) {
            throw new ReplayException(found);
        }
    }

    private ReplayException differ(Difference found) {
        if (difference == null) {
            difference = found;
        }
        moved.signalAll();
        return new ReplayException(difference);
    }

    /** The track of this thread: that of its name, or the first whose first call is this one; null if there is none. */
    private @Nullable Track track(Predicate<RecordedCall> isSame) {
        Thread current = Thread.currentThread();
        Track byName = null;
        Track byCall = null;
        boolean named = false;
        for (Track track : tracks.values()) {
            if (track.thread == current) {
                return track;
            }
            named |= track.name.equals(current.getName());
            if (track.thread == null) {
                if (byName == null && track.name.equals(current.getName())) {
                    byName = track;
                }
                if (byCall == null && isSame.test(track.steps.getFirst().call)) {
                    byCall = track;
                }
            }
        }
        Track found = byName != null || named ? byName : byCall;
        if (found == null && tracks.values().stream().allMatch(track -> track.thread == null)) {
            // The program's first call differs.
            found = tracks.values().stream().findFirst().orElse(null);
        }
        if (found != null) {
            found.thread = current;
        }
        return found;
    }

    /**
     * Whether a thread that has made all its calls waits for another thread to end it. It may look whether that has
     * come before or after the last event that it was woken by, and so wait once more than it did: it is interrupted.
     */
    @SuppressWarnings("WaitNotInLoop") // the caller polls again
    private boolean isSurplusPoll(@Nullable Track track, RecordedCall actual) {
        if (track == null || track.step() != null || actual.kind() != CallKind.POLL || actual.number(0) >= 0) {
            return false;
        }
        try {
            moved.awaitNanos(TimeUnit.MILLISECONDS.toNanos(1));
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
        return difference == null && System.nanoTime() - movedAt <= stallNanos;
    }

    /**
     * What a read of a register returned last, for a thread that checks a device at intervals, and so may do it more
     * often than it did.
     */
    private Optional<RecordedCall> former(Predicate<RecordedCall> isSame, RecordedCall actual) {
        if (actual.kind() != CallKind.PREAD) {
            return Optional.empty();
        }
        for (int index = Math.min(at, events.size()) - 1; index >= 0; index--) {
            if (events.get(index) instanceof Recording.End end && isSame.test(end.call())) {
                return Optional.of(end.call());
            }
        }
        return Optional.empty();
    }

    /** Waits until an event is the next one. */
    private void reach(int event) {
        boolean interrupted = false;
        while (!isNext(event)) {
            try {
                moved.awaitNanos(TimeUnit.MILLISECONDS.toNanos(100));
            } catch (InterruptedException _) {
                interrupted = true;
            }
            if (difference != null) {
                break;
            }
            if (next() < events.size() && System.nanoTime() - movedAt > stallNanos + recordedGap()) {
                differ(missing());
                break;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        requireSame();
    }

    /** Whether nothing but changes of memory, which are applied then, is in front of an event. */
    private boolean isNext(int event) {
        for (int index = at; index < event; index++) {
            if (!(events.get(index) instanceof Recording.Memory)) {
                return false;
            }
        }
        if (at < event) {
            applyMemory();
        }
        return at == event;
    }

    /** How long nothing happened in the record before the next event. */
    private long recordedGap() {
        int next = next();
        return at == 0 || next == events.size() ? 0 : Math.max(0, nanos(next) - nanos(at - 1));
    }

    /** The next event that is no change of memory; the number of events if there is none. */
    private int next() {
        int next = at;
        while (next < events.size() && events.get(next) instanceof Recording.Memory) {
            next++;
        }
        return next;
    }

    private long nanos(int event) {
        for (int index = event; index >= 0; index--) {
            if (events.get(index) instanceof Recording.Begin begin) {
                return begin.call().beginNanos();
            }
            if (events.get(index) instanceof Recording.End end) {
                return end.call().endNanos();
            }
        }
        return 0;
    }

    private Difference missing() {
        RecordedCall call = call(next()).orElseThrow();
        Track track = tracks.get(call.caller().number());
        Step step = track == null ? null : track.step();
        return new Difference(
                step == null ? 0 : step.number,
                calls,
                call.caller().name(),
                CallPrinter.withResult(call),
                "nothing: the thread does not make this call");
    }

    private Optional<RecordedCall> call(int event) {
        return switch (events.get(event)) {
            case Recording.Begin begin -> Optional.of(begin.call());
            case Recording.End end -> Optional.of(end.call());
            case Recording.Memory _ -> Optional.empty();
        };
    }

    private void pass() {
        at++;
        movedAt = System.nanoTime();
        moved.signalAll();
    }

    private void applyMemory() {
        while (at < events.size() && events.get(at) instanceof Recording.Memory change) {
            memory.write(change.address(), change.bytes());
            at++;
        }
    }

    /**
     * Holds a thread until another one, which it is starting or has started, makes its first call, if that comes before
     * its own next call.
     */
    private void hold(Track track) {
        Step next = track.step();
        if (next != null) {
            await(
                    HOLD_NANOS,
                    () -> tracks.values().stream()
                            .anyMatch(other -> other.thread == null && other.steps.getFirst().begin < next.begin));
        }
    }

    /** Waits until the other threads have come to their next call, or wait for something, before an event is passed. */
    private void quiesce(Track track) {
        await(QUIET_NANOS, () -> tracks.values().stream().anyMatch(other -> other != track && isRunning(other)));
    }

    private static boolean isRunning(Track track) {
        Thread thread = track.thread;
        return thread != null && !track.inCall && thread.getState() == Thread.State.RUNNABLE;
    }

    /** Waits while a condition holds, but not longer than some time after the last event. */
    private void await(long limitNanos, BooleanSupplier condition) {
        boolean interrupted = false;
        while (difference == null && System.nanoTime() - movedAt < limitNanos && condition.getAsBoolean()) {
            try {
                moved.awaitNanos(SLICE_NANOS);
            } catch (InterruptedException _) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** The first call that differed, or the first of the record that the program, which has ended, has not made. */
    Optional<Difference> end(long waitNanos) {
        lock.lock();
        try {
            long end = System.nanoTime() + waitNanos;
            ended = true;
            while (difference == null && hasCallsLeft() && end - System.nanoTime() > 0) {
                moved.awaitNanos(SLICE_NANOS);
            }
            if (difference == null && hasCallsLeft()) {
                differ(missing());
            }
            return Optional.ofNullable(difference);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            return Optional.ofNullable(difference);
        } finally {
            lock.unlock();
        }
    }

    /** Calls in flight when the record ended need not be made. */
    private boolean hasCallsLeft() {
        for (int index = at; index < events.size(); index++) {
            if (events.get(index) instanceof Recording.End) {
                return true;
            }
        }
        return false;
    }

    long calls() {
        return calls;
    }
}
