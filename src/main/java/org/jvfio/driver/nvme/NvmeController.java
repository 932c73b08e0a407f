package org.jvfio.driver.nvme;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jvfio.ByteSize;
import org.jvfio.ConfigSpace;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.DeviceCondition;
import org.jvfio.DmaWindow;
import org.jvfio.InterruptType;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;

/**
 * An NVMe controller that this process drives. Any number of threads may use it.
 *
 * <p>A command that times out is aborted; if that fails, the controller is reset, and all commands in flight fail with
 * {@link NvmeStatus#ABORTED_BY_HOST} once the controller can no longer reach their buffers. A controller whose answers
 * are invalid, or that does not answer, is disabled ({@link NvmeState#FAILED}).
 *
 * <p>If the PE of the device freezes, as after an error on the bus, the driver recovers the controller: it recovers the
 * device ({@link Device#recover}), creates the queues again, and goes on. Meanwhile {@link NvmeQueue#submit} returns
 * false, and transfers wait. Each command that was in flight completes exactly once:
 *
 * <ul>
 *   <li>One that the controller had completed has its status.
 *   <li>The driver submits all others again: Flush, Write, Read, Compare, Write Zeroes, Dataset Management, Verify and
 *       Copy have the same effect when they are executed twice, Copy because it writes to no block that it reads. Where
 *       another command writes to their blocks meanwhile, a Compare, Read or Copy may see the data of before or after
 *       it, as always. After {@link NvmeOptions#retries} times, or if it had timed out, a command fails
 *       with {@link NvmeStatus#ABORTED_BY_HOST} and the kind {@code FROZEN}. {@link #lastRecovery} has the numbers.
 *   <li>Identify and Get Log Page, which {@link #namespace} and {@link #health} use, are executed again too.
 * </ul>
 *
 * A device that is lost, or does not recover within the limits of {@link NvmeOptions#recovery}, fails with all commands
 * in flight, as {@link NvmeState#FAILED} says.
 *
 * <p>A thread of the driver checks timeouts, asynchronous events, and completions whose interrupt was lost. The source
 * is the NVM Express base specification 1.4.
 */
public final class NvmeController implements AutoCloseable {
    /** The class code of NVMe in configuration space: mass storage, non-volatile memory, NVM Express. */
    public static final int CLASS_CODE = 0x010802;

    private static final int CLASS_REGISTER = 0x08;
    private static final int LOG_ERRORS = 1;
    private static final int LOG_HEALTH = 2;
    private static final int LOG_FIRMWARE = 3;
    private static final int REACHABLE_BITS = 48;
    private static final Duration MAX_SILENCE = Duration.ofSeconds(1);

    private final ControllerLifecycle lifecycle;
    private final Namespaces namespaces;

    private NvmeController(ControllerLifecycle started) {
        lifecycle = started;
        namespaces = new Namespaces(started);
    }

    /**
     * Resets a controller, creates its queues and identifies it. Close it before the device; closing it leaves the
     * device open.
     *
     * <p>A degraded drive may refuse all I/O queues (Set Features, Number of Queues). It opens nevertheless, for its
     * identity and logs; {@link #queues} is empty then, and {@link #namespace} fails.
     *
     * @throws VfioException if the device is in low power, is not an NVMe controller, is driven already, lacks the
     *     interrupts that the options select, or the process may not lock the memory of the queues and of {@link
     *     NvmeOptions#bufferBytes}, or not map it in the window: the controller is not touched then; or if it does not
     *     answer, or its answers are invalid: it is disabled then
     * @throws IllegalStateException if the device is closed
     */
    public static NvmeController open(Device device, NvmeOptions options) {
        String operation = "drive " + device + " as NVMe";
        requireAwake(operation, device);
        requireNvme(operation, device);
        options.completion().interrupts().ifPresent(type -> requireInterrupts(operation, device, type));
        DriverClaim claim = DriverClaim.acquire(operation, device);
        ControllerLifecycle lifecycle;
        try {
            lifecycle = takeOver(operation, device, options, claim);
        } catch (RuntimeException e) {
            claim.release();
            throw e;
        }
        lifecycle.start(operation);
        return new NvmeController(lifecycle);
    }

