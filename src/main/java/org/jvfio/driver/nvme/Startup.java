package org.jvfio.driver.nvme;

import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.DmaWindow;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;

/**
 * Brings a disabled controller into operation: enables it, and creates its I/O queues. Called with the controller's
 * lock held.
 */
final class Startup {
    private static final int ALL_HEALTH_EVENTS = 0xff;
    private static final int NAMESPACE_ATTRIBUTE_EVENTS = 1 << 8;
    private static final Duration QUEUE_CREATION_DELAY = Duration.ofMillis(100);
    private static final System.Logger LOGGER = System.getLogger("org.jvfio.driver.nvme");

    private final ControllerLifecycle owner;
    private final Device device;
    private final NvmeOptions options;
    private final DmaWindow window;
    private final ControllerRegisters registers;
    private final int pageShift;
    private final AdminQueue admin;
    private final EventRequests events;

    private IoQueues ioQueues = IoQueues.NONE;
    private QueueInterrupts interrupts = QueueInterrupts.NONE;
    private long maxTransferBytes;
    private @Nullable VfioException refusal;

    Startup(
            ControllerLifecycle owner,
            DmaWindow window,
            ControllerRegisters registers,
            int pageShift,
            AdminQueue admin,
            EventRequests events) {
        this.owner = owner;
        this.device = owner.device();
        this.options = owner.options();
        this.window = window;
        this.registers = registers;
        this.pageShift = pageShift;
        this.admin = admin;
        this.events = events;
    }

    IoQueues ioQueues() {
        return ioQueues;
    }

    QueueInterrupts interrupts() {
        return interrupts;
    }

    long maxTransferBytes() {
        return maxTransferBytes;
    }

    /** Why there are no I/O queues; null if there are some. */
    @Nullable
    VfioException refusal() {
        return refusal;
    }

    /**
     * Starts a controller for the first time: it is identified, and what its queues need is allocated.
     *
     * @throws VfioException if the controller does not answer, or its answers are invalid
     */
    void first(String operation) {
        device.enableBusMastering();
        admin.enable(operation);
        maxTransferBytes = maxTransferBytes(owner.identify(operation));
        allocateQueues(operation);
        interrupts = QueueInterrupts.enable(
                device, options.completion().interrupts().orElse(null), ioQueues.count(), owner.quirks());
        interrupts.serve(owner, admin.queue(), ioQueues.list());
        createQueues(operation);
    }

    private void createQueues(String operation) {
        if (owner.retryDelays().isReported()) {
            enableRetryDelays();
        }
        ioQueues.create(operation, admin, interrupts);
        if (owner.quirks().contains(NvmeQuirk.QUEUE_CREATION_DELAY)) {
            Waiting.sleep(QUEUE_CREATION_DELAY);
        }
        requestEvents();
    }

    /** Without it the controller selects no Command Retry Delay; if it rejects it, the driver's back-off remains. */
    private void enableRetryDelays() {
        NvmeRequest feature = admin.enableRetryDelays("enable the retry delays of " + owner);
        if (feature.isRejected()) {
            LOGGER.log(System.Logger.Level.DEBUG, feature.failure().getMessage());
        } else {
            feature.requireSuccess();
        }
    }

    /**
     * Starts the controller again after it was disabled, with the same queues, empty.
     *
     * @throws VfioException if the controller does not answer, or grants fewer queues
     */
    void again(String operation) {
        admin.enable(operation);
        if (refusal == null) {
            NvmeRequest count = admin.setQueueCount(operation, ioQueues.count());
            count.requireSuccess();
            if (granted(count) < ioQueues.count()) {
                throw new VfioException(
                        Kind.EXHAUSTED, operation, "it grants fewer queues than before", "open the controller again");
            }
        }
        createQueues(operation);
    }

    private long maxTransferBytes(NvmeIdentity found) {
        long pageSize = 1L << pageShift;
        long limit = Math.max(options.maxTransferBytes() & -pageSize, pageSize);
        int mdtsShift = registers.capabilities().minPageShift() + found.transferPages();
        boolean unlimited = found.transferPages() == 0 || mdtsShift >= Long.SIZE - 2;
        return unlimited ? limit : Math.min(limit, 1L << mdtsShift);
    }

    /**
     * The bytes that a controller with its queues locks at most, before it is known how many queues it grants and how
     * much a command transfers.
     */
    static long lockedBytes(
            Container container, DmaWindow window, ControllerRegisters registers, int pageShift, NvmeOptions options) {
        long pairs = Math.max(0, Math.min(options.queuePairs(), registers.doorbellPairs()));
        int entries = Math.min(options.queueDepth(), registers.capabilities().queueEntries());
        int listBytes = PrpLists.listBytes(Math.max(options.maxTransferBytes(), 1L << pageShift), pageShift);
        long queues = pairs * new QueueLayout(entries, pageShift, listBytes).memoryBytes();
        return DmaArea.lockedBytes(container, window, AdminQueue.memoryBytes(pageShift), pageShift)
                + DmaArea.lockedBytes(container, window, queues, pageShift);
    }

    private void allocateQueues(String operation) {
        Capabilities capabilities = registers.capabilities();
        int wanted = Math.min(options.queuePairs(), registers.doorbellPairs());
        if (wanted < 1) {
            throw new VfioException(
                    Kind.UNSUPPORTED,
                    operation,
                    "its BAR 0 has no doorbells for I/O queues, which are %d bytes apart"
                            .formatted(capabilities.doorbellStride()),
                    "use another drive, or newer firmware");
        }
        NvmeRequest count = admin.setQueueCount(operation, wanted);
        if (count.isRejected()) {
            refusal = count.failure();
            LOGGER.log(
                    System.Logger.Level.WARNING,
                    "{0}; it is opened for its identity and logs alone",
                    count.failure().getMessage());
            return;
        }
        count.requireSuccess();
        int pairs = Math.min(wanted, granted(count));
        int entries = Math.min(options.queueDepth(), capabilities.queueEntries());
        QueueLayout layout = new QueueLayout(entries, pageShift, PrpLists.listBytes(maxTransferBytes, pageShift));
        DmaArea memory = DmaArea.of(device.container(), window, pairs * layout.memoryBytes(), pageShift);
        ioQueues = IoQueues.of(owner, registers, pairs, layout, memory);
    }

    /** The lower of the zero-based numbers of completion and submission queues in dword 0, as a number from 1. */
    private static int granted(NvmeRequest count) {
        return Math.min(count.result() & 0xffff, count.result() >>> 16) + 1;
    }

    /** As in Linux, a controller that rejects the selection of events is used nevertheless. */
    private void requestEvents() {
        int wanted = ALL_HEALTH_EVENTS | (owner.identity().notices() & NAMESPACE_ATTRIBUTE_EVENTS);
        NvmeRequest selection = admin.setEvents("select the events of " + owner, wanted);
        if (selection.isRejected()) {
            LOGGER.log(
                    System.Logger.Level.WARNING,
                    "{0}; it reports its default events",
                    selection.failure().getMessage());
        } else {
            selection.requireSuccess();
        }
        events.begin(owner.identity().eventLimit());
    }
}
