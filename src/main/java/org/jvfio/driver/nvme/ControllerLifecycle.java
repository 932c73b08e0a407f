package org.jvfio.driver.nvme;

import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.jvfio.Device;
import org.jvfio.DmaWindow;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;

/**
 * The state machine of a controller: start, reset, fail, close. {@link NvmeState} names the states.
 *
 * <p>Lock order: {@link AdminQueue}'s data lock, {@link #lock}, the lock of one {@link NvmeQueue}; two queues are never
 * locked at a time. Starting the controller, which no other thread knows yet, acquires the first two in reverse order.
 */
final class ControllerLifecycle {
    private static final System.Logger LOGGER = System.getLogger("org.jvfio.driver.nvme");
    private static final String CLOSED_FIRST = "the device %s was closed before its NVMe controller";

    private final Device device;
    private final NvmeOptions options;
    private final DmaWindow window;
    private final ControllerRegisters registers;
    private final int pageShift;
    private final DriverClaim claim;
    private final KnownController known;
    private final AdminQueue admin;
    private final Startup startup;
    private final Watchdog watchdog;
    private final @Nullable FreezeRecovery recovery;
    private final CountDownLatch released = new CountDownLatch(1);
    private final AtomicInteger resets = new AtomicInteger();
    private final AtomicInteger recoveries = new AtomicInteger();

    /**
     * Guards `state` and stopping, starting and failing queues. May be held during a reset; submit and completion never
     * acquire it.
     *
     * <p>No callback of the program runs with it held: only the admin queue is polled under it, whose callbacks are the
     * driver's own, and failed I/O requests are delivered later by {@link #deliverFailed}. A queue that finds a failure
     * calls {@link #fail} after it has released its own lock.
     */
    private final ReentrantLock lock = new ReentrantLock();

    private volatile NvmeState state = NvmeState.RESETTING;
    private volatile @Nullable VfioException failure;
    private volatile @Nullable NvmeRecovery lastRecovery;

    /** The thread that closes the controller. Guarded by {@link #lock}. */
    private @Nullable Thread closer;

    /** I/O requests that have failed and were not delivered yet. Guarded by {@link #lock}. */
    private @Nullable NvmeRequest failed;

    /**
     * Wires the parts of a stopped controller.
     *
     * @param quirks those that are known before it is identified
     * @param adminMemory {@link AdminQueue#memoryBytes}; freed on close
     */
    ControllerLifecycle(
            Device device,
            NvmeOptions options,
            Set<NvmeQuirk> quirks,
            DmaWindow window,
            ControllerRegisters registers,
            int pageShift,
            DriverClaim claim,
            DmaArea adminMemory) {
        this.device = device;
        this.options = options;
        this.window = window;
        this.registers = registers;
        this.pageShift = pageShift;
        this.claim = claim;
        known = new KnownController(options, device.configSpace(), registers, quirks);
        admin = new AdminQueue(this, registers, pageShift, adminMemory);
        NvmeBuffer logPage = AdminQueue.allocateData(adminMemory);
        EventRequests events = new EventRequests(this, admin.queue(), logPage, options.events());
        startup = new Startup(this, window, registers, pageShift, admin, events);
        watchdog = new Watchdog(this, device, events, options);
        recovery = options.recovery()
                .map(each -> new FreezeRecovery(this, each, registers, startup))
                .orElse(null);
    }

    Device device() {
        return device;
    }

    NvmeOptions options() {
        return options;
    }

    Set<NvmeQuirk> quirks() {
        return known.quirks();
    }

    /** {@link KnownController#version}. */
    int version() {
        return known.version();
    }

    RetryDelays retryDelays() {
        return known.retryDelays();
    }

    DmaWindow window() {
        return window;
    }

    int pageShift() {
        return pageShift;
    }

    /** Log2 of the unit of size limits in bytes (CAP.MPSMIN). */
    int minPageShift() {
        return registers.capabilities().minPageShift();
    }

    /** Whether namespaces can have other I/O command sets than NVM. */
    boolean hasCommandSets() {
        return registers.capabilities().hasCommandSets();
    }

