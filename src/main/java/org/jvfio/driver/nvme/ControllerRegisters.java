package org.jvfio.driver.nvme;

import java.time.Duration;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import org.jvfio.Device;
import org.jvfio.DeviceCondition;
import org.jvfio.Region;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;

/**
 * The controller registers in BAR 0 (little-endian) and the transitions that they drive: enable, disable, shut down.
 *
 * <p>The source is the NVM Express base specification 1.4, 3.1.
 */
final class ControllerRegisters {
    /** The value read from a device that is gone or whose PE is frozen. */
    static final int NO_ANSWER = -1;

    private static final int CAP = 0x00;
    private static final int VS = 0x08;
    private static final int CC = 0x14;
    private static final int CSTS = 0x1c;
    private static final int AQA = 0x24;
    private static final int ASQ = 0x28;
    private static final int ACQ = 0x30;
    private static final int CRTO = 0x68;
    private static final int DOORBELLS = 0x1000;

    private static final int CC_ENABLE = 1;
    /** Without it, nothing but their descriptors tells namespaces of other command sets from none. */
    private static final int CC_ALL_COMMAND_SETS = 6 << 4;

    private static final int CC_PAGE_SHIFT = 7;
    private static final int CC_NORMAL_SHUTDOWN = 1 << 14;
    private static final int CC_SHUTDOWN_BITS = 3 << 14;
    private static final int CC_SUBMISSION_ENTRY = 6 << 16;
    private static final int CC_COMPLETION_ENTRY = 4 << 20;
    private static final int CSTS_READY = 1;
    private static final int CSTS_FATAL = 1 << 1;
    private static final int CSTS_SHUTDOWN_BITS = 3 << 2;
    private static final int CSTS_SHUTDOWN_COMPLETE = 2 << 2;

    // CRTO can express nine hours.
    private static final Duration MAX_READY = Duration.ofMinutes(5);
    // As in Linux (NVME_QUIRK_DELAY_AMOUNT).
    private static final Duration READY_CHECK_DELAY = Duration.ofMillis(2300);
    private static final Duration MAX_SILENCE = Duration.ofSeconds(1);
    private static final int MIN_PAGE_SHIFT = 12;
    private static final int QUICK_POLLS = 100;
    private static final long QUICK_NANOS = 20_000;
    private static final long SLOW_NANOS = 1_000_000;

    private final Device device;
    private final Region bar;
    private final Capabilities capabilities;
    private volatile boolean delaysReadyCheck;
    private volatile boolean hasNoDescriptors;

    private ControllerRegisters(Device device, Region bar, Capabilities capabilities) {
        this.device = device;
        this.bar = bar;
        this.capabilities = capabilities;
    }

    /**
     * Reads and checks the capabilities of a controller. Memory decoding must be enabled.
     *
     * @param quirks what it is known to need
     * @throws VfioException if BAR 0 is too small, reads all ones, or has capabilities that this driver cannot use
     */
    static ControllerRegisters of(String operation, Device device, Set<NvmeQuirk> quirks) {
        Region bar = device.bar(0).unchecked();
        if (bar.size() < DOORBELLS + 2 * Integer.BYTES) {
            throw new VfioException(
                    Kind.UNSUPPORTED,
                    operation,
                    "its BAR 0 has %d bytes, too few for the registers of NVMe".formatted(bar.size()),
                    "name an NVMe drive");
        }
        long end = System.nanoTime() + MAX_SILENCE.toNanos();
        // Before the whole register is read: the silence must not end between its halves.
        while (bar.readInt(CAP) == NO_ANSWER) {
            requireSilentOnly(operation, device, end);
            LockSupport.parkNanos(SLOW_NANOS);
        }
        ControllerRegisters registers =
                new ControllerRegisters(device, bar, Capabilities.of(operation, readCapabilities(bar)));
        registers.adapt(quirks);
        return registers;
    }

    /** Takes note of what the controller is known to need. */
    void adapt(Set<NvmeQuirk> quirks) {
        delaysReadyCheck = quirks.contains(NvmeQuirk.READY_CHECK_DELAY);
        hasNoDescriptors = quirks.contains(NvmeQuirk.NO_NAMESPACE_LIST);
    }

    private static long readCapabilities(Region bar) {
        return Integer.toUnsignedLong(bar.readInt(CAP)) | (long) bar.readInt(CAP + Integer.BYTES) << Integer.SIZE;
    }

    /**
     * Rejects a device whose registers read all ones, unless it responds otherwise, and was not silent for long: some
     * controllers are for a moment after the device was opened or reset, or they were disabled.
     */
    private static void requireSilentOnly(String operation, Device device, long endNanos) {
        if (System.nanoTime() - endNanos > 0 || !device.condition().isResponding()) {
            throw unreachable(operation, device);
        }
    }

