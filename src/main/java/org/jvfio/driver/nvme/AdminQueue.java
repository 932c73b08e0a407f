package org.jvfio.driver.nvme;

import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Predicate;
import org.jvfio.VfioException;

/**
 * The admin queue, and the admin commands that the driver issues: Identify, Get Log Page, Set Features, and those that
 * create and delete queues. A rejected one has changed nothing and may be submitted again: {@link Attempts} says how
 * often.
 */
final class AdminQueue {
    /** The submission queue is a page of 4 KiB: some controllers accept no part of one. */
    static final int ENTRIES = 64;

    static final int ALL_NAMESPACES = -1;

    static final int DELETE_SUBMISSION_QUEUE = 0x00;
    static final int CREATE_SUBMISSION_QUEUE = 0x01;
    static final int GET_LOG_PAGE = 0x02;
    static final int DELETE_COMPLETION_QUEUE = 0x04;
    static final int CREATE_COMPLETION_QUEUE = 0x05;
    static final int IDENTIFY = 0x06;
    static final int ABORT = 0x08;
    static final int SET_FEATURES = 0x09;
    static final int ASYNC_EVENT_REQUEST = 0x0c;

    static final int IDENTIFY_NAMESPACE = 0;
    static final int IDENTIFY_CONTROLLER = 1;
    static final int IDENTIFY_ACTIVE_NAMESPACES = 2;
    static final int IDENTIFY_DESCRIPTORS = 3;
    static final int IDENTIFY_CONTROLLER_OF_COMMAND_SET = 6;

    private static final int FEATURE_NUMBER_OF_QUEUES = 7;
    private static final int FEATURE_ASYNC_EVENTS = 11;
    private static final int FEATURE_HOST_BEHAVIOR = 0x16;
    private static final int HOST_BEHAVIOR_BYTES = 512;
    private static final byte ADVANCED_COMMAND_RETRY = 1;
    private static final long CHECK_NANOS = TimeUnit.MILLISECONDS.toNanos(5);
    private static final int PHYSICALLY_CONTIGUOUS = 1;
    private static final int INTERRUPTS_ENABLED = 1 << 1;
    private static final Duration MAX_SLEEP = Duration.ofMillis(10);

    /**
     * The outcome of a command that reads a data structure.
     *
     * @param data the data structure; empty if the controller has rejected the command
     */
    record Answer(Optional<ControllerData> data, NvmeStatus status, Optional<VfioException> rejection) {
        private static Answer of(ControllerData data) {
            return new Answer(Optional.of(data), NvmeStatus.SUCCESS, Optional.empty());
        }

        private static Answer rejected(NvmeRequest request) {
            return new Answer(Optional.empty(), request.status(), Optional.of(request.failure()));
        }

        /**
         * The data structure; empty if the controller has rejected the command with an expected status.
         *
         * @throws VfioException if it has rejected it with another one
         */
        Optional<ControllerData> unless(Predicate<NvmeStatus> isExpected) {
            if (rejection.isPresent() && !isExpected.test(status)) {
                throw rejection.get();
            }
            return data;
        }
    }

    private final ControllerLifecycle owner;
    private final ControllerRegisters registers;
    private final int pageShift;
    private final Duration timeout;
    private final DmaArea memory;
    private final NvmeQueue queue;
    private final NvmeBuffer data;
    private final NvmeBuffer hostBehavior;

    /**
     * Guards {@link #data}, and freeing it. Acquired before the controller's lock, except while the controller is
     * opened, when no other thread knows it. The watchdog never acquires it. No callback of the program runs with it
     * held, so that closing the controller in one cannot wait for its own thread.
     */
    private final ReentrantLock dataLock = new ReentrantLock();

    /**
     * Makes the queue of a stopped controller.
     *
     * @param memory at least {@link #memoryBytes}; freed by {@link #freeMemory}
     */
    AdminQueue(ControllerLifecycle owner, ControllerRegisters registers, int pageShift, DmaArea memory) {
        this.owner = owner;
        this.registers = registers;
        this.pageShift = pageShift;
        this.timeout = owner.options().adminTimeout();
        this.memory = memory;
        queue = new NvmeQueue(owner, registers, 0, layout(pageShift), memory);
        data = allocateData(memory);
        hostBehavior = memory.allocate(HOST_BEHAVIOR_BYTES);
        hostBehavior.segment().set(ValueLayout.JAVA_BYTE, 0, ADVANCED_COMMAND_RETRY);
    }

    private static QueueLayout layout(int pageShift) {
        // No lists: the data of a command is at most a page.
        return new QueueLayout(ENTRIES, pageShift, 0);
    }

