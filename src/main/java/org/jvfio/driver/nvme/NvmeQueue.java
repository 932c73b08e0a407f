package org.jvfio.driver.nvme;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.jvfio.VfioException;

/**
 * A submission queue and its completion queue, for any number of threads. A program that wants the most of a drive gives
 * each thread a queue of its own ({@link NvmeController#queue}).
 */
public final class NvmeQueue {
    private static final ValueLayout.OfInt INT = JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle SHARED_INT = INT.varHandle();

    static final int SUBMISSION_BYTES = 64;
    static final int COMPLETION_BYTES = 16;

    /** No identifier of a command. */
    static final int NONE = -1;

    private static final int ALL = Integer.MAX_VALUE;
    private static final int IDENTIFIERS = 1 << 16;

    private final NvmeController controller;
    private final ControllerRegisters registers;
    private final int number;
    private final int entries;
    private final int pageShift;
    private final MemorySegment submissions;
    private final MemorySegment completions;
    private final PrpLists lists;
    private final long submissionIova;
    private final long completionIova;
    private final long submissionDoorbell;
    private final long completionDoorbell;

    /**
     * Guards all that follows, and the fields of a request while it is in a slot. It is held for a moment, without a
     * callback; the controller's lock may be taken before it, but not after it.
     */
    private final ReentrantLock lock = new ReentrantLock();

    private final Queue<Runnable> waitingForRoom = new ConcurrentLinkedQueue<>();
    // Commands under way, by slot. The identifier of a command is its slot and, above that, how often that was used, so
    // that a completion that comes twice or late is told from the next one.
    private final @Nullable NvmeRequest[] slots;
    private final int[] identifiers;
    private final int[] freeSlots;
    private final int slotMask;
    private int free;
    private int tail;
    private int rungTail;
    private int head;
    private int phase = 1;
    // Takes commands; looks at completions.
    private boolean taking;
    private boolean running;
    private boolean closed;

    NvmeQueue(
            NvmeController controller,
            ControllerRegisters registers,
            Capabilities capabilities,
            int number,
            int entries,
            int pageShift,
            int listBytes,
            DmaArea memory) {
        this.controller = controller;
        this.registers = registers;
        this.number = number;
        this.entries = entries;
        this.pageShift = pageShift;
        long page = 1L << pageShift;
        NvmeBuffer submission = memory.take((long) entries * SUBMISSION_BYTES, page);
        NvmeBuffer completion = memory.take((long) entries * COMPLETION_BYTES, page);
        submissions = submission.segment();
        completions = completion.segment();
        submissionIova = submission.iova();
        completionIova = completion.iova();
        submissionDoorbell = ControllerRegisters.submissionDoorbell(capabilities, number);
        completionDoorbell = ControllerRegisters.completionDoorbell(capabilities, number);
        // A queue that holds as many commands as it has entries looks empty.
        int commands = entries - 1;
        lists = PrpLists.of(memory, commands, listBytes, pageShift);
        slots = new @Nullable NvmeRequest[commands];
        identifiers = new int[commands];
        freeSlots = new int[commands];
        slotMask = Integer.highestOneBit(commands) * 2 - 1;
        for (int slot = 0; slot < commands; slot++) {
            identifiers[slot] = slot;
        }
        empty();
    }

    /** How much of a {@link DmaArea} a queue takes. */
    static long memoryBytes(int entries, int pageShift, int listBytes) {
        long page = 1L << pageShift;
        long submission = ((long) entries * SUBMISSION_BYTES + page - 1) & -page;
        long completion = ((long) entries * COMPLETION_BYTES + page - 1) & -page;
        return 2 * page + submission + completion + (long) entries * listBytes;
    }

    /** Its number, from 1; 0 is the admin queue. */
    public int number() {
        return number;
    }

    /** How many commands can be under way in it at a time. */
    public int capacity() {
        return slots.length;
    }

    /** How many commands are under way in it. */
    public int underWay() {
        lock.lock();
        try {
            return slots.length - free;
        } finally {
            lock.unlock();
        }
    }

    int entries() {
        return entries;
    }

