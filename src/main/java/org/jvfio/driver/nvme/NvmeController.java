package org.jvfio.driver.nvme;

import java.lang.invoke.VarHandle;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.jvfio.Device;
import org.jvfio.DmaWindow;
import org.jvfio.Group;
import org.jvfio.InterruptType;
import org.jvfio.Interrupts;
import org.jvfio.PciAddress;
import org.jvfio.VfioException;

/**
 * An NVMe controller that this process drives. Any number of threads may use it.
 *
 * <p>A command that is not done in time is aborted; where that does not help, the controller is reset, and all commands
 * under way end with {@link NvmeStatus#ABORTED_BY_HOST}, once the controller cannot reach their buffers any more. A
 * controller that gives answers that make no sense, or none, is disabled ({@link NvmeState#FAILED}).
 *
 * <p>A thread of the driver looks after timeouts, events, and completions whose interrupt was lost. The source is the NVM Express base specification 1.4.
 */
public final class NvmeController implements AutoCloseable {
    /** The class code of NVMe in configuration space: mass storage, non-volatile memory, NVMe. */
    public static final int CLASS_CODE = 0x010802;

    private static final int CLASS_REGISTER = 0x08;
    private static final int ADMIN_ENTRIES = 32;
    private static final int ALL_NAMESPACES = -1;
    private static final int DATA_BYTES = ControllerData.BYTES;

    private static final int DELETE_SUBMISSION_QUEUE = 0x00;
    private static final int CREATE_SUBMISSION_QUEUE = 0x01;
    private static final int GET_LOG_PAGE = 0x02;
    private static final int DELETE_COMPLETION_QUEUE = 0x04;
    private static final int CREATE_COMPLETION_QUEUE = 0x05;
    private static final int IDENTIFY = 0x06;
    private static final int ABORT = 0x08;
    private static final int SET_FEATURES = 0x09;

    private static final int IDENTIFY_NAMESPACE = 0;
    private static final int IDENTIFY_CONTROLLER = 1;
    private static final int IDENTIFY_LIST = 2;
    private static final int LIST_ENTRIES = DATA_BYTES / Integer.BYTES;
    private static final int MAX_NAMESPACES = 1 << 14;
    private static final int FEATURE_QUEUES = 7;
    private static final int FEATURE_EVENTS = 11;
    private static final int ALL_HEALTH_EVENTS = 0xff;
    private static final int NAMESPACE_EVENTS = 1 << 8;
    private static final int LOG_HEALTH = 2;

    private static final Duration ABORT_GRACE = Duration.ofMillis(500);
    private static final long SHORTEST_TICK_MILLIS = 1;
    private static final long MAX_TICK_MILLIS = 250;
    private static final System.Logger LOGGER = System.getLogger("org.jvfio.driver.nvme");

    // Two drivers of a controller would reset it under each other.
    private static final Set<Function> DRIVEN = ConcurrentHashMap.newKeySet();

    /** What all descriptors of a device are one of: the kernel lets nobody open a group twice. */
    private record Function(Group group, PciAddress address) {
        static Function of(Device device) {
            return new Function(device.group(), device.address());
        }
    }

    private final Device device;
    private final NvmeOptions options;
    private final DmaWindow window;
    private final ControllerRegisters registers;
    private final Capabilities capabilities;
    private final int pageShift;
    private final DmaArea adminMemory;
    private final NvmeQueue admin;
    private final NvmeBuffer data;
    private final List<NvmeQueue> queues = new ArrayList<>();
    private final EventRequests events;
    private final CountDownLatch end = new CountDownLatch(1);
    private final CountDownLatch released = new CountDownLatch(1);

    /**
     * Whoever changes the state has it, and whoever stops, starts or loses the commands of the queues. It may be held long,
     * as a reset is; neither submitting nor completing a command needs it.
     *
     * <p>Order: {@link #dataLock}, this, the lock of a queue; two queues are never locked at a time. A queue that meets a
     * failure calls {@link #fail} when it has given its lock back. Opening, which nobody else takes part in yet, takes the
     * first two the other way round.
     *
     * <p>No callback of the program is called with any of them held. Under this lock only the admin queue is polled, whose
     * callbacks are the driver's own; requests that are lost are told of by {@link #tellLost}.
     */
    private final ReentrantLock lock = new ReentrantLock();

