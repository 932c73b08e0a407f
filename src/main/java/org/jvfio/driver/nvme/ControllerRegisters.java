package org.jvfio.driver.nvme;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import org.jvfio.Device;
import org.jvfio.Region;
import org.jvfio.VfioException;

/** The registers in BAR 0, which are little-endian, and the ways between their states. */
final class ControllerRegisters {
    /** What the registers of a device read that is gone, or whose PE is frozen. */
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
    private static final int CC_PAGE_SHIFT = 7;
    private static final int CC_NORMAL_SHUTDOWN = 1 << 14;
    private static final int CC_SHUTDOWN_BITS = 3 << 14;
    private static final int CC_SUBMISSION_ENTRY = 6 << 16;
    private static final int CC_COMPLETION_ENTRY = 4 << 20;
    private static final int CSTS_READY = 1;
    private static final int CSTS_FATAL = 1 << 1;
    private static final int CSTS_SHUTDOWN_BITS = 3 << 2;
    private static final int CSTS_SHUTDOWN_COMPLETE = 2 << 2;

    // The register can ask for nine hours.
    private static final Duration MAX_READY = Duration.ofMinutes(5);
    private static final int MIN_PAGE_SHIFT = 12;
    private static final int QUICK_LOOKS = 100;
    private static final long QUICK_NANOS = 20_000;
    private static final long SLOW_NANOS = 1_000_000;

    private final Device device;
    private final Region bar;

    ControllerRegisters(Device device) {
        this.device = device;
        bar = device.bar(0);
        if (bar.size() < DOORBELLS + 2 * Integer.BYTES) {
            throw new VfioException(
                    "drive " + device + " as NVMe",
                    "its BAR 0 has %d bytes, too few for the registers of NVMe".formatted(bar.size()),
                    "name an NVMe drive");
        }
    }

    Capabilities capabilities(String asked) {
        long register =
                Integer.toUnsignedLong(bar.readInt(CAP)) | (long) bar.readInt(CAP + Integer.BYTES) << Integer.SIZE;
        if (register == NO_ANSWER) {
            throw dead(asked);
        }
        return Capabilities.of(asked, register);
    }

    /** VS: the version of the specification, as {@code major << 16 | minor << 8 | tertiary}. */
    int version() {
        return bar.readInt(VS);
    }

    /** How many pairs of I/O queues have doorbells in the BAR. */
    int doorbellPairs(Capabilities capabilities) {
        return (int) ((bar.size() - DOORBELLS) / (2L * capabilities.doorbellStride())) - 1;
    }

    /** Where the doorbell of a submission queue is. */
    static long submissionDoorbell(Capabilities capabilities, int queue) {
        return DOORBELLS + 2L * queue * capabilities.doorbellStride();
    }

    /** Where the doorbell of a completion queue is. */
    static long completionDoorbell(Capabilities capabilities, int queue) {
        return DOORBELLS + (2L * queue + 1) * capabilities.doorbellStride();
    }

    /** Writes a doorbell; whoever calls this has made a full fence after the last write to memory. */
    void ring(long doorbell, int index) {
        bar.writeInt(doorbell, index);
    }

    /** Why the controller cannot go on as it is, if so: CSTS. */
    ControllerHealth health() {
        int status = bar.readInt(CSTS);
        if (status == NO_ANSWER) {
            return ControllerHealth.DEAD;
        }
        return (status & CSTS_FATAL) != 0 || (status & CSTS_READY) == 0
                ? ControllerHealth.STOPPED
                : ControllerHealth.RUNNING;
    }

    /** Stops the controller, which then forgets its queues and does no more DMA. */
    void disable(String asked, Capabilities capabilities) {
        int configuration = bar.readInt(CC);
        if (configuration == NO_ANSWER && bar.readInt(CSTS) == NO_ANSWER) {
            throw dead(asked);
        }
        bar.writeInt(CC, configuration & ~(CC_ENABLE | CC_SHUTDOWN_BITS));
        await(asked, "stop", CSTS_READY, 0, 0, readyTimeout(capabilities));
    }

    /** Takes the enabling back, without waiting for anything. */
    void abandon() {
        bar.writeInt(CC, 0);
    }

    /** Starts the controller with its admin queues, which are of the same number of entries. */
    void enable(String asked, Capabilities capabilities, int pageShift, int entries, long submission, long completion) {
        bar.writeInt(AQA, (entries - 1) << 16 | (entries - 1));
        writeAddress(ASQ, submission);
        writeAddress(ACQ, completion);
        bar.writeInt(
                CC,
                CC_COMPLETION_ENTRY | CC_SUBMISSION_ENTRY | (pageShift - MIN_PAGE_SHIFT) << CC_PAGE_SHIFT | CC_ENABLE);
        await(asked, "start", CSTS_READY, CSTS_READY, CSTS_FATAL, readyTimeout(capabilities));
    }

    /** Two accesses of 4 bytes, which every controller takes. */
    private void writeAddress(int register, long address) {
        bar.writeInt(register, (int) address);
        bar.writeInt(register + Integer.BYTES, (int) (address >>> Integer.SIZE));
    }

    /** Has the controller write to its medium what it holds: CC.SHN. */
    void shutDown(String asked, Duration timeout) {
        int configuration = bar.readInt(CC);
        bar.writeInt(CC, (configuration & ~CC_SHUTDOWN_BITS) | CC_NORMAL_SHUTDOWN);
        await(asked, "shut down", CSTS_SHUTDOWN_BITS, CSTS_SHUTDOWN_COMPLETE, 0, timeout);
    }

    private Duration readyTimeout(Capabilities capabilities) {
        Duration timeout = capabilities.timeout();
        if (!capabilities.hasReadyTimeouts()) {
            return timeout;
        }
        // CRTO's lower half is for the controller and its media, in the same unit; it counts where it is longer.
        Duration withMedia = Duration.ofMillis(500L * (bar.readInt(CRTO) & 0xffff));
        Duration longer = withMedia.compareTo(timeout) > 0 ? withMedia : timeout;
        return longer.compareTo(MAX_READY) > 0 ? MAX_READY : longer;
    }

    private void await(String asked, String verb, int bits, int value, int fatal, Duration timeout) {
        long end = System.nanoTime() + timeout.toNanos();
        for (int look = 0; ; look++) {
            boolean late = System.nanoTime() - end > 0;
            int status = bar.readInt(CSTS);
            if (status == NO_ANSWER) {
                throw dead(asked);
            }
            if ((status & fatal) != 0) {
                throw new VfioException(
                        asked,
                        "the controller reports a fatal error (CSTS 0x%08x)".formatted(status),
                        "reset the device, or look at its firmware");
            }
            if ((status & bits) == value) {
                return;
            }
            if (late) {
                throw new VfioException(
                        asked,
                        "the controller did not %s within its own limit of %d ms (CSTS 0x%08x)"
                                .formatted(verb, timeout.toMillis(), status),
                        "reset the device");
            }
            LockSupport.parkNanos(look < QUICK_LOOKS ? QUICK_NANOS : SLOW_NANOS);
        }
    }

    VfioException dead(String asked) {
        return new VfioException(
                asked,
                "the registers of " + device + " read all ones: it is gone, or its PE is frozen",
                "look at the state of its PE");
    }
}