    long submissionIova() {
        return submissionIova;
    }

    long completionIova() {
        return completionIova;
    }

    /**
     * Gives a command to the controller.
     *
     * @return false if the queue is full or the controller is being reset; the request is not under way then. If true, it
     *     will be done exactly once, also if the controller fails
     * @throws VfioException if the controller has failed, or the request's buffer is not mapped any more
     * @throws IllegalStateException if the request is under way or was never prepared, or the controller is closed or being
     *     closed
     */
    public boolean submit(NvmeRequest request) {
        return add(request, true);
    }

    /**
     * As {@link #submit}, but the controller may not know of it before {@link #ring}, {@link #submit} or {@link #poll} of
     * this queue: for a row of commands, which it is told of at once.
     */
    public boolean enqueue(NvmeRequest request) {
        return add(request, false);
    }

    private boolean add(NvmeRequest request, boolean ring) {
        request.requireMapped();
        RuntimeException failure = null;
        lock.lock();
        try {
            if (!taking) {
                controller.requireUsable();
                return false;
            }
            if (free == 0) {
                return false;
            }
            request.take();
            int slot = freeSlots[--free];
            slots[slot] = request;
            request.identifier = identifiers[slot];
            request.submittedNanos = System.nanoTime();
            try {
                write(request, slot);
                tail = tail + 1 == entries ? 0 : tail + 1;
                if (ring) {
                    ringSubmissions();
                }
            } catch (RuntimeException e) {
                failure = e;
            }
        } finally {
            lock.unlock();
        }
        if (failure != null) {
            controller.fail("give " + this + " a command", failure);
        }
        return true;
    }

    /**
     * Tells the controller of what was enqueued.
     *
     * @throws IllegalStateException if the controller is closed
     */
    public void ring() {
        RuntimeException failure = null;
        lock.lock();
        try {
            if (closed) {
                controller.requireUsable();
            }
            failure = tryToRing();
        } finally {
            lock.unlock();
        }
        if (failure != null) {
            controller.fail("give " + this + " a command", failure);
        }
    }

    private @Nullable RuntimeException tryToRing() {
        try {
            if (running) {
                ringSubmissions();
            }
            return null;
        } catch (RuntimeException e) {
            return e;
        }
    }

    private void ringSubmissions() {
        if (rungTail != tail) {
            // The controller must not see the doorbell before the commands.
            VarHandle.fullFence();
            rungTail = tail;
            registers.ring(submissionDoorbell, tail);
        }
    }

    private void write(NvmeRequest request, int slot) {
        long at = (long) tail * SUBMISSION_BYTES;
        submissions.set(INT, at, request.opcode | request.identifier << 16);
        submissions.set(INT, at + 4, request.namespaceId);
        submissions.set(LONG, at + 8, 0);
        submissions.set(LONG, at + 16, 0);
        if (request.needsRange()) {
            submissions.set(LONG, at + 24, lists.writeRange(slot, (int) request.blocks, request.lba));
            submissions.set(LONG, at + 32, 0);
        } else {
            writeData(request, slot, at);
        }
        submissions.set(INT, at + 40, request.dword10);
        submissions.set(INT, at + 44, request.dword11);
        submissions.set(INT, at + 48, request.dword12);
        submissions.set(INT, at + 52, 0);
        submissions.set(LONG, at + 56, 0);
    }

    /**
     * PRP 1 and 2: where the data begins, which may be inside a page, and its second page, or a list of all pages but the
     * first.
     */
    private void writeData(NvmeRequest request, int slot, long at) {
        long page = 1L << pageShift;
        long first = request.iova;
        long second = (first & -page) + page;
        long rest = request.bytes - (second - first);
        submissions.set(LONG, at + 24, request.bytes == 0 ? 0 : first);
        if (request.bytes == 0 || rest <= 0) {
            submissions.set(LONG, at + 32, 0);
        } else if (rest <= page) {
            submissions.set(LONG, at + 32, second);
        } else {
            submissions.set(LONG, at + 32, lists.writePages(slot, second, rest));
        }
    }