    /** Bytes of a {@link DmaArea} for the queue, its data buffer, the log pages of events, and the host's behavior. */
    static long memoryBytes(int pageShift) {
        return layout(pageShift).memoryBytes()
                + 2 * DmaArea.toPages(ControllerData.BYTES, pageShift)
                + DmaArea.toPages(HOST_BEHAVIOR_BYTES, pageShift);
    }

    /** A buffer for the data structure of an Identify command or a log page. */
    static NvmeBuffer allocateData(DmaArea memory) {
        return memory.allocate(ControllerData.BYTES);
    }

    NvmeQueue queue() {
        return queue;
    }

    /** Enables a disabled controller with this queue, empty. */
    void enable(String operation) {
        queue.reset();
        registers.enable(operation, pageShift, ENTRIES, queue.submissionIova(), queue.completionIova());
        queue.start();
    }

    /**
     * Executes Identify and copies the data structure.
     *
     * @throws VfioException if the controller rejects the command or fails
     */
    ControllerData identify(String operation, int cns, int namespaceId) {
        return required(identifyRequest(operation, cns, namespaceId), ControllerData.BYTES);
    }

    /**
     * As {@link #identify}, where the controller may reject the command.
     *
     * @param isExpected the statuses that answer the question, with which the command is not submitted again
     * @throws VfioException if the controller fails
     */
    Answer identify(String operation, int cns, int namespaceId, Predicate<NvmeStatus> isExpected) {
        return read(identifyRequest(operation, cns, namespaceId), ControllerData.BYTES, isExpected);
    }

    private static NvmeRequest identifyRequest(String operation, int cns, int namespaceId) {
        return new NvmeRequest().admin(operation, IDENTIFY, namespaceId, cns, 0);
    }

    /**
     * Executes Get Log Page and copies the page.
     *
     * @throws VfioException if the controller rejects the command or fails
     */
    ControllerData log(String operation, int page, int bytes) {
        return required(
                new NvmeRequest().admin(operation, GET_LOG_PAGE, ALL_NAMESPACES, logDword10(page, bytes), 0), bytes);
    }

    /** Command dword 10 of Get Log Page. */
    static int logDword10(int page, int bytes) {
        return (bytes / Integer.BYTES - 1) << 16 | page;
    }

    private ControllerData required(NvmeRequest request, int bytes) {
        return read(request, bytes, _ -> false).unless(_ -> false).orElseThrow();
    }

    private Answer read(NvmeRequest request, int bytes, Predicate<NvmeStatus> isExpected) {
        Attempts attempts = new Attempts(owner.options());
        while (true) {
            Optional<ControllerData> read = readOnce(request, bytes);
            if (read.isPresent()) {
                return Answer.of(read.get());
            }
            if (!pauseToRetry(request, attempts, isExpected)) {
                if (!request.isRejected()) {
                    throw request.failure();
                }
                return Answer.rejected(request);
            }
        }
    }

    /** A copy, as the controller may change the buffer at any time; empty if the command has failed. */
    private Optional<ControllerData> readOnce(NvmeRequest request, int bytes) {
        dataLock.lock();
        try {
            // The caller may have waited for the lock while the controller was closed.
            owner.requireUsable();
            owner.requireOpenDevice();
            NvmeBuffer into = data.slice(0, bytes);
            into.segment().fill((byte) 0);
            submitAndAwait(request.data(into));
            if (!request.isSuccess()) {
                return Optional.empty();
            }
            VarHandle.fullFence();
            return Optional.of(ControllerData.copy(into.segment()));
        } finally {
            dataLock.unlock();
            owner.deliverFailed();
        }
    }

    boolean isDataLockHeld() {
        return dataLock.isHeldByCurrentThread();
    }

    /**
     * Frees the memory after all commands have ended. Waits for a thread that still copies data; caller holds no lock.
     */
    void freeMemory() {
        dataLock.lock();
        try {
            memory.close();
        } finally {
            dataLock.unlock();
        }
    }

    /**
     * Executes Set Features, Number of Queues; the request may have been rejected. Its dword 0 has the number of
     * completion queues granted in the upper half, of submission queues in the lower half, both zero-based.
     */
    NvmeRequest setQueueCount(String operation, int pairs) {
        int value = (pairs - 1) << 16 | (pairs - 1);
        NvmeRequest request = new NvmeRequest().admin(operation, SET_FEATURES, 0, FEATURE_NUMBER_OF_QUEUES, value);
        execute(request);
        return request;
    }