    private static void requireAwake(String operation, Device device) {
        if (device.isInLowPower()) {
            throw new VfioException(
                    Kind.CONFLICT, operation, "it is in low power, by enterLowPower", "call exitLowPower first");
        }
    }

    private static void requireNvme(String operation, Device device) {
        int code = classCode(device);
        if (code >>> 8 != CLASS_CODE) {
            DeviceCondition condition = device.condition();
            throw code != ControllerRegisters.NO_ANSWER || condition.isResponding()
                    ? new VfioException(
                            Kind.UNSUPPORTED,
                            operation,
                            "its class is %06x, where NVMe has %06x".formatted(code >>> 8, CLASS_CODE),
                            "name an NVMe drive")
                    : condition.failure(operation);
        }
    }

    /** Some drives read all ones for a moment after they were bound to vfio-pci. */
    private static int classCode(Device device) {
        long end = System.nanoTime() + MAX_SILENCE.toNanos();
        int code = device.config().readInt(CLASS_REGISTER);
        while (code == ControllerRegisters.NO_ANSWER
                && System.nanoTime() - end < 0
                && device.condition().state() == DeviceCondition.State.GONE) {
            ReusableCompletion.pause();
            code = device.config().readInt(CLASS_REGISTER);
        }
        return code;
    }

    private static void requireInterrupts(String operation, Device device, InterruptType type) {
        if (device.interruptInfo(type).count() == 0) {
            throw new VfioException(
                    Kind.UNSUPPORTED,
                    operation,
                    "it has no %s; it has %s".formatted(type, device.describeInterrupts()),
                    "choose one that it has, or poll");
        }
    }