    /**
     * Finds what is complete, and calls the requests' callbacks, in this thread.
     *
     * @return how many commands were complete
     * @throws IllegalStateException if the controller is closed
     */
    public int poll() {
        return poll(ALL);
    }

    /**
     * The same for so many commands at most.
     *
     * @throws IllegalStateException if the controller is closed
     */
    public int poll(int most) {
        lock.lock();
        return pollLocked(most);
    }

    /**
     * Waits until a request is done that was submitted here, and polls meanwhile where there are no interrupts. If it is
     * submitted again as soon as it is done, the next time is not waited for. Callbacks, which this would hold up, must not
     * call it.
     *
     * @throws IllegalStateException if the controller is closed
     */
    public void await(NvmeRequest request) {
        controller.await(this, request);
    }

    /** The same, unless another thread has the queue. */
    int pollIfIdle() {
        return lock.tryLock() ? pollLocked(ALL) : 0;
    }

    /** The same for an interrupt that may come late. */
    void pollUnlessClosed() {
        lock.lock();
        if (closed) {
            lock.unlock();
        } else {
            pollLocked(ALL);
        }
    }

    /** Is called with the lock held, and leaves without it. */
    private int pollLocked(int most) {
        NvmeRequest first = null;
        NvmeRequest last = null;
        RuntimeException failure = null;
        int count = 0;
        try {
            if (closed) {
                controller.requireUsable();
                return 0;
            }
            if (!running) {
                return 0;
            }
            ringSubmissions();
            while (count < most) {
                NvmeRequest done = reap();
                if (done == null) {
                    break;
                }
                if (last == null) {
                    first = done;
                } else {
                    last.next = done;
                }
                last = done;
                count++;
            }
            if (count > 0) {
                // What was read of the entries must be read before they are the controller's again.
                VarHandle.fullFence();
                registers.ring(completionDoorbell, head);
            }
        } catch (IllegalStateException closedOrGone) {
            if (closed) {
                throw closedOrGone;
            }
            failure = closedOrGone;
        } catch (RuntimeException e) {
            failure = e;
        } finally {
            lock.unlock();
        }
        deliver(first);
        if (failure != null) {
            controller.fail("take the completions of " + this, failure);
        }
        if (count > 0 && !waitingForRoom.isEmpty()) {
            runWaiting();
        }
        return count;
    }

    /** The next command that is complete. Each word of a completion is read once, as the controller may change it. */
    private @Nullable NvmeRequest reap() {
        long at = (long) head * COMPLETION_BYTES;
        int last = (int) SHARED_INT.getOpaque(completions, at + 12);
        if ((last >>> 16 & 1) != phase) {
            return null;
        }
        // The rest of the entry, and the data of the command, are as new as the phase bit only from here on.
        VarHandle.fullFence();
        int result = completions.get(INT, at);
        int queues = completions.get(INT, at + 8);
        int identifier = last & 0xffff;
        int slot = identifier & slotMask;
        NvmeRequest request = slot < slots.length ? slots[slot] : null;
        if (request == null || identifiers[slot] != identifier) {
            throw wrong("it completes command 0x%04x, which is not under way".formatted(identifier));
        }
        if (queues >>> 16 != number) {
            throw wrong("it completes a command of queue %d there".formatted(queues >>> 16));
        }
        if ((queues & 0xffff) >= entries) {
            throw wrong("it says that it is at entry %d of %d".formatted(queues & 0xffff, entries));
        }
        head++;
        if (head == entries) {
            head = 0;
            phase ^= 1;
        }
        release(slot);
        request.complete(last >>> 17, result);
        return request;
    }

    private VfioException wrong(String reason) {
        return new VfioException("take the completions of " + this, reason, "use another drive, or newer firmware");
    }

    private void release(int slot) {
        slots[slot] = null;
        int used = identifiers[slot] + slotMask + 1;
        identifiers[slot] = used < IDENTIFIERS ? used : slot;
        freeSlots[free++] = slot;
    }

    /** Ends a row of requests, whatever their callbacks throw; called with no lock held. */
    static void deliver(@Nullable NvmeRequest first) {
        for (NvmeRequest request = first; request != null; ) {
            NvmeRequest following = request.next;
            request.next = null;
            request.deliver();
            request = following;
        }
    }