    NvmeState state() {
        return state;
    }

    NvmeQueue admin() {
        return admin.queue();
    }

    AdminQueue adminCommands() {
        return admin;
    }

    IoQueues ioQueues() {
        return startup.ioQueues();
    }

    QueueInterrupts interrupts() {
        return startup.interrupts();
    }

    NvmeIdentity identity() {
        return known.identity();
    }

    long maxTransferBytes() {
        return startup.maxTransferBytes();
    }

    int resets() {
        return resets.get();
    }

    int recoveries() {
        return recoveries.get();
    }

    Optional<NvmeRecovery> lastRecovery() {
        return Optional.ofNullable(lastRecovery);
    }

    int aborts() {
        return watchdog.aborts();
    }

    /** Whether the driver polls some queue, because the interrupts that the options select never come. */
    boolean isPollingInstead() {
        return interrupts().areSilent();
    }

    /**
     * Runs an action after a delay in a thread of the driver, or now if the controller is being closed or has failed.
     */
    void runLater(long delayNanos, Runnable action) {
        if (!watchdog.runLater(delayNanos, action)) {
            action.run();
        }
    }

    /** The failure of an operation that needs I/O queues, of which the controller has granted none. */
    VfioException withoutQueues(String operation) {
        VfioException cause = startup.refusal();
        return new VfioException(
                Kind.UNSUPPORTED,
                operation,
                "it has no I/O queues, only its identity and logs" + (cause == null ? "" : ": " + cause.reason()),
                "check the drive's health");
    }

    boolean isLockHeld() {
        return lock.isHeldByCurrentThread();
    }

    /**
     * Rejects the use of a closed or failed controller.
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
            throw new VfioException(cause.kind(), "use " + this, cause.reason(), cause.hint());
        }
    }

    /**
     * Rejects the use of a device that was closed before its controller: the memory may be freed.
     *
     * @throws IllegalStateException if it is closed
     */
    void requireOpenDevice() {
        if (isDeviceClosed()) {
            throw new IllegalStateException(CLOSED_FIRST.formatted(this));
        }
    }

    private boolean isDeviceClosed() {
        try {
            device.bar(0);
            return false;
        } catch (IllegalStateException closed) {
            return true;
        }
    }

    /**
     * Reads CSTS unless another thread resets, recovers or closes the controller, when it must not be read at any time
     * ({@link NvmeQuirk#READY_CHECK_DELAY}); empty then.
     */
    Optional<ControllerHealth> healthIfReady() {
        if (!lock.tryLock()) {
            return Optional.empty();
        }
        try {
            return state == NvmeState.READY ? Optional.of(registers.health()) : Optional.empty();
        } finally {
            lock.unlock();
        }
    }

    /** Whether it accepts no commands and never will again. */
    boolean isEnding() {
        return switch (state) {
            case READY, RESETTING -> false;
            case FAILED, CLOSING, CLOSED -> true;
        };
    }

    /** Whether nothing in flight can complete any more. */
    boolean isOver() {
        NvmeState now = state;
        return now == NvmeState.CLOSED || now == NvmeState.FAILED;
    }

    /**
     * Starts a stopped controller for the first time; on failure it is disabled and everything is freed.
     *
     * @throws VfioException if the controller does not answer, or its answers are invalid
     */
    void start(String operation) {
        try {
            lock.lock();
            try {
                startup.first(operation);
                state = NvmeState.READY;
                ioQueues().start();
                watchdog.start();
            } finally {
                lock.unlock();
            }
        } catch (RuntimeException e) {
            giveUp(e);
            throw e;
        }
    }

    /** Identifies the controller: {@link KnownController#identify}. */
    NvmeIdentity identify(String operation) {
        return known.identify(operation, admin);
    }

    /** Undoes a failed start: bus mastering is off afterwards, and the device stays open. */
    private void giveUp(RuntimeException cause) {
        for (Runnable step : List.<Runnable>of(() -> fail("open it", cause), watchdog::stop, this::release)) {
            try {
                step.run();
            } catch (RuntimeException suppressed) {
                if (!suppressed.equals(cause)) {
                    cause.addSuppressed(suppressed);
                }
            }
        }
    }