    /** Whoever has it uses the data buffer of the program's admin commands; the thread that looks after all never does. */
    private final ReentrantLock dataLock = new ReentrantLock();

    private final Thread watch;

    private @Nullable NvmeIdentity identity;
    private @Nullable DmaArea queueMemory;
    private @Nullable Interrupts interrupts;
    private long maxTransferBytes;
    private volatile NvmeState state = NvmeState.RESETTING;
    private volatile @Nullable VfioException failure;
    // Both are guarded by the lock: who closes it; I/O commands that are lost, and whom nobody has told yet.
    private @Nullable Thread closer;
    private @Nullable NvmeRequest lost;
    private final AtomicInteger resets = new AtomicInteger();
    private final AtomicInteger aborts = new AtomicInteger();

    private NvmeController(Device device, NvmeOptions options, String asked) {
        this.device = device;
        this.options = options;
        window = options.window()
                .orElseGet(() -> device.container().windows().stream()
                        .filter(DmaWindow::isDefault)
                        .findFirst()
                        .orElseGet(() -> device.container().windows().stream()
                                .findFirst()
                                .orElseThrow(() -> new VfioException(
                                        asked, "its container has no DMA window", "create a window"))));
        registers = new ControllerRegisters(device);
        capabilities = registers.capabilities(asked);
        int least = 1 << capabilities.leastPageShift();
        int most = 1 << Math.min(capabilities.mostPageShift(), Integer.SIZE - 2);
        pageShift = capabilities.pageShift(asked, options.pageBytes().orElse(Math.clamp(1 << 12, least, most)));
        stopController(asked);
        int listBytes = PrpLists.listBytes(DATA_BYTES, pageShift);
        adminMemory = DmaArea.of(
                device.container(),
                window,
                NvmeQueue.memoryBytes(ADMIN_ENTRIES, pageShift, listBytes) + 3L * Math.max(1 << pageShift, DATA_BYTES));
        admin = new NvmeQueue(this, registers, capabilities, 0, ADMIN_ENTRIES, pageShift, listBytes, adminMemory);
        int dataAlignment = Math.max(1 << pageShift, DATA_BYTES);
        data = adminMemory.take(DATA_BYTES, dataAlignment);
        events = new EventRequests(this, admin, adminMemory.take(DATA_BYTES, dataAlignment), options.events());
        watch = Thread.ofPlatform().daemon().name("nvme " + device).unstarted(this::watch);
    }

    /**
     * Takes a controller over: resets it, makes its queues, and finds out what it is. It has to be closed before the device
     * is; closing it leaves the device open.
     *
     * @throws VfioException if the device is no NVMe controller, is driven already, or has no interrupts of the kind that
     *     the options ask for: it is left as it is then; or if it does not answer, or answers what makes no sense: it is
     *     disabled then
     * @throws IllegalStateException if the device is closed
     */
    public static NvmeController open(Device device, NvmeOptions options) {
        String asked = "drive " + device + " as NVMe";
        int code = device.config().readInt(CLASS_REGISTER);
        if (code >>> 8 != CLASS_CODE) {
            throw new VfioException(
                    asked,
                    code == ControllerRegisters.NO_ANSWER
                            ? "its configuration space reads all ones: it is gone, or its PE is frozen"
                            : "its class is %06x, where NVMe has %06x".formatted(code >>> 8, CLASS_CODE),
                    code == ControllerRegisters.NO_ANSWER ? "look at the state of its PE" : "name an NVMe drive");
        }
        options.completion().interrupts().ifPresent(type -> requireInterrupts(asked, device, type));
        if (!DRIVEN.add(Function.of(device))) {
            throw new VfioException(asked, "this process drives it already", "use that controller, or close it first");
        }
        try {
            NvmeController controller = stopped(device, options, asked);
            try {
                controller.begin(asked);
            } catch (RuntimeException e) {
                controller.giveUp(e);
                throw e;
            }
            return controller;
        } catch (RuntimeException e) {
            DRIVEN.remove(Function.of(device));
            throw e;
        }
    }