    /**
     * Has something run once, when there may be room for a command, or there will be none: now, or by whoever completes a
     * command, and when the controller is ready again or comes to its end. Whoever makes room, or ends the controller, looks
     * for what waits afterwards; it is there before this looks for room: one of both finds the other.
     */
    void whenRoom(Runnable action) {
        waitingForRoom.add(action);
        if (needNotWait()) {
            runWaiting();
        }
    }

    /** A controller that is being reset takes no commands, and whoever waits for it is told when it does. */
    private boolean needNotWait() {
        lock.lock();
        try {
            return taking ? free > 0 : controller.isEnding();
        } finally {
            lock.unlock();
        }
    }

    private void runWaiting() {
        for (int left = waitingForRoom.size(); left > 0; left--) {
            Runnable action = waitingForRoom.poll();
            if (action == null) {
                return;
            }
            action.run();
        }
    }

    /** The identifier of a command that is under way for longer than the limit; -1 if there is none. */
    int late(long now, long limitNanos) {
        lock.lock();
        try {
            for (NvmeRequest request : slots) {
                if (request != null && request.hasDeadline && now - request.submittedNanos > limitNanos) {
                    return request.identifier;
                }
            }
            return NONE;
        } finally {
            lock.unlock();
        }
    }

    /** Whether a command is under way here. */
    boolean isUnderWay(int identifier) {
        lock.lock();
        try {
            return slots[identifier & slotMask] != null && identifiers[identifier & slotMask] == identifier;
        } finally {
            lock.unlock();
        }
    }

    /** Remembers that a command is to be aborted; whether it is under way. */
    boolean abortIsAsked(int identifier) {
        lock.lock();
        try {
            NvmeRequest request = slots[identifier & slotMask];
            if (request == null || identifiers[identifier & slotMask] != identifier) {
                return false;
            }
            request.abortAsked = true;
            return true;
        } finally {
            lock.unlock();
        }
    }

    /** Takes commands from now on; the controller knows the queue, as empty. */
    void start() {
        lock.lock();
        try {
            taking = true;
            running = true;
        } finally {
            lock.unlock();
        }
    }

    /** What waits for room is to look again. */
    void resume() {
        runWaiting();
    }

    /** Takes no more commands; those that are under way can still be completed. */
    void refuse() {
        lock.lock();
        try {
            taking = false;
        } finally {
            lock.unlock();
        }
    }

    /** Takes no more commands, and looks at no more completions. */
    void stop() {
        lock.lock();
        try {
            taking = false;
            running = false;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Forgets the commands under way, of a controller that is stopped.
     *
     * @param row the requests that are lost already
     * @return those and the requests of this queue, which are to be delivered
     */
    @Nullable
    NvmeRequest lose(@Nullable NvmeRequest row, NvmeStatus status, String why) {
        NvmeRequest lost = row;
        lock.lock();
        try {
            for (int slot = 0; slot < slots.length; slot++) {
                NvmeRequest request = slots[slot];
                if (request != null) {
                    release(slot);
                    request.lose(status, why);
                    request.next = lost;
                    lost = request;
                }
            }
            return lost;
        } finally {
            lock.unlock();
        }
    }

    /** Both queues as they are when the controller begins with them. */
    void empty() {
        lock.lock();
        try {
            free = 0;
            for (int slot = slots.length - 1; slot >= 0; slot--) {
                if (slots[slot] == null) {
                    freeSlots[free++] = slot;
                }
            }
            tail = 0;
            rungTail = 0;
            head = 0;
            phase = 1;
            completions.fill((byte) 0);
            VarHandle.fullFence();
        } finally {
            lock.unlock();
        }
    }

    /** The memory of the queue is about to go. */
    void close() {
        lock.lock();
        try {
            taking = false;
            running = false;
            closed = true;
        } finally {
            lock.unlock();
        }
    }

    /** Its number, and whose it is. */
    @Override
    public String toString() {
        return (number == 0 ? "the admin queue of " : "queue " + number + " of ") + controller;
    }
}