    /**
     * Resets a controller that lost a command or stopped; all commands in flight fail. If its PE turns out to be
     * frozen, it is recovered instead.
     *
     * @param kind the kind of their failure
     */
    void reset(Kind kind, String reason) {
        lock.lock();
        try {
            if (state != NvmeState.READY) {
                return;
            }
            LOGGER.log(System.Logger.Level.DEBUG, "resetting {0}: {1}", this, reason);
            state = NvmeState.RESETTING;
            resets.incrementAndGet();
            stopQueues();
            String operation = "reset " + this;
            try {
                registers.stop(operation);
                failCommands(CommandFailure.ofReset(kind, "the controller was reset: " + reason));
                startup.again(operation);
                state = NvmeState.READY;
                ioQueues().start();
            } catch (RuntimeException e) {
                if (isRecoverable(e)) {
                    recoverStopped(e);
                } else {
                    disable(operation, e);
                }
            }
        } finally {
            lock.unlock();
        }
        deliverFailed();
    }

    /**
     * Recovers a controller whose PE is frozen, in this thread; it is disabled if that fails, or is not wanted.
     *
     * @param frozen what was found
     */
    void recover(VfioException frozen) {
        lock.lock();
        try {
            if (state != NvmeState.READY) {
                return;
            }
            if (isRecoverable(frozen)) {
                recoverStopped(frozen);
            } else {
                disable("use " + this, frozen);
            }
        } finally {
            lock.unlock();
        }
        deliverFailed();
    }

    /** Whether a failure may be the effect of a frozen PE, and the options ask for a recovery. */
    private boolean isRecoverable(RuntimeException cause) {
        return recovery != null
                && cause instanceof VfioException e
                && (e.kind() == Kind.FROZEN || !device.condition().isResponding());
    }

    /** Caller holds {@link #lock}. */
    private void recoverStopped(RuntimeException cause) {
        String operation = "recover " + this;
        LOGGER.log(System.Logger.Level.DEBUG, "recovering {0}: {1}", this, cause.getMessage());
        state = NvmeState.RESETTING;
        stopQueues();
        try {
            NvmeRecovery done = Objects.requireNonNull(recovery, "recovery").run(operation);
            lastRecovery = done;
            recoveries.incrementAndGet();
            watchdog.forgetFreeze();
            state = NvmeState.READY;
            ioQueues().start();
            LOGGER.log(System.Logger.Level.DEBUG, "recovered {0}: {1}", this, done);
        } catch (RuntimeException e) {
            if (!e.equals(cause)) {
                e.addSuppressed(cause);
            }
            disable(operation, e);
        }
    }

    /**
     * Ends the commands in flight of a controller that does no DMA any more: delivers those that it has completed,
     * keeps those that can be repeated, and fails the others. Caller holds {@link #lock}.
     */
    EndedCommands endCommands(CommandFailure why) {
        NvmeQueue.deliver(admin.queue().failAll(null, why));
        EndedCommands ended = new EndedCommands(failed);
        ioQueues().end(ended, why, options.retries());
        failed = ended.first();
        return ended;
    }

    private void stopQueues() {
        admin.queue().stop();
        ioQueues().stop();
    }

    /** Fails all commands in flight of a stopped controller. Caller holds {@link #lock}. */
    private void failCommands(CommandFailure why) {
        NvmeQueue.deliver(admin.queue().failAll(null, why));
        failed = ioQueues().failAll(failed, why);
    }

    /**
     * Delivers the failed I/O requests and runs the waiters for free slots. Does nothing if this thread holds a lock of
     * the controller: it calls again after releasing it.
     */
    void deliverFailed() {
        if (lock.isHeldByCurrentThread() || admin.isDataLockHeld()) {
            return;
        }
        NvmeRequest list;
        lock.lock();
        try {
            list = failed;
            failed = null;
        } finally {
            lock.unlock();
        }
        NvmeQueue.deliver(list);
        ioQueues().runWaiters();
    }

