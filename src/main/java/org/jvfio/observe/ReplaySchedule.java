package org.jvfio.observe;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
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
import org.jvfio.observe.ReplayOrder.Change;
import org.jvfio.observe.ReplayOrder.Finish;
import org.jvfio.observe.ReplayOrder.Signal;
import org.jvfio.observe.ReplayOrder.Start;
import org.jvfio.observe.ReplayOrder.Step;
import org.jvfio.observe.ReplayOrder.Taken;
import org.jvfio.observe.ReplayOrder.Track;
import org.jvfio.observe.ReplayOrder.Turn;
import org.jvfio.uapi.vfio_h;

/**
 * The order of a record, which the threads of a program keep to: a call begins and ends only after all that began or
 * ended before it in the record. A call ends when the threads whose calls ended before have come to their next call, or
 * wait for something, and a thread that starts another one is held until that one makes its first call: so what a
 * thread decides between two calls, by what others have done, is mostly what it decided then.
 *
 * <p>Polls and reads of eventfds are in no order: they find what the program has written to the eventfd, and what the
 * host had signalled at this place of the record. What the program had read there it has to read again: before the next
 * call or, if the thread that does so waits for a lock, before the eventfd is closed.
 *
 * <p>One lock guards all; it is not held while a thread waits for its turn.
 */
final class ReplaySchedule {
    /** How long a thread is held that might be needed for the next event, after the last one. */
    private static final long HOLD_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

    /** How long a turn waits for threads that run. */
    private static final long QUIET_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

    /** How long it waits for a thread that has found a signal, and runs. */
    private static final long SIGNALLED_NANOS = TimeUnit.SECONDS.toNanos(2);

    /** How long a read of a signal is waited for that a lock of the program holds up. */
    private static final long HELD_UP_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

    private static final long SLICE_NANOS = TimeUnit.MICROSECONDS.toNanos(100);

    /** How long the program may poll memory before the changes in front of its next call are applied. */
    private static final long POLLED_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

    private static final long IDLE_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

    private final ReplayOrder order;
    private final List<Turn> turns;
    private final ReplayMemory memory;
    private final long stallNanos;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition moved = lock.newCondition();
    private final Map<Integer, ReplayedEvent> events = new HashMap<>();
    /** Threads that have polled or read eventfds: whether they have found a signal, and made no call since. */
    private final IdentityHashMap<Thread, Boolean> waiters = new IdentityHashMap<>();
    /** What the threads wait for that poll or read eventfds. */
    private final IdentityHashMap<Thread, BooleanSupplier> waiting = new IdentityHashMap<>();