    /** A controller that does not run; whoever drove it before may have left it running, and its bus mastering on. */
    private static NvmeController stopped(Device device, NvmeOptions options, String asked) {
        try {
            device.enableMemory();
            return new NvmeController(device, options, asked);
        } catch (RuntimeException e) {
            try {
                device.disableBusMastering();
            } catch (RuntimeException suppressed) {
                if (!suppressed.equals(e)) {
                    e.addSuppressed(suppressed);
                }
            }
            throw e;
        }
    }

    private static void requireInterrupts(String asked, Device device, InterruptType type) {
        if (device.interruptInfo(type).count() == 0) {
            throw new VfioException(
                    asked,
                    "it has no %s; it has %s".formatted(type, device.describeInterrupts()),
                    "choose one that it has, or poll");
        }
    }

    private void begin(String asked) {
        lock.lock();
        try {
            device.enableBusMastering();
            startAdmin(asked);
            NvmeIdentity found = NvmeIdentity.of(asked, identify(asked, IDENTIFY_CONTROLLER, 0), registers.version());
            identity = found;
            maxTransferBytes = maxTransfer(found);
            makeQueues(asked);
            enableInterrupts();
            createQueues(asked);
            askForEvents();
            state = NvmeState.READY;
            queues.forEach(NvmeQueue::start);
            watch.start();
        } finally {
            lock.unlock();
        }
    }

    /** What was begun and did not work out is undone; the device stays open, its bus mastering off. */
    private void giveUp(RuntimeException cause) {
        try {
            fail("open it", cause);
            end.countDown();
            release();
        } catch (RuntimeException suppressed) {
            if (!suppressed.equals(cause)) {
                cause.addSuppressed(suppressed);
            }
        }
    }

    private void startAdmin(String asked) {
        admin.empty();
        registers.enable(asked, capabilities, pageShift, ADMIN_ENTRIES, admin.submissionIova(), admin.completionIova());
        admin.start();
    }

    private long maxTransfer(NvmeIdentity of) {
        long page = 1L << pageShift;
        long most = Math.max(options.maxTransferBytes() & -page, page);
        int shift = capabilities.leastPageShift() + of.transferPages();
        return of.transferPages() == 0 || shift >= Long.SIZE - 2 ? most : Math.min(most, 1L << shift);
    }

    private void makeQueues(String asked) {
        int wanted = Math.min(options.queuePairs(), registers.doorbellPairs(capabilities));
        if (wanted < 1) {
            throw new VfioException(
                    asked,
                    "its BAR 0 has no doorbells for I/O queues, which are %d bytes apart"
                            .formatted(capabilities.doorbellStride()),
                    "use another drive, or newer firmware");
        }
        int granted = setQueues(asked, wanted);
        int pairs = Math.min(wanted, Math.min((granted & 0xffff) + 1, (granted >>> 16) + 1));
        int entries = Math.min(options.queueDepth(), capabilities.queueEntries());
        int listBytes = PrpLists.listBytes(maxTransferBytes, pageShift);
        DmaArea memory =
                DmaArea.of(device.container(), window, pairs * NvmeQueue.memoryBytes(entries, pageShift, listBytes));
        queueMemory = memory;
        for (int number = 1; number <= pairs; number++) {
            queues.add(new NvmeQueue(this, registers, capabilities, number, entries, pageShift, listBytes, memory));
        }
    }

    /** Number of Queues: how many of each kind there are, less one, the completion queues above. */
    private int setQueues(String asked, int pairs) {
        int value = (pairs - 1) << 16 | (pairs - 1);
        return succeed(new NvmeRequest().admin(asked, SET_FEATURES, 0, FEATURE_QUEUES, value));
    }

    /** As many vectors as there are for the queues; queues share them if there are fewer. */
    private void enableInterrupts() {
        InterruptType type = options.completion().interrupts().orElse(null);
        if (type == null) {
            return;
        }
        int wanted = queues.size() + 1;
        int most = switch (type) {
            case INTX -> 1;
            // They are allocated in powers of two; firmware may refuse another number.
            case MSI -> Integer.highestOneBit(2 * wanted - 1);
            default -> wanted;
        };
        interrupts = device.enableInterrupts(type, 1, most);
        for (int vector = 0; vector < vectors(); vector++) {
            int number = vector;
            List<NvmeQueue> served = new ArrayList<>();
            if (vector == 0) {
                served.add(admin);
            }
            queues.stream().filter(queue -> vectorOf(queue.number()) == number).forEach(served::add);
            enabled().onInterrupt(vector, () -> interrupted(served));
        }
    }