    /** Stops a controller that a former driver may have left running, with bus mastering on. */
    private static ControllerLifecycle takeOver(
            String operation, Device device, NvmeOptions options, DriverClaim claim) {
        try {
            device.enableMemory();
            DmaWindow window = windowOf(operation, device, options);
            ConfigSpace config = device.configSpace();
            Set<NvmeQuirk> quirks =
                    options.quirks().orElseGet(() -> NvmeQuirks.of(config.vendorId(), config.deviceId(), ""));
            requireReachable(operation, window, quirks);
            ControllerRegisters registers = ControllerRegisters.of(operation, device, quirks);
            Capabilities capabilities = registers.capabilities();
            int pageShift =
                    capabilities.pageShift(operation, options.pageBytes().orElse(capabilities.defaultPageBytes()));
            requireRoom(operation, device.container(), window, registers, pageShift, options);
            registers.takeOver(operation);
            DmaArea adminMemory = DmaArea.of(device.container(), window, AdminQueue.memoryBytes(pageShift), pageShift);
            return new ControllerLifecycle(device, options, quirks, window, registers, pageShift, claim, adminMemory);
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

    /** Checks, before anything is locked, that the queues and buffers may be. */
    private static void requireRoom(
            String operation,
            Container container,
            DmaWindow window,
            ControllerRegisters registers,
            int pageShift,
            NvmeOptions options) {
        long buffers = options.bufferBytes() == 0 ? 0 : DmaArea.lockedBytes(container, window, options.bufferBytes());
        long bytes = Startup.lockedBytes(container, window, registers, pageShift, options) + buffers;
        try {
            container.requireLockable(operation, bytes);
        } catch (VfioException e) {
            // What would not fit in the window is no reason to ask for a higher limit. Otherwise the controller may
            // grant fewer queues, which fit.
            long free = window.freeBytes();
            if (e.kind() == Kind.LOCK_LIMIT && bytes > free) {
                throw new VfioException(
                        Kind.EXHAUSTED,
                        operation,
                        "its queues and buffers take %s of bus addresses, and %s are free in window %s"
                                .formatted(ByteSize.format(bytes), ByteSize.format(free), window.range()),
                        "use fewer or smaller buffers, close mappings, or create a larger window");
            }
            throw e;
        }
    }

    private static void requireReachable(String operation, DmaWindow window, Set<NvmeQuirk> quirks) {
        if (quirks.contains(NvmeQuirk.DMA_48_BITS)
                && (window.range().start() + window.range().size() - 1) >>> REACHABLE_BITS != 0) {
            throw new VfioException(
                    Kind.UNSUPPORTED,
                    operation,
                    "%s is above the %d bits of its bus addresses".formatted(window, REACHABLE_BITS),
                    "use the default window");
        }
    }

    private static DmaWindow windowOf(String operation, Device device, NvmeOptions options) {
        return options.window().orElseGet(() -> {
            List<DmaWindow> windows = device.container().windows();
            return windows.stream()
                    .filter(DmaWindow::isDefault)
                    .findFirst()
                    .or(() -> windows.stream().findFirst())
                    .orElseThrow(() -> new VfioException(
                            Kind.NOT_FOUND, operation, "its container has no DMA window", "create a window"));
        });
    }

    /** The device. */
    public Device device() {
        return lifecycle.device();
    }

    /** The options that it was opened with. */
    public NvmeOptions options() {
        return lifecycle.options();
    }

    /** The controller's identification. */
    public NvmeIdentity identity() {
        return lifecycle.identity();
    }

    /** The state at this moment. */
    public NvmeState state() {
        return lifecycle.state();
    }

    /** The memory page size (CC.MPS) in bytes. */
    public int pageBytes() {
        return 1 << lifecycle.pageShift();
    }

    /** The maximum number of bytes of one command: the lower of the controller's limit (MDTS) and the options'. */
    public long maxTransferBytes() {
        return lifecycle.maxTransferBytes();
    }

    /** The number of interrupt vectors of its queues, with the admin queue's; 0 if it is polled. */
    public int vectors() {
        return lifecycle.interrupts().vectors();
    }

    /** The number of resets, because commands were lost or the controller stopped, since it was opened. */
    public int resets() {
        return lifecycle.resets();
    }

    /** The number of commands that timed out and that the controller was asked to abort, since it was opened. */
    public int aborts() {
        return lifecycle.aborts();
    }

    /** The number of recoveries from a frozen PE since it was opened. */
    public int recoveries() {
        return lifecycle.recoveries();
    }

    /** What the last recovery from a frozen PE did; empty if there was none. */
    public Optional<NvmeRecovery> lastRecovery() {
        return lifecycle.lastRecovery();
    }

    /** The quirks that it is driven with: those of {@link NvmeQuirks}, or those of the options. */
    public Set<NvmeQuirk> quirks() {
        return lifecycle.quirks();
    }

    /**
     * Whether the interrupts that the options select never come for some queue, so that it is polled instead: {@link
     * NvmeQueue#isPolled} says which. A warning reports it once. Whoever waits for a command polls as with {@link
     * NvmeCompletion#POLLED}; for callbacks and futures alone, a thread of the driver does, less often.
     */
    public boolean hasSilentInterrupts() {
        return lifecycle.isPollingInstead();
    }

    /** Its pairs of I/O queues; none if the controller refuses to create any, as {@link #open} says. */
    public List<NvmeQueue> queues() {
        return lifecycle.ioQueues().list();
    }

    /**
     * A pair of I/O queues.
     *
     * @param index 0 to the number of {@link #queues} - 1
     * @throws IndexOutOfBoundsException if there is no such pair
     */
    public NvmeQueue queue(int index) {
        return queues().get(index);
    }

    /** The queue of a thread that does not choose one. */
    NvmeQueue queueOfThread() {
        List<NvmeQueue> queues = queues();
        if (queues.isEmpty()) {
            throw lifecycle.withoutQueues("use the namespaces of " + this);
        }
        return queues.get((int) (Thread.currentThread().threadId() % queues.size()));
    }

    ControllerLifecycle lifecycle() {
        return lifecycle;
    }

    /**
     * Polls all I/O queues: {@link NvmeQueue#poll} of each.
     *
     * @return the number of commands completed
     * @throws IllegalStateException if the controller is closed
     */
    public int poll() {
        int count = 0;
        for (NvmeQueue queue : queues()) {
            count += queue.poll();
        }
        return count;
    }

    /**
     * The identifiers of the active namespaces, in ascending order.
     *
     * <p>If the controller has no list of them, as those of before version 1.1, or has returned an error or an invalid
     * list, each of 1 to NN, its maximum identifier, is identified, but at most 1024. One that it refuses to identify
     * then is among the result, and {@link #namespace} says why it cannot be used. A warning is logged for an error, an
     * invalid list, and where identifiers are left out.
     *
     * @throws VfioException if the controller refuses to identify any namespace, or fails
     * @throws IllegalStateException if the controller is closed
     */
    public List<Integer> namespaceIds() {
        return namespaces.ids();
    }

    /**
     * Identifies a namespace.
     *
     * @param id the namespace identifier, from 1
     * @throws IllegalArgumentException if the identifier is less than 1
     * @throws VfioException if there is no such namespace, this driver does not support its format, or the controller
     *     returns an error or fails
     * @throws IllegalStateException if the controller is closed
     */
    public NvmeNamespace namespace(int id) {
        String operation = "use namespace %d of %s".formatted(id, this);
        if (id < 1) {
            throw new IllegalArgumentException("cannot " + operation + ": namespace identifiers begin at 1");
        }
        return new NvmeNamespace(this, id, namespaces.describe(operation, id));
    }

    /**
     * Reads the SMART / Health Information log page.
     *
     * @throws VfioException if the controller returns an error or fails
     * @throws IllegalStateException if the controller is closed
     */
    public NvmeHealth health() {
        lifecycle.requireUsable();
        return NvmeHealth.of(lifecycle.adminCommands().log("read the health of " + this, LOG_HEALTH, NvmeHealth.BYTES));
    }

    /**
     * Reads the Error Information log page: the last errors, newest first.
     *
     * @return at most 64 entries, or as many as the controller keeps
     * @throws VfioException if the controller returns an error or fails
     * @throws IllegalStateException if the controller is closed
     */
    public List<NvmeErrorEntry> errorLog() {
        lifecycle.requireUsable();
        int entries = Math.min(identity().errorLogEntries(), ControllerData.BYTES / NvmeErrorEntry.BYTES);
        return NvmeErrorEntry.list(
                lifecycle
                        .adminCommands()
                        .log("read the error log of " + this, LOG_ERRORS, entries * NvmeErrorEntry.BYTES),
                entries);
    }

    /**
     * Reads the Firmware Slot Information log page.
     *
     * @throws VfioException if the controller returns an error or fails
     * @throws IllegalStateException if the controller is closed
     */
    public NvmeFirmware firmware() {
        lifecycle.requireUsable();
        return NvmeFirmware.of(
                lifecycle.adminCommands().log("read the firmware slots of " + this, LOG_FIRMWARE, NvmeFirmware.BYTES));
    }

    /**
     * Allocates zeroed memory and maps it in the controller's window, for the device to read and write.
     *
     * @param bytes the size, at least 1; rounded up to whole pages of the window
     * @throws IllegalArgumentException if the size is less than 1
     * @throws VfioException if there is too little memory, the limit of locked memory is too low, or the window is full
     */
    public NvmeBuffer allocate(long bytes) {
        return DmaArea.allocate(device().container(), lifecycle.window(), bytes);
    }

    /**
     * Shuts the controller down: it accepts no more commands, completes those in flight, deletes its queues, commits
     * its cache to the medium, and is disabled. The memory of its queues is freed; the device stays open. A controller
     * that has failed is only freed. A transfer that was not submitted whole fails with {@link IllegalStateException}.
     *
     * <p>If another thread is closing it, this method waits for that thread, except in a callback that closing waits
     * for.
     *
     * @throws VfioException if the controller does not shut down within its own limit; everything is freed nevertheless
     */
    @Override
    public void close() {
        lifecycle.close();
    }

    /** The address of the device. */
    @Override
    public String toString() {
        return lifecycle.toString();
    }
}
