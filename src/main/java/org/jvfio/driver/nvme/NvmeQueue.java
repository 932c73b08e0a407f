package org.jvfio.driver.nvme;

import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;

/**
 * A submission queue with its completion queue. Any number of threads may use it; for the highest throughput give each
 * thread a queue of its own ({@link NvmeController#queue}).
 */
public final class NvmeQueue {
    private static final int ALL = Integer.MAX_VALUE;
    private static final System.Logger LOGGER = System.getLogger("org.jvfio.driver.nvme");

    private final ControllerLifecycle owner;
    private final int number;
    private final int entries;
    private final boolean hasInterrupts;
    private final SubmissionQueue submissions;
    private final CompletionQueue completions;

    /**
     * Guards {@link #state}, both rings, the slots, and the fields of a request in a slot. Held briefly and never
     * during a callback; may be acquired while the controller's lock is held, not the other way round.
     */
    private final ReentrantLock lock = new ReentrantLock();

    private final CommandSlots slots;
    private QueueState state = QueueState.STOPPED;
    private volatile boolean isPolled;

    /** Run once when a slot may be free or the controller ends. Not guarded by {@link #lock}. */
    private final Queue<Runnable> waiters = new ConcurrentLinkedQueue<>();

    NvmeQueue(
            ControllerLifecycle owner, ControllerRegisters registers, int number, QueueLayout layout, DmaArea memory) {
        this.owner = owner;
        this.number = number;
        entries = layout.entries();
        hasInterrupts = number == 0 || owner.options().completion() != NvmeCompletion.POLLED;
        isPolled = !hasInterrupts;
        NvmeBuffer submissionRing = memory.allocate(layout.submissionBytes());
        NvmeBuffer completionRing = memory.allocate(layout.completionBytes());
        PrpLists lists = PrpLists.of(memory, layout.commands(), layout.listBytes(), layout.pageShift());
        submissions = new SubmissionQueue(registers, number, layout, submissionRing, lists);
        completions = new CompletionQueue(registers, number, layout, completionRing);
        slots = new CommandSlots(layout.commands());
        reset();
    }

    /** The queue identifier, from 1; 0 is the admin queue. */
    public int number() {
        return number;
    }

    /** The maximum number of commands in flight. */
    public int capacity() {
        return slots.capacity();
    }

