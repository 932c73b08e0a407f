package org.jvfio.driver.nvme;

import org.jvfio.Device;
import org.jvfio.DmaWindow;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;

/**
 * Brings a disabled controller into operation: enables it, and creates its I/O queues. Called with the controller's lock
 * held.
 */
final class Startup {
    private static final int ALL_HEALTH_EVENTS = 0xff;
    private static final int NAMESPACE_ATTRIBUTE_EVENTS = 1 << 8;
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
        interrupts =
                QueueInterrupts.enable(device, options.completion().interrupts().orElse(null), ioQueues.count());
        interrupts.serve(owner, admin.queue(), ioQueues.list());
        ioQueues.create(operation, admin, interrupts);
        requestEvents();
    }

    /**
     * Starts the controller again after it was disabled, with the same queues, empty.
     *
     * @throws VfioException if the controller does not answer, or grants fewer queues
     */
    void again(String operation) {
        admin.enable(operation);
        int granted = admin.setQueueCount(operation, ioQueues.count());
        if (Math.min(granted & 0xffff, granted >>> 16) + 1 < ioQueues.count()) {
            throw new VfioException(
                    Kind.EXHAUSTED, operation, "it grants fewer queues than before", "open the controller again");
        }
        ioQueues.create(operation, admin, interrupts);
        requestEvents();
    }

    private long maxTransferBytes(NvmeIdentity found) {
        long pageSize = 1L << pageShift;
        long limit = Math.max(options.maxTransferBytes() & -pageSize, pageSize);
        int mdtsShift = registers.capabilities().minPageShift() + found.transferPages();
        boolean unlimited = found.transferPages() == 0 || mdtsShift >= Long.SIZE - 2;
        return unlimited ? limit : Math.min(limit, 1L << mdtsShift);
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
        int granted = admin.setQueueCount(operation, wanted);
        int pairs = Math.min(wanted, Math.min((granted & 0xffff) + 1, (granted >>> 16) + 1));
        int entries = Math.min(options.queueDepth(), capabilities.queueEntries());
        QueueLayout layout = new QueueLayout(entries, pageShift, PrpLists.listBytes(maxTransferBytes, pageShift));
        DmaArea memory = DmaArea.of(device.container(), window, pairs * layout.memoryBytes(), pageShift);
        ioQueues = IoQueues.of(owner, registers, pairs, layout, memory);
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