    /**
     * Disables a controller that cannot be trusted. One whose PE may be frozen is left to the watchdog, which recovers
     * it. Caller holds no lock of a queue.
     */
    void fail(String operation, RuntimeException cause) {
        if (recovery != null && cause instanceof VfioException e && e.kind() == Kind.FROZEN && watchdog.takes(e)) {
            return;
        }
        lock.lock();
        try {
            if (!isOver()) {
                disable(operation, cause);
            }
        } finally {
            lock.unlock();
        }
        deliverFailed();
    }

    /** As {@link #fail}, unless a recovery is running or has ended since {@link #recoveries} was read. */
    void failUnlessRecovered(String operation, RuntimeException cause, int recoveriesBefore) {
        boolean isRecovered;
        lock.lock();
        try {
            isRecovered = recoveries() != recoveriesBefore;
        } finally {
            lock.unlock();
        }
        if (!isRecovered) {
            fail(operation, cause);
        }
    }

    /** Stops DMA as far as possible and fails all commands. Caller holds {@link #lock}. */
    private void disable(String operation, RuntimeException cause) {
        if (state == NvmeState.FAILED) {
            return;
        }
        VfioException reason = reasonOf(operation, cause);
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
        failCommands(CommandFailure.ofEnd(reason.kind(), reason.reason(), reason.hint()));
    }

    private VfioException reasonOf(String operation, RuntimeException cause) {
        if (cause instanceof VfioException e) {
            return e;
        }
        return isDeviceClosed()
                ? new VfioException(
                        Kind.CONFLICT,
                        operation,
                        CLOSED_FIRST.formatted(this),
                        "close the controller before its device")
                : new VfioException(
                        Kind.DEVICE_ERROR, operation, String.valueOf(cause.getMessage()), "open the device again");
    }

    /** Closes the controller ({@link NvmeController#close}). */
    void close() {
        if (!beginToClose()) {
            return;
        }
        ioQueues().runWaiters();
        ioQueues()
                .awaitIdle(
                        registers, System.nanoTime() + options.commandTimeout().toNanos());
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
            failCommands(CommandFailure.ofEnd(Kind.CONFLICT, "the controller was closed", "open it again"));
        } finally {
            lock.unlock();
        }
        deliverFailed();
        if (!watchdog.isCurrentThread()) {
            Waiting.uninterruptibly(watchdog::join);
        }
        try {
            release();
        } finally {
            released.countDown();
        }
        if (thrown != null) {
            throw thrown;
        }
    }

    /**
     * Whether this thread is the one to close the controller. If not, another thread has closed it, or this thread runs
     * a callback that the closing thread waits for.
     */
    private boolean beginToClose() {
        Thread first;
        lock.lock();
        try {
            first = closer;
            if (first == null) {
                closer = Thread.currentThread();
                watchdog.stop();
                if (state == NvmeState.READY) {
                    state = NvmeState.CLOSING;
                }
                ioQueues().drain();
                return true;
            }
        } finally {
            lock.unlock();
        }
        if (!Thread.currentThread().equals(first)
                && !watchdog.isCurrentThread()
                && !interrupts().isHandlerThread()) {
            Waiting.uninterruptibly(released::await);
        }
        return false;
    }

    /** Caller holds {@link #lock}. */
    private void shutDown() {
        String operation = "shut down " + this;
        ioQueues().delete(operation, admin);
        stopQueues();
        registers.shutDown(operation, identity().shutdownTimeout());
        registers.disable(operation);
        device.disableBusMastering();
    }

    /** Frees interrupts and the memory of the queues, which nothing uses any more. */
    private void release() {
        admin.queue().close();
        ioQueues().close();
        claim.release();
        // Interrupts first: their handlers read the memory.
        runAll(List.of(interrupts()::close, ioQueues()::freeMemory, admin::freeMemory));
    }

    /** Runs all steps, and then throws the first failure, with the others suppressed. */
    private static void runAll(List<Runnable> steps) {
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

    /** The address of the device. */
    @Override
    public String toString() {
        return device.toString();
    }
}