    /** Executes Set Features, Host Behavior Support with ACRE set; the request may have been rejected. */
    NvmeRequest enableRetryDelays(String operation) {
        NvmeRequest request = new NvmeRequest()
                .admin(operation, SET_FEATURES, 0, FEATURE_HOST_BEHAVIOR, 0)
                .data(hostBehavior);
        execute(request);
        return request;
    }

    /** Executes Set Features, Asynchronous Event Configuration; the request may have been rejected. */
    NvmeRequest setEvents(String operation, int events) {
        NvmeRequest request = new NvmeRequest().admin(operation, SET_FEATURES, 0, FEATURE_ASYNC_EVENTS, events);
        execute(request);
        return request;
    }

    /**
     * Creates the completion queue and the submission queue of a pair.
     *
     * @param vector the interrupt vector; negative for none
     */
    void create(String operation, NvmeQueue created, int vector) {
        int size = (created.entries() - 1) << 16 | created.number();
        int interrupt = vector < 0 ? 0 : vector << 16 | INTERRUPTS_ENABLED;
        require(new NvmeRequest()
                .admin(operation, CREATE_COMPLETION_QUEUE, 0, size, interrupt | PHYSICALLY_CONTIGUOUS)
                .data(created.completionIova(), 1));
        require(new NvmeRequest()
                .admin(operation, CREATE_SUBMISSION_QUEUE, 0, size, created.number() << 16 | PHYSICALLY_CONTIGUOUS)
                .data(created.submissionIova(), 1));
    }

    /** Deletes the submission queue and the completion queue of a pair. */
    void delete(String operation, NvmeQueue deleted) {
        require(new NvmeRequest().admin(operation, DELETE_SUBMISSION_QUEUE, 0, deleted.number(), 0));
        require(new NvmeRequest().admin(operation, DELETE_COMPLETION_QUEUE, 0, deleted.number(), 0));
    }

    /** A request that aborts a command of a queue. */
    static NvmeRequest abort(NvmeQueue queue, int identifier) {
        return new NvmeRequest().admin("abort a command of " + queue, ABORT, 0, identifier << 16 | queue.number(), 0);
    }

    /** Executes a command that must succeed. */
    private void require(NvmeRequest request) {
        execute(request);
        request.requireSuccess();
    }

    /** Executes a command, which may have failed. */
    private void execute(NvmeRequest request) {
        Attempts attempts = new Attempts(owner.options());
        do {
            submitAndAwait(request);
        } while (!request.isSuccess() && pauseToRetry(request, attempts, _ -> false));
    }

    /**
     * Whether a failed command is to be submitted again: the controller has rejected it with a status that allows it,
     * or a recovery from a freeze has failed it. Waits for the delay before that.
     *
     * @param isExpected the statuses that are an answer
     */
    private boolean pauseToRetry(NvmeRequest request, Attempts attempts, Predicate<NvmeStatus> isExpected) {
        boolean isTransient = request.isRejected()
                ? !isExpected.test(request.status())
                : request.isEndedByFreeze() && !owner.isLockHeld();
        if (!isTransient || !attempts.mayRetry(request.status())) {
            return false;
        }
        long end = System.nanoTime() + attempts.delayNanos(request, owner.retryDelays());
        for (long left = end - System.nanoTime(); left > 0; left = end - System.nanoTime()) {
            // A thread that holds the lock starts, resets or closes the controller itself.
            if (!owner.isLockHeld()) {
                owner.requireUsable();
            }
            Waiting.sleep(Duration.ofNanos(Math.min(left, MAX_SLEEP.toNanos())));
        }
        return true;
    }

    /** Submits a command and waits for its completion, successful or not. */
    private void submitAndAwait(NvmeRequest request) {
        // The watchdog checks nothing while this thread opens, resets, recovers or shuts down the controller.
        boolean isChecking = owner.isLockHeld();
        long begin = System.nanoTime();
        long checked = begin;
        boolean isSubmitted = false;
        while (!isSubmitted || !request.isDone()) {
            if (isSubmitted) {
                request.awaitBriefly(queue);
            } else {
                isSubmitted = queue.submit(request);
                if (!isSubmitted && queue.pollIfIdle() == 0) {
                    ReusableCompletion.pause();
                }
            }
            long now = System.nanoTime();
            if (isChecking && now - checked > CHECK_NANOS && !request.isDone()) {
                checked = now;
                registers.requireRunning(request.description());
                if (now - begin > timeout.toNanos()) {
                    // After the time was read: this thread may not have run for long.
                    queue.poll();
                    if (!request.isDone()) {
                        throw request.timeout(timeout);
                    }
                }
            }
        }
    }
}