    private Interrupts enabled() {
        return Objects.requireNonNull(interrupts);
    }

    /** How many vectors interrupt for its queues and the admin queue; 0 if it is polled. */
    public int vectors() {
        return interrupts == null ? 0 : Math.min(enabled().vectors(), queues.size() + 1);
    }

    /** Vector 0 is the admin queue's, which others share only if it is the only one. */
    private int vectorOf(int queue) {
        int others = vectors() - 1;
        return others <= 0 ? 0 : 1 + (queue - 1) % others;
    }

    private void interrupted(List<NvmeQueue> served) {
        served.forEach(NvmeQueue::pollUnlessClosed);
        if (options.completion() == NvmeCompletion.INTX && state != NvmeState.CLOSED && state != NvmeState.FAILED) {
            try {
                // The controller asserts the line until it knows that its completions were seen.
                enabled().unmask();
            } catch (RuntimeException e) {
                // Nothing would be completed any more; it is no failure if they were closed meanwhile.
                fail("unmask its interrupt", e);
            }
        }
    }

    private void createQueues(String asked) {
        for (NvmeQueue queue : queues) {
            queue.empty();
            int size = (queue.entries() - 1) << 16 | queue.number();
            int contiguous = 1;
            int interrupting = interrupts == null ? 0 : vectorOf(queue.number()) << 16 | 1 << 1;
            succeed(new NvmeRequest()
                    .admin(asked, CREATE_COMPLETION_QUEUE, 0, size, interrupting | contiguous)
                    .data(queue.completionIova(), 1));
            succeed(new NvmeRequest()
                    .admin(asked, CREATE_SUBMISSION_QUEUE, 0, size, queue.number() << 16 | contiguous)
                    .data(queue.submissionIova(), 1));
        }
    }

    /** Gives an admin command, and waits for it: dword 0 of its completion. */
    private int succeed(NvmeRequest request) {
        execute(request);
        request.requireSuccess();
        return request.result();
    }

    /** Gives an admin command, and waits until it is done, well or not. */
    private void execute(NvmeRequest request) {
        // Nobody else sees that a command is late while this thread makes the controller ready, or shuts it down.
        boolean isAlone = lock.isHeldByCurrentThread();
        long limit = System.nanoTime() + options.adminTimeout().toNanos();
        while (!admin.submit(request)) {
            if (admin.pollIfIdle() == 0) {
                Awaited.pause();
            }
            requireInTime(request, isAlone, limit);
        }
        while (!request.isDone()) {
            request.awaitSlice(admin);
            requireInTime(request, isAlone, limit);
        }
    }

    private void requireInTime(NvmeRequest request, boolean isAlone, long limit) {
        if (isAlone && System.nanoTime() - limit > 0 && !request.isDone()) {
            throw request.late(options.adminTimeout());
        }
    }

    private ControllerData identify(String asked, int what, int namespace) {
        return read(new NvmeRequest().admin(asked, IDENTIFY, namespace, what, 0), DATA_BYTES);
    }

    private ControllerData log(String asked, int page, int bytes) {
        int dwords = bytes / Integer.BYTES - 1;
        return read(new NvmeRequest().admin(asked, GET_LOG_PAGE, ALL_NAMESPACES, dwords << 16 | page, 0), bytes);
    }

    /** What a command writes, as it was at one moment. */
    private ControllerData read(NvmeRequest request, int bytes) {
        dataLock.lock();
        try {
            NvmeBuffer into = data.slice(0, bytes);
            into.segment().fill((byte) 0);
            succeed(request.data(into));
            VarHandle.fullFence();
            return ControllerData.copy(into.segment());
        } finally {
            dataLock.unlock();
            tellLost();
        }
    }

    /** The device that it is. */
    public Device device() {
        return device;
    }

    /** How it is driven. */
    public NvmeOptions options() {
        return options;
    }