    Capabilities capabilities() {
        return capabilities;
    }

    /** VS: the version of the specification, as {@code major << 16 | minor << 8 | tertiary}. */
    int version() {
        return bar.readInt(VS);
    }

    /** The number of pairs of I/O queues that have doorbells in the BAR. */
    int doorbellPairs() {
        return (int) ((bar.size() - DOORBELLS) / (2L * capabilities.doorbellStride())) - 1;
    }

    /** The tail doorbell of a submission queue. */
    Doorbell submissionDoorbell(int queue) {
        return doorbell(2L * queue);
    }

    /** The head doorbell of a completion queue. */
    Doorbell completionDoorbell(int queue) {
        return doorbell(2L * queue + 1);
    }

    private Doorbell doorbell(long number) {
        long offset = DOORBELLS + number * capabilities.doorbellStride();
        return index -> bar.writeInt(offset, index);
    }

    /** Reads CSTS. */
    ControllerHealth health() {
        int status = bar.readInt(CSTS);
        if (status == NO_ANSWER) {
            return ControllerHealth.UNREACHABLE;
        }
        return (status & CSTS_FATAL) != 0 || (status & CSTS_READY) == 0
                ? ControllerHealth.STOPPED
                : ControllerHealth.RUNNING;
    }

    /**
     * Rejects a controller that will not complete an admin command any more.
     *
     * @throws VfioException if the registers read all ones, or it has stopped
     */
    void requireRunning(String operation) {
        switch (health()) {
            case RUNNING -> {}
            case UNREACHABLE -> throw unreachable(operation);
            case STOPPED ->
                throw new VfioException(
                        Kind.DEVICE_ERROR,
                        operation,
                        "the controller has stopped (CSTS 0x%08x)".formatted(bar.readInt(CSTS)),
                        "reset the device, or check its firmware");
        }
    }

    /**
     * Disables the controller and waits until it is not ready: it has forgotten its queues and does no DMA. A
     * controller that does not stop is reset with its function, where the device supports that.
     *
     * @throws VfioException if it does not stop within CAP.TO, or reads all ones
     */
    void stop(String operation) {
        try {
            disable(operation);
        } catch (VfioException e) {
            if (!device.isResettable() || health() == ControllerHealth.UNREACHABLE) {
                throw e;
            }
            device.reset();
            device.enableMemory();
            disable(operation);
            device.enableBusMastering();
        }
    }

    /**
     * As {@link #stop}, for a controller that another driver may have left while it was being enabled: clearing CC.EN
     * before CSTS.RDY is set is undefined (3.1.5), so this waits for it first.
     *
     * @throws VfioException as {@link #stop}
     */
    void takeOver(String operation) {
        long end = System.nanoTime() + readyTimeout().toNanos();
        while (isBecomingReady() && System.nanoTime() - end < 0) {
            LockSupport.parkNanos(SLOW_NANOS);
        }
        stop(operation);
    }

    private boolean isBecomingReady() {
        int configuration = bar.readInt(CC);
        int status = bar.readInt(CSTS);
        // Set in all ones too: a device that does not answer is not waited for.
        return (configuration & CC_ENABLE) != 0
                && (configuration & CC_SHUTDOWN_BITS) == 0
                && (status & (CSTS_READY | CSTS_FATAL | CSTS_SHUTDOWN_BITS)) == 0;
    }

    /**
     * Clears CC.EN and waits for CSTS.RDY to clear.
     *
     * @throws VfioException if that takes longer than CAP.TO, or the registers read all ones
     */
    void disable(String operation) {
        int configuration = awaitConfiguration(operation);
        bar.writeInt(CC, configuration & ~(CC_ENABLE | CC_SHUTDOWN_BITS));
        if (delaysReadyCheck && (configuration & CC_ENABLE) != 0) {
            Waiting.sleep(READY_CHECK_DELAY);
        }
        await(operation, "stop", CSTS_READY, 0, 0, readyTimeout());
    }

    /**
     * Reads CC, once the registers do not read all ones any more: until then they ignore writes, too.
     *
     * @throws VfioException if they still do after a second, or the device does not respond
     */
    private int awaitConfiguration(String operation) {
        long end = System.nanoTime() + MAX_SILENCE.toNanos();
        while (bar.readInt(CC) == NO_ANSWER && bar.readInt(CSTS) == NO_ANSWER) {
            requireSilentOnly(operation, device, end);
            LockSupport.parkNanos(SLOW_NANOS);
        }
        return bar.readInt(CC);
    }