    /** What has to be read, and is late. */
    private final List<Taken> owed = new ArrayList<>();

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
        this.order = new ReplayOrder(recording);
        this.turns = order.turns();
        this.memory = memory;
        this.stallNanos = stallNanos;
        if (recording.hasMemory()) {
            // A program that polls memory makes no call in which its changes could be applied.
            Thread.ofPlatform().daemon().name("jvfio replay memory").start(this::applyPolledMemory);
        }
    }

    private void applyPolledMemory() {
        lock.lock();
        try {
            while (at < turns.size() && difference == null && !ended) {
                moved.awaitNanos(POLLED_NANOS / 4);
                if (System.nanoTime() - movedAt > POLLED_NANOS) {
                    applyMemory();
                    pullTurns();
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
            if (answersItself(actual)) {
                return answer(actual, done);
            }
            waiters.replace(Thread.currentThread(), false);
            Predicate<RecordedCall> isSame = call -> !differs.test(call, actual);
            Track own = track(isSame);
            Track track = own != null && own.hasNext(isSame) ? own : otherTrack(isSame);
            Step step = track == null ? null : track.step();
            if (track == null || step == null) {
                RecordedCall former = former(isSame, actual).orElseThrow(() -> differ(difference(own, actual)));
                done.accept(former);
                return former;
            }
            track.beginCall();
            reach(step.begin());
            pass();
            reach(step.end());
            quiesce(track);
            done.accept(step.call());
            changeEvents(step.call());
            track.advance();
            pass();
            track.endCall();
            hold(track);
            return step.call();
        } finally {
            lock.unlock();
        }
    }

    /** Whether a call polls or reads eventfds alone. */
    private boolean answersItself(RecordedCall actual) {
        return actual.kind() == CallKind.POLL
                ? ReplayOrder.onlyEvents(CallComparison.polled(actual.given()), events)
                : ReplayOrder.isRead(actual) && events.containsKey(actual.descriptor());
    }

    private RecordedCall answer(RecordedCall actual, Consumer<RecordedCall> done) {
        Thread current = Thread.currentThread();
        waiters.put(current, false);
        if (actual.kind() == CallKind.POLL) {
            MemorySegment pollfds = MemorySegment.ofArray(actual.given().clone());
            requirePolled(actual);
            int timeoutMillis = (int) actual.number(0);
            long limit = timeoutMillis < 0 ? Long.MAX_VALUE : TimeUnit.MILLISECONDS.toNanos(timeoutMillis);
            boolean uninterrupted = awaitSignal(() -> CallComparison.answer(pollfds, this::isReady) != 0, limit);
            int found = CallComparison.answer(pollfds, this::isReady);
            actual.ended(0, Outcome.RETURNED, found == 0 && !uninterrupted ? Errno.EINTR.negated() : found, (byte[])
                    pollfds.heapBase().orElseThrow());
            waiters.put(current, found > 0);
        } else {
            ReplayedEvent event = events.get(actual.descriptor());
            if (event == null || (event.isBlocking() && !awaitSignal(event::isSignalled, Long.MAX_VALUE))) {
                actual.ended(0, Outcome.RETURNED, Errno.EINTR.negated(), null);
                return actual;
            }
            long taken = event.take();
            byte[] number = new byte[Long.BYTES];
            MemorySegment.ofArray(number).set(RecordFormat.LONG, 0, taken);
            actual.ended(0, Outcome.RETURNED, taken < 0 ? taken : number.length, taken < 0 ? null : number);
            pullTurns();
            moved.signalAll();
        }
        done.accept(actual);
        return actual;
    }

    private short isReady(int descriptor, short wanted) {
        ReplayedEvent event = events.get(descriptor);
        int ready = event == null ? vfio_h.POLLNVAL : vfio_h.POLLOUT | (event.isSignalled() ? vfio_h.POLLIN : 0);
        return (short) (ready & (wanted | vfio_h.POLLNVAL));
    }

    /** A program that asks for other events of an eventfd than the record does is another one. */
    private void requirePolled(RecordedCall actual) {
        CallComparison.polled(actual.given()).forEach((descriptor, wanted) -> {
            ReplayedEvent event = events.get(descriptor);
            if (event != null && event.polledFor() != 0 && (wanted & ~event.polledFor()) != 0) {
                String recorded = "polls of descriptor %d for events 0x%x".formatted(descriptor, event.polledFor());
                throw differ(new Difference(
                        0, calls(), Thread.currentThread().getName(), recorded, CallPrinter.call(actual)));
            }
        });
    }

    /** Waits until there is a signal or some time is over: false if the thread is interrupted. */
    private boolean awaitSignal(BooleanSupplier isSignalled, long limitNanos) {
        Thread current = Thread.currentThread();
        long start = System.nanoTime();
        waiting.put(current, isSignalled);
        try {
            while (true) {
                pullTurns();
                requireSame();
                long left = limitNanos - (System.nanoTime() - start);
                if (isSignalled.getAsBoolean() || left <= 0) {
                    return true;
                }
                moved.awaitNanos(Math.min(left, isPulled() ? SLICE_NANOS : IDLE_NANOS));
                requireProgress();
            }
        } catch (InterruptedException _) {
            current.interrupt();
            return false;
        } finally {
            waiting.remove(current);
        }
    }

    /** Takes note of what a call does to eventfds. */
    private void changeEvents(RecordedCall call) {
        ReplayedEvent opened = order.opened(call);
        if (opened != null) {
            events.put((int) call.result(), opened);
        } else if (call.kind() == CallKind.CLOSE) {
            ReplayedEvent closed = events.remove(call.descriptor());
            owed.stream()
                    .filter(taken -> taken.event() == closed && isOwed(taken))
                    .findFirst()
                    .ifPresent(taken -> differ(missing(taken.read())));
        } else if (ReplayOrder.isWrite(call) && !call.failed() && events.containsKey(call.descriptor())) {
            events.get(call.descriptor()).add(ReplayOrder.number(call.given()));
        }
    }

    /**
     * The thread whose next call this is, made by another thread now: several threads that look for something, such as
     * the completions of a queue, do not always find it in the same order.
     */
    private @Nullable Track otherTrack(Predicate<RecordedCall> isSame) {
        for (Track track : order.tracks()) {
            if (!track.inCall() && track.hasNext(isSame)) {
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
                        calls(),
                        Thread.currentThread().getName(),
                        "nothing: the thread makes no more calls",
                        CallPrinter.call(actual))
                : new Difference(
                        step.number(),
                        calls(),
                        track.name(),
                        CallPrinter.withResult(step.call()),
                        CallPrinter.call(actual));
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
        for (Track track : order.tracks()) {
            if (track.thread() == current) {
                return track;
            }
            named |= track.name().equals(current.getName());
            if (track.thread() == null) {
                if (byName == null && track.name().equals(current.getName())) {
                    byName = track;
                }
                if (byCall == null && isSame.test(track.first().call())) {
                    byCall = track;
                }
            }
        }
        Track found = byName != null || named ? byName : byCall;
        if (found == null && order.tracks().stream().allMatch(track -> track.thread() == null)) {
            // The program's first call differs.
            found = order.tracks().stream().findFirst().orElse(null);
        }
        if (found != null) {
            found.setThread(current);
        }
        return found;
    }

    /**
     * What a read of a register returned last, for a thread that checks a device at intervals, and so may do it more
     * often than it did.
     */
    private Optional<RecordedCall> former(Predicate<RecordedCall> isSame, RecordedCall actual) {
        return actual.kind() == CallKind.PREAD ? Optional.ofNullable(order.former(at, isSame)) : Optional.empty();
    }

    /** Waits until a turn is the next one. */
    private void reach(int turn) {
        boolean interrupted = false;
        while (!isNext(turn)) {
            try {
                moved.awaitNanos(isPulled() ? SLICE_NANOS : IDLE_NANOS);
            } catch (InterruptedException _) {
                interrupted = true;
            }
            requireProgress();
            if (difference != null) {
                break;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        requireSame();
    }

    private void requireProgress() {
        int next = next();
        if (difference == null && next < turns.size() && System.nanoTime() - movedAt > stallNanos + recordedGap(next)) {
            differ(missing());
        }
    }

    /** Whether nothing but changes of memory, which are applied then, is in front of a turn. */
    private boolean isNext(int turn) {
        pullTurns();
        for (int index = at; index < turn; index++) {
            if (!(turns.get(index) instanceof Change)) {
                return false;
            }
        }
        if (at < turn) {
            applyMemory();
        }
        return at == turn;
    }

    /** Whether the next turn is no call of the program. */
    private boolean isPulled() {
        int next = next();
        return next < turns.size() && (turns.get(next) instanceof Signal || turns.get(next) instanceof Taken);
    }

    /** Has the host signal what it does next, once the threads of the program wait. */
    private void pullTurns() {
        while (difference == null && isPulled()) {
            switch (turns.get(next())) {
                case Taken taken
                when isOwed(taken) -> {
                    if (System.nanoTime() - movedAt < HELD_UP_NANOS || isBehind()) {
                        return;
                    }
                    owed.add(taken);
                }
                case Signal signal -> {
                    if (isBusy(QUIET_NANOS, Thread.currentThread())) {
                        return;
                    }
                    applyMemory();
                    signal.event().signal(signal.count());
                }
                default -> applyMemory();
            }
            pass();
        }
    }

    /** How long nothing happened in the record before the next turn. */
    private long recordedGap(int next) {
        return at == 0
                ? 0
                : Math.max(0, turns.get(next).nanos() - turns.get(at - 1).nanos());
    }

    /** The next turn that is no change of memory; the number of turns if there is none. */
    private int next() {
        int next = at;
        while (next < turns.size() && turns.get(next) instanceof Change) {
            next++;
        }
        return next;
    }

    private static boolean isOwed(Taken taken) {
        return taken.event().signalsTaken() < taken.total();
    }

    /** The first call that the program has not made. */
    private Difference missing() {
        owed.removeIf(taken -> !isOwed(taken));
        if (!owed.isEmpty()) {
            return missing(owed.getFirst().read());
        }
        Turn turn = turns.get(next());
        return missing(
                switch (turn) {
                    case Start start -> start.step();
                    case Finish finish -> finish.step();
                    case Taken taken -> taken.read();
                    case Signal _, Change _ -> throw new IllegalStateException("waits for no call: " + turn);
                });
    }

    private Difference missing(Step missed) {
        return new Difference(
                missed.number(),
                calls(),
                missed.call().caller().name(),
                CallPrinter.withResult(missed.call()),
                "nothing: the thread does not make this call");
    }

    private void pass() {
        at++;
        movedAt = System.nanoTime();
        moved.signalAll();
    }

    private void applyMemory() {
        while (at < turns.size() && turns.get(at) instanceof Change change) {
            memory.write(change.memory().address(), change.memory().bytes());
            at++;
        }
    }

    /**
     * Holds a thread until another one, which it is starting or has started, makes its first call, if that comes before
     * its own next call; and until what the host does next is taken by the thread that waits for it.
     */
    private void hold(Track track) {
        Step next = track.step();
        if (next != null) {
            await(() -> System.nanoTime() - movedAt < HOLD_NANOS
                    && order.tracks().stream()
                            .anyMatch(other ->
                                    other.thread() == null && other.first().begin() < next.begin()));
        }
        await(() -> isPulled() && (System.nanoTime() - movedAt < HOLD_NANOS || isBehind()));
    }

    /** Waits until the other threads have come to their next call, or wait for something, before a turn is passed. */
    private void quiesce(Track track) {
        Thread thread = track.thread();
        await(() -> isBusy(QUIET_NANOS, thread == null ? Thread.currentThread() : thread));
    }

    /** Whether threads of the program run, and will perhaps come to a call. */
    private boolean isBusy(long limitNanos, Thread besides) {
        return isBehind()
                || (System.nanoTime() - movedAt < limitNanos
                        && (order.tracks().stream().anyMatch(other -> other.thread() != besides && isRunning(other))
                                || waiters.keySet().stream()
                                        .anyMatch(thread -> thread != besides
                                                && thread != Thread.currentThread()
                                                && thread.getState() == Thread.State.RUNNABLE)));
    }

    /** Whether a thread has not come to use a signal that is there for it. */
    private boolean isBehind() {
        Thread current = Thread.currentThread();
        return System.nanoTime() - movedAt < SIGNALLED_NANOS
                && (waiting.entrySet().stream()
                                .anyMatch(each -> each.getKey() != current
                                        && each.getValue().getAsBoolean())
                        || waiters.entrySet().stream()
                                .anyMatch(each -> each.getKey() != current
                                        && each.getValue()
                                        && each.getKey().getState() == Thread.State.RUNNABLE));
    }

    private static boolean isRunning(Track track) {
        Thread thread = track.thread();
        return thread != null && !track.inCall() && thread.getState() == Thread.State.RUNNABLE;
    }

    /** Waits while a condition holds. */
    private void await(BooleanSupplier condition) {
        boolean interrupted = false;
        while (difference == null && condition.getAsBoolean()) {
            try {
                moved.awaitNanos(SLICE_NANOS);
            } catch (InterruptedException _) {
                interrupted = true;
            }
            pullTurns();
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
                pullTurns();
            }
            if (difference == null && (hasCallsLeft() || owed.stream().anyMatch(ReplaySchedule::isOwed))) {
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
        for (int index = at; index < turns.size(); index++) {
            if (turns.get(index) instanceof Finish || turns.get(index) instanceof Taken) {
                return true;
            }
        }
        return false;
    }

    long calls() {
        return order.calls();
    }
}