    /** What it says of itself. */
    public NvmeIdentity identity() {
        NvmeIdentity known = identity;
        if (known == null) {
            throw new IllegalStateException("the controller is not open yet");
        }
        return known;
    }

    /** What it can be asked for at this moment. */
    public NvmeState state() {
        return state;
    }

    /** The size of its memory pages, in bytes (CC.MPS). */
    public int pageBytes() {
        return 1 << pageShift;
    }

    /** The most bytes that one command transfers, by its limits (MDTS) and the driver's. */
    public long maxTransferBytes() {
        return maxTransferBytes;
    }

    /** How often it was reset after a command was lost. */
    public int resets() {
        return resets.get();
    }

    /** How many commands were asked to be aborted because they were late. */
    public int aborts() {
        return aborts.get();
    }

    /** Its pairs of I/O queues. */
    public List<NvmeQueue> queues() {
        return List.copyOf(queues);
    }

    /**
     * One of its pairs of I/O queues.
     *
     * @param index from 0
     * @throws IndexOutOfBoundsException if it does not have as many
     */
    public NvmeQueue queue(int index) {
        return queues.get(index);
    }

    /** The queue that a thread uses if it does not choose. */
    NvmeQueue queueOfThread() {
        return queues.get((int) (Thread.currentThread().threadId() % queues.size()));
    }

    /**
     * Looks at all I/O queues: {@link NvmeQueue#poll} of each.
     *
     * @return how many commands were complete
     * @throws IllegalStateException if it is closed
     */
    public int poll() {
        int count = 0;
        for (NvmeQueue queue : queues) {
            count += queue.poll();
        }
        return count;
    }

    /**
     * The numbers of its active namespaces, in ascending order.
     *
     * @throws VfioException if it fails, or the list makes no sense
     * @throws IllegalStateException if it is closed
     */
    public List<Integer> namespaceIds() {
        String asked = "list the namespaces of " + this;
        List<Integer> ids = new ArrayList<>();
        long last = 0;
        while (true) {
            requireUsable();
            ControllerData list = identify(asked, IDENTIFY_LIST, (int) last);
            for (int i = 0; i < LIST_ENTRIES; i++) {
                long id = Integer.toUnsignedLong(list.integer(i * Integer.BYTES));
                if (id == 0) {
                    return List.copyOf(ids);
                }
                if (id <= last || id > identity().mostNamespaces() || ids.size() == MAX_NAMESPACES) {
                    throw new VfioException(
                            asked,
                            "namespace %d follows %d, of %d in all"
                                    .formatted(id, last, identity().mostNamespaces()),
                            "use another drive, or newer firmware");
                }
                ids.add((int) id);
                last = id;
            }
        }
    }

    /**
     * A namespace.
     *
     * @param id its number, from 1
     * @throws VfioException if there is none of that number, it is in a format that this driver cannot use, or the
     *     controller fails
     * @throws IllegalStateException if it is closed
     */
    public NvmeNamespace namespace(int id) {
        String asked = "use namespace %d of %s".formatted(id, this);
        requireUsable();
        if (id < 1 || id > identity().mostNamespaces()) {
            throw new VfioException(
                    asked,
                    "it has namespaces 1 to %d".formatted(identity().mostNamespaces()),
                    "see those that it lists: " + namespaceIds());
        }
        ControllerData found = identify(asked, IDENTIFY_NAMESPACE, id);
        if (found.longInteger(0) == 0) {
            throw new VfioException(asked, "there is none of that number", "use one of " + namespaceIds());
        }
        NamespaceFormat format = NamespaceFormat.of(asked, found);
        if (maxTransferBytes >>> format.blockShift() == 0) {
            throw new VfioException(
                    asked,
                    "a command transfers %d bytes at most, and a block has %d"
                            .formatted(maxTransferBytes, 1 << format.blockShift()),
                    "open the controller with larger transfers, or use another drive");
        }
        return new NvmeNamespace(this, id, format);
    }

    /**
     * The state of its health (SMART).
     *
     * @throws VfioException if it fails
     * @throws IllegalStateException if it is closed
     */
    public NvmeHealth health() {
        requireUsable();
        return NvmeHealth.of(log("read the health of " + this, LOG_HEALTH, NvmeHealth.BYTES));
    }