    /** The number of commands in flight. */
    public int inFlight() {
        lock.lock();
        try {
            return slots.inFlight();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Whether no interrupts complete its commands: threads that wait poll. So it is with {@link NvmeCompletion#POLLED},
     * and as soon as the driver has found that the interrupts of the queue never come.
     */
    public boolean isPolled() {
        return isPolled;
    }

    /** Has threads that wait poll from now on: its interrupts never come. */
    void pollInstead() {
        isPolled = true;
    }

    ControllerLifecycle owner() {
        return owner;
    }

    int entries() {
        return entries;
    }

    long submissionIova() {
        return submissions.iova();
    }

    long completionIova() {
        return completions.iova();
    }

    /**
     * Submits a command to the controller.
     *
     * @return false if the queue is full or the controller is being reset; the request is not in flight then. If true,
     *     the request completes exactly once, even if the controller fails
     * @throws VfioException if the controller has failed
     * @throws IllegalStateException if the request is in flight or was never prepared, its buffer is no longer mapped,
     *     or the controller is closed or being closed
     */
    public boolean submit(NvmeRequest request) {
        return add(request, true);
    }

    /**
     * Queues a command without writing the doorbell: the controller may not see it before {@link #ring}, {@link
     * #submit} or, if it sends no interrupts, a {@link #poll} of this queue that finds no completions, otherwise any
     * {@link #poll}. Several commands then cost one doorbell write.
     *
     * @return as {@link #submit}
     * @throws VfioException as {@link #submit}
     * @throws IllegalStateException as {@link #submit}
     */
    public boolean enqueue(NvmeRequest request) {
        return add(request, false);
    }

    private boolean add(NvmeRequest request, boolean ring) {
        request.requireMapped();
        RuntimeException failure = null;
        lock.lock();
        try {
            if (state != QueueState.RUNNING) {
                owner.requireUsable();
                return false;
            }
            if (slots.isFull()) {
                return false;
            }
            request.acquire();
            int slot = slots.allocate(request);
            try {
                submissions.add(request, slot);
                if (ring) {
                    submissions.ring();
                }
            } catch (RuntimeException e) {
                failure = e;
            }
        } finally {
            lock.unlock();
        }
        if (failure != null) {
            owner.fail("submit a command to " + this, failure);
        }
        return true;
    }

    /**
     * Writes the submission doorbell, so that the controller fetches the commands that were enqueued.
     *
     * @throws IllegalStateException if the controller is closed
     */
    public void ring() {
        RuntimeException failure = null;
        lock.lock();
        try {
            if (state == QueueState.CLOSED) {
                owner.requireUsable();
            }
            failure = tryToRing();
        } finally {
            lock.unlock();
        }
        if (failure != null) {
            owner.fail("submit a command to " + this, failure);
        }
    }

    private @Nullable RuntimeException tryToRing() {
        try {
            if (isProcessing()) {
                submissions.ring();
            }
            return null;
        } catch (RuntimeException e) {
            return e;
        }
    }

    private boolean isProcessing() {
        return state == QueueState.RUNNING || state == QueueState.DRAINING;
    }

    /**
     * Processes all completions there are and runs the callbacks of their requests in this thread.
     *
     * @return the number of commands completed
     * @throws IllegalStateException if the controller is closed
     */
    public int poll() {
        return poll(ALL);
    }

    /**
     * As {@link #poll()}, for at most a number of commands.
     *
     * @param max the maximum number of commands to complete
     * @return the number of commands completed
     * @throws IllegalStateException if the controller is closed
     */
    public int poll(int max) {
        lock.lock();
        return pollLocked(max);
    }

    /**
     * Waits until a request that was submitted to this queue completes, and polls the queue if {@link #isPolled}. If
     * the request is submitted again on completion, the new submission is not waited for. Must not be called by a
     * callback: it would delay the completions it waits for.
     *
     * @throws IllegalStateException if the controller is closed
     */
    public void await(NvmeRequest request) {
        request.await(this);
    }

    /** Polls unless another thread holds the queue's lock. */
    int pollIfIdle() {
        return lock.tryLock() ? pollLocked(ALL) : 0;
    }

    /** Polls, for an interrupt that may arrive after the queue was closed. */
    void pollUnlessClosed() {
        lock.lock();
        if (state == QueueState.CLOSED) {
            lock.unlock();
        } else {
            pollLocked(ALL);
        }
    }

    /** Caller holds {@link #lock}; this method releases it. */
    private int pollLocked(int max) {
        NvmeRequest first = null;
        NvmeRequest last = null;
        RuntimeException failure = null;
        int count = 0;
        try {
            if (state == QueueState.CLOSED) {
                owner.requireUsable();
                return 0;
            }
            if (state == QueueState.STOPPED) {
                return 0;
            }
            if (isTimeToRing()) {
                submissions.ring();
            }
            while (count < max) {
                NvmeRequest completed = reap();
                if (completed == null) {
                    break;
                }
                if (last == null) {
                    first = completed;
                } else {
                    last.next = completed;
                }
                last = completed;
                count++;
            }
            if (count > 0) {
                completions.ring(hasInterrupts);
            }
        } catch (IllegalStateException e) {
            if (state == QueueState.CLOSED) {
                throw e;
            }
            failure = e;
        } catch (RuntimeException e) {
            failure = e;
        } finally {
            lock.unlock();
        }
        deliver(first, hasInterrupts);
        if (failure != null) {
            owner.fail("process the completions of " + this, failure);
        }
        if (count > 0 && !waiters.isEmpty()) {
            runWaiters();
        }
        return count;
    }

    /**
     * Whether enqueued commands cannot wait: there are no completions, after which the caller may enqueue more, or the
     * controller has fewer commands than wait for it. A queue with interrupts need not be polled again.
     */
    private boolean isTimeToRing() {
        int waiting = submissions.unrung();
        return waiting > 0 && (hasInterrupts || 2 * waiting >= slots.inFlight() || completions.isEmpty());
    }

    /** Completes the command of the next completion queue entry; null if there is none. */
    private @Nullable NvmeRequest reap() {
        if (!completions.next()) {
            return null;
        }
        int identifier = completions.identifier();
        NvmeRequest request = slots.get(identifier);
        if (request == null) {
            throw invalid("the controller completed command 0x%04x, which is not in flight".formatted(identifier));
        }
        String defect = completions.defect();
        if (defect != null) {
            throw invalid(defect);
        }
        completions.advance();
        slots.release(identifier);
        request.complete(completions.statusField(), completions.result());
        return request;
    }

    private VfioException invalid(String reason) {
        return new VfioException(
                Kind.DEVICE_ERROR,
                "process the completions of " + this,
                reason,
                "use another drive, or newer firmware");
    }

    /** Completes a list of requests, whatever their callbacks throw, and wakes who waits. No lock may be held. */
    static void deliver(@Nullable NvmeRequest first) {
        deliver(first, true);
    }

    private static void deliver(@Nullable NvmeRequest first, boolean wakes) {
        for (NvmeRequest request = first; request != null; ) {
            NvmeRequest following = request.next;
            request.next = null;
            request.deliver(wakes);
            request = following;
        }
    }

    /**
     * Runs an action once, when a slot may be free or the controller ends: now, or in the thread that completes a
     * command, makes the controller ready or ends it. The action is queued before the check for a free slot, and the
     * other side frees the slot before it checks for waiters, so that one of them sees the other.
     */
    void whenSlotFree(Runnable action) {
        waiters.add(action);
        if (mayHaveFreeSlot()) {
            runWaiters();
        }
    }

    /** False during a reset too: the waiters run when it is over. */
    private boolean mayHaveFreeSlot() {
        lock.lock();
        try {
            return state == QueueState.RUNNING ? !slots.isFull() : owner.isEnding();
        } finally {
            lock.unlock();
        }
    }

    /** Runs the actions that are waiting now, each once. */
    void runWaiters() {
        for (int remaining = waiters.size(); remaining > 0; remaining--) {
            Runnable action = waiters.poll();
            if (action == null) {
                return;
            }
            action.run();
        }
    }

    /** {@link CommandSlots#timedOut} of the commands in flight. */
    int timedOut(long nowNanos, long limitNanos) {
        lock.lock();
        try {
            return slots.timedOut(nowNanos, limitNanos);
        } finally {
            lock.unlock();
        }
    }

    boolean isInFlight(int identifier) {
        lock.lock();
        try {
            return slots.get(identifier) != null;
        } finally {
            lock.unlock();
        }
    }

    /** Marks a command as to be aborted; false if it is no longer in flight. */
    boolean markAborted(int identifier) {
        lock.lock();
        try {
            NvmeRequest request = slots.get(identifier);
            if (request == null) {
                return false;
            }
            request.abortRequested = true;
            return true;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Accepts commands; the controller knows the queue, and knows it as empty. Commands that {@link #end} has kept are
     * submitted again.
     */
    void start() {
        lock.lock();
        try {
            if (state == QueueState.CLOSED) {
                return;
            }
            state = QueueState.RUNNING;
            if (slots.inFlight() > 0) {
                submitKept();
            }
        } finally {
            lock.unlock();
        }
    }

    private void submitKept() {
        for (int slot = 0; slot < slots.capacity(); slot++) {
            NvmeRequest request = slots.inSlot(slot);
            if (request != null) {
                request.isTimed = false;
                submissions.add(request, slot);
            }
        }
        submissions.ring();
    }

    /** Accepts no more commands; those in flight still complete. */
    void drain() {
        lock.lock();
        try {
            if (state == QueueState.RUNNING) {
                state = QueueState.DRAINING;
            }
        } finally {
            lock.unlock();
        }
    }

    /** Accepts no more commands and processes no more completions. */
    void stop() {
        enter(QueueState.STOPPED);
    }

    /** Must precede freeing the memory of the queue. */
    void close() {
        enter(QueueState.CLOSED);
    }

    private void enter(QueueState next) {
        lock.lock();
        try {
            if (state != QueueState.CLOSED) {
                state = next;
            }
        } finally {
            lock.unlock();
        }
    }

    /**
     * Fails all commands in flight. The controller must be stopped.
     *
     * @param failed requests that have failed already
     * @return those and the requests of this queue, to be delivered
     */
    @Nullable
    NvmeRequest failAll(@Nullable NvmeRequest failed, CommandFailure why) {
        lock.lock();
        try {
            return slots.failAll(failed, why);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Ends the commands in flight of a controller that does no DMA any more: records the completions that it has
     * written, keeps the commands that can be repeated for {@link #start}, and fails the others.
     *
     * @param maxRepeats how often a command is repeated
     */
    void end(EndedCommands ended, CommandFailure why, int maxRepeats) {
        lock.lock();
        try {
            for (NvmeRequest completed = reap(); completed != null; completed = reap()) {
                ended.completed(completed);
            }
        } catch (VfioException e) {
            // What it wrote last is not trusted; the commands are repeated or fail.
            LOGGER.log(System.Logger.Level.WARNING, e.getMessage());
        } finally {
            slots.end(ended, why, maxRepeats);
            lock.unlock();
        }
    }

    /** Empties both rings, as the controller assumes when the queues are created. */
    void reset() {
        lock.lock();
        try {
            slots.reset();
            submissions.reset();
            completions.reset();
        } finally {
            lock.unlock();
        }
    }

    /** The queue identifier and the device. */
    @Override
    public String toString() {
        return (number == 0 ? "the admin queue of " : "queue " + number + " of ") + owner;
    }
}