    /** Clears CC and does not wait. */
    void abandon() {
        bar.writeInt(CC, 0);
    }

    /**
     * Sets CC.EN with the admin queues and waits for CSTS.RDY.
     *
     * @param entries entries of the admin submission queue and of the admin completion queue
     * @param submission the bus address of the admin submission queue
     * @param completion the bus address of the admin completion queue
     * @throws VfioException if that takes longer than CAP.TO, the controller reports a fatal error, or the registers
     *     read all ones
     */
    void enable(String operation, int pageShift, int entries, long submission, long completion) {
        // The controller was disabled or reset just now.
        awaitConfiguration(operation);
        bar.writeInt(AQA, (entries - 1) << 16 | (entries - 1));
        writeAddress(ASQ, submission);
        writeAddress(ACQ, completion);
        bar.writeInt(
                CC,
                CC_COMPLETION_ENTRY
                        | CC_SUBMISSION_ENTRY
                        | (pageShift - MIN_PAGE_SHIFT) << CC_PAGE_SHIFT
                        | (selectsAllCommandSets() ? CC_ALL_COMMAND_SETS : 0)
                        | CC_ENABLE);
        await(operation, "start", CSTS_READY, CSTS_READY, CSTS_FATAL, readyTimeout());
    }

    /** Without descriptors, enabled namespaces of other command sets would look like those of NVM. */
    private boolean selectsAllCommandSets() {
        return capabilities.hasCommandSets() && !(hasNoDescriptors && capabilities.canSelectNvm());
    }

    /** Two accesses of 4 bytes: controllers need not support accesses of 8. */
    private void writeAddress(int register, long address) {
        bar.writeInt(register, (int) address);
        bar.writeInt(register + Integer.BYTES, (int) (address >>> Integer.SIZE));
    }

    /**
     * Requests a normal shutdown (CC.SHN) and waits until it is complete: cached data is on the medium.
     *
     * @throws VfioException if that takes longer than the timeout, or the registers read all ones
     */
    void shutDown(String operation, Duration timeout) {
        int configuration = awaitConfiguration(operation);
        bar.writeInt(CC, (configuration & ~CC_SHUTDOWN_BITS) | CC_NORMAL_SHUTDOWN);
        await(operation, "shut down", CSTS_SHUTDOWN_BITS, CSTS_SHUTDOWN_COMPLETE, 0, timeout);
    }

    private Duration readyTimeout() {
        Duration timeout = capabilities.timeout();
        if (!capabilities.hasReadyTimeouts()) {
            return timeout;
        }
        // CRTO.CRWMT, in the same unit, replaces CAP.TO where it is longer.
        Duration withMedia = Duration.ofMillis(500L * (bar.readInt(CRTO) & 0xffff));
        Duration longer = withMedia.compareTo(timeout) > 0 ? withMedia : timeout;
        return longer.compareTo(MAX_READY) > 0 ? MAX_READY : longer;
    }

    private void await(String operation, String verb, int bits, int value, int fatal, Duration timeout) {
        long start = System.nanoTime();
        long end = start + timeout.toNanos();
        for (int polls = 0; ; polls++) {
            // Before the read: a thread that was not scheduled for long still sees what the register says now.
            boolean timedOut = System.nanoTime() - end > 0;
            int status = bar.readInt(CSTS);
            if (status == NO_ANSWER) {
                requireSilentOnly(operation, device, start + MAX_SILENCE.toNanos());
                LockSupport.parkNanos(SLOW_NANOS);
                continue;
            }
            if ((status & fatal) != 0) {
                throw new VfioException(
                        Kind.DEVICE_ERROR,
                        operation,
                        "the controller reports a fatal error (CSTS 0x%08x)".formatted(status),
                        "reset the device, or check its firmware");
            }
            if ((status & bits) == value) {
                return;
            }
            if (timedOut) {
                throw new VfioException(
                        Kind.TIMEOUT,
                        operation,
                        "the controller did not %s within its own limit of %d ms (CSTS 0x%08x)"
                                .formatted(verb, timeout.toMillis(), status),
                        "reset the device");
            }
            LockSupport.parkNanos(polls < QUICK_POLLS ? QUICK_NANOS : SLOW_NANOS);
        }
    }

    /** The failure of an operation on a device whose registers read all ones. */
    VfioException unreachable(String operation) {
        return unreachable(operation, device);
    }

    private static VfioException unreachable(String operation, Device device) {
        DeviceCondition condition = device.condition();
        return condition.isResponding()
                ? new VfioException(
                        Kind.DEVICE_ERROR,
                        operation,
                        "the registers of " + device + " read all ones, and its configuration space responds",
                        "reset the device")
                : condition.failure(operation);
    }
}