    /**
     * Zeroed memory that it can read and write without a copy, in its window.
     *
     * @param bytes at least 1; rounded up to whole pages
     * @throws VfioException if there is not enough memory, too little may be locked, or the window is full
     */
    public NvmeBuffer allocate(long bytes) {
        return DmaArea.allocate(device.container(), window, bytes);
    }

    /** Waits for something in a queue. */
    void await(NvmeQueue queue, Awaited what) {
        what.await(queue, options.completion() == NvmeCompletion.POLLED);
    }

    /**
     * Refuses what a closed or failed controller cannot do.
     *
     * @throws VfioException if it has failed
     * @throws IllegalStateException if it is closed or being closed
     */
    void requireUsable() {
        NvmeState now = state;
        if (now == NvmeState.CLOSED || now == NvmeState.CLOSING) {
            String being = now == NvmeState.CLOSING ? "being " : "";
            throw new IllegalStateException("the NVMe controller of %s is %sclosed".formatted(this, being));
        }
        VfioException cause = failure;
        if (cause != null) {
            throw new VfioException("use " + this, cause.reason(), cause.hint());
        }
    }

    /** Whether it takes no commands now, and never will again. */
    boolean isEnding() {
        return switch (state) {
            case READY, RESETTING -> false;
            case FAILED, CLOSING, CLOSED -> true;
        };
    }

    // Events, timeouts, failures.

    /** As Linux does, it is driven also if it refuses to be told which events are wanted. */
    private void askForEvents() {
        int wanted = ALL_HEALTH_EVENTS | (identity().notices() & NAMESPACE_EVENTS);
        NvmeRequest request =
                new NvmeRequest().admin("choose the events of " + this, SET_FEATURES, 0, FEATURE_EVENTS, wanted);
        execute(request);
        if (request.isRefused()) {
            LOGGER.log(
                    System.Logger.Level.WARNING,
                    "{0}; it tells of those that it chooses",
                    request.failure().getMessage());
        } else {
            request.requireSuccess();
        }
        events.begin(identity().eventLimit());
    }

    /** Without this thread nothing has a timeout: whatever it ends for, the controller does not outlive it. */
    private void watch() {
        long tick = Math.clamp(options.commandTimeout().toMillis() / 4, SHORTEST_TICK_MILLIS, MAX_TICK_MILLIS);
        String asked = "look after " + this;
        try {
            while (state != NvmeState.FAILED && !end.await(tick, TimeUnit.MILLISECONDS)) {
                look();
            }
        } catch (RuntimeException e) {
            fail(asked, e);
        } catch (InterruptedException interrupted) {
            fail(asked, new IllegalStateException("its thread was interrupted", interrupted));
        } catch (Error e) {
            fail(asked, new IllegalStateException("its thread has ended: " + e, e));
            throw e;
        }
    }

    private void look() {
        if (state != NvmeState.READY) {
            return;
        }
        switch (registers.health()) {
            case DEAD -> fail("use it", registers.dead("use " + this));
            case STOPPED -> reset("it stopped by itself");
            case RUNNING -> {
                admin.poll();
                if (interrupts != null) {
                    // An interrupt may have been lost, and nobody else looks.
                    queues.forEach(NvmeQueue::poll);
                }
                lookForLate();
                events.tell();
            }
        }
    }

    private void lookForLate() {
        if (admin.late(System.nanoTime(), options.adminTimeout().toNanos()) != NvmeQueue.NONE) {
            reset("an admin command was not done in time");
            return;
        }
        long limit = options.commandTimeout().toNanos();
        for (NvmeQueue queue : queues) {
            if (queue.late(System.nanoTime(), limit) != NvmeQueue.NONE) {
                // It may be done, and nobody has looked.
                queue.poll();
            }
            // Each turn ends one at least; none becomes late that was submitted after the first turn.
            int late = queue.late(System.nanoTime(), limit);
            while (late != NvmeQueue.NONE) {
                if (!abort(queue, late)) {
                    reset("a command was not done in time, and could not be aborted");
                    return;
                }
                late = queue.late(System.nanoTime(), limit);
            }
        }
    }

    /** Has the controller end a command; whether it did. */
    private boolean abort(NvmeQueue queue, int identifier) {
        if (!queue.abortIsAsked(identifier)) {
            return true;
        }
        aborts.incrementAndGet();
        NvmeRequest abort =
                new NvmeRequest().admin("abort a command of " + queue, ABORT, 0, identifier << 16 | queue.number(), 0);
        long grace = System.nanoTime() + ABORT_GRACE.toNanos();
        if (!admin.submit(abort)) {
            return false;
        }
        while (System.nanoTime() - grace < 0) {
            admin.poll();
            queue.poll();
            if (!queue.isUnderWay(identifier)) {
                return true;
            }
            if (abort.isDone() && (!abort.isSuccess() || (abort.result() & 1) != 0)) {
                return false;
            }
            Awaited.pause();
        }
        return !queue.isUnderWay(identifier);
    }

    /** Brings a controller that lost commands back; all commands under way are lost. */
    private void reset(String why) {
        lock.lock();
        try {
            if (state != NvmeState.READY) {
                return;
            }
            LOGGER.log(System.Logger.Level.DEBUG, "resetting {0}: {1}", this, why);
            state = NvmeState.RESETTING;
            resets.incrementAndGet();
            stopQueues();
            String asked = "reset " + this;
            try {
                stopController(asked);
                lose(NvmeStatus.ABORTED_BY_HOST, "the controller was reset: " + why);
                startAdmin(asked);
                int granted = setQueues(asked, queues.size());
                if (Math.min(granted & 0xffff, granted >>> 16) + 1 < queues.size()) {
                    throw new VfioException(asked, "it has fewer queues than before", "open the controller again");
                }
                createQueues(asked);
                askForEvents();
                state = NvmeState.READY;
                queues.forEach(NvmeQueue::start);
            } catch (RuntimeException e) {
                disable(asked, e);
            }
        } finally {
            lock.unlock();
        }
        tellLost();
    }

    /** The controller does no DMA afterwards. */
    private void stopController(String asked) {
        try {
            registers.disable(asked, capabilities);
        } catch (VfioException e) {
            if (!device.isResettable() || registers.health() == ControllerHealth.DEAD) {
                throw e;
            }
            device.reset();
            device.enableMemory();
            registers.disable(asked, capabilities);
            device.enableBusMastering();
        }
    }

    private void stopQueues() {
        admin.stop();
        queues.forEach(NvmeQueue::stop);
    }

    /** Forgets all commands under way, which the controller cannot do any more; called with the lock held. */
    private void lose(NvmeStatus status, String why) {
        NvmeQueue.deliver(admin.lose(null, status, why));
        for (NvmeQueue queue : queues) {
            lost = queue.lose(lost, status, why);
        }
    }

    /** Ends the requests that are lost, and has who waits for room look again; later, if this thread has a lock. */
    private void tellLost() {
        if (lock.isHeldByCurrentThread() || dataLock.isHeldByCurrentThread()) {
            return;
        }
        NvmeRequest row;
        lock.lock();
        try {
            row = lost;
            lost = null;
        } finally {
            lock.unlock();
        }
        NvmeQueue.deliver(row);
        queues.forEach(NvmeQueue::resume);
    }

    /** Ends the work with a controller that cannot be trusted; called without the lock of a queue. */
    void fail(String asked, RuntimeException cause) {
        lock.lock();
        try {
            if (state != NvmeState.FAILED && state != NvmeState.CLOSED) {
                disable(asked, cause);
            }
        } finally {
            lock.unlock();
        }
        tellLost();
    }

    /** Stops the controller as far as it can be stopped, and loses its commands. */
    private void disable(String asked, RuntimeException cause) {
        VfioException reason = cause instanceof VfioException e
                ? e
                : new VfioException(asked, String.valueOf(cause.getMessage()), "open the device again");
        if (state == NvmeState.FAILED) {
            return;
        }
        failure = reason;
        state = NvmeState.FAILED;
        stopQueues();
        for (Runnable step : List.<Runnable>of(registers::abandon, device::disableBusMastering)) {
            try {
                step.run();
            } catch (RuntimeException e) {
                if (!e.equals(cause)) {
                    cause.addSuppressed(e);
                }
            }
        }
        LOGGER.log(System.Logger.Level.DEBUG, "{0} is disabled: {1}", this, reason.getMessage());
        lose(NvmeStatus.NO_PATH, reason.reason());
    }

    /**
     * Shuts the controller down in order: it takes no more commands, ends those under way, deletes its queues, writes what
     * it holds in caches to its medium, and is disabled. Its memory is freed; the device stays open. A controller that has
     * failed is only given back. Transfers that were not submitted whole fail with {@link IllegalStateException}.
     *
     * <p>If another thread is closing it, this waits for that; a callback that is called by closing does not wait.
     *
     * @throws VfioException if it does not shut down in its time; all is given back then too
     */
    @Override
    public void close() {
        if (!beginToClose()) {
            return;
        }
        queues.forEach(NvmeQueue::resume);
        drain();
        RuntimeException thrown = null;
        lock.lock();
        try {
            if (state == NvmeState.CLOSING) {
                try {
                    shutDown();
                } catch (RuntimeException e) {
                    thrown = e;
                    disable("close " + this, e);
                }
            }
            state = NvmeState.CLOSED;
            stopQueues();
            lose(NvmeStatus.NO_PATH, "the controller was closed");
        } finally {
            lock.unlock();
        }
        tellLost();
        awaitWatch();
        try {
            release();
        } finally {
            released.countDown();
        }
        if (thrown != null) {
            throw thrown;
        }
    }

    /** Whether closing it is this thread's; if not, it is closed, or a callback asks for it that closing waits for. */
    private boolean beginToClose() {
        Thread first;
        lock.lock();
        try {
            first = closer;
            if (first == null) {
                closer = Thread.currentThread();
                end.countDown();
                if (state == NvmeState.READY) {
                    state = NvmeState.CLOSING;
                }
                queues.forEach(NvmeQueue::refuse);
                return true;
            }
        } finally {
            lock.unlock();
        }
        Thread current = Thread.currentThread();
        if (!current.equals(first) && !current.equals(watch)) {
            awaitUninterruptibly(released::await);
        }
        return false;
    }

    /** Called with the lock held, without callbacks of the program: those of the admin queue are the driver's own. */
    private void shutDown() {
        String asked = "shut down " + this;
        for (NvmeQueue queue : queues) {
            succeed(new NvmeRequest().admin(asked, DELETE_SUBMISSION_QUEUE, 0, queue.number(), 0));
            succeed(new NvmeRequest().admin(asked, DELETE_COMPLETION_QUEUE, 0, queue.number(), 0));
        }
        stopQueues();
        registers.shutDown(asked, identity().shutdownTimeout());
        registers.disable(asked, capabilities);
        device.disableBusMastering();
    }

    /** Lets the commands under way end, for as long as one may take. */
    private void drain() {
        long end = System.nanoTime() + options.commandTimeout().toNanos();
        for (NvmeQueue queue : queues) {
            while (queue.underWay() > 0 && System.nanoTime() - end < 0) {
                if (queue.poll() == 0) {
                    Awaited.pause();
                }
            }
        }
    }

    private void awaitWatch() {
        if (watch != Thread.currentThread()) {
            awaitUninterruptibly(watch::join);
        }
    }

    /** Something that waits. */
    private interface Wait {
        void run() throws InterruptedException;
    }

    private static void awaitUninterruptibly(Wait wait) {
        boolean interrupted = false;
        while (true) {
            try {
                wait.run();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Gives up interrupts, and the memory of the queues, which nobody uses any more. */
    private void release() {
        admin.close();
        queues.forEach(NvmeQueue::close);
        DRIVEN.remove(Function.of(device));
        List<Runnable> steps = new ArrayList<>();
        if (interrupts != null) {
            steps.add(interrupts::close);
        }
        if (queueMemory != null) {
            steps.add(queueMemory::close);
        }
        steps.add(adminMemory::close);
        RuntimeException thrown = null;
        for (Runnable step : steps) {
            try {
                step.run();
            } catch (RuntimeException e) {
                if (thrown == null) {
                    thrown = e;
                } else {
                    thrown.addSuppressed(e);
                }
            }
        }
        if (thrown != null) {
            throw thrown;
        }
    }

    /** The address of its device. */
    @Override
    public String toString() {
        return device.toString();
    }
}
