package org.jvfio.emulator.nvme;

import java.time.Duration;
import org.jvfio.emulator.device.DeviceBus;

/** The moments at which a controller with {@link Oddities} misbehaves. */
final class OddState {
    private static final Duration READY_CHECK = Duration.ofSeconds(1);
    private static final Duration REGISTERS = Duration.ofMillis(250);
    private static final Duration NAMESPACES = Duration.ofSeconds(1);
    private static final Duration QUEUE = Duration.ofMillis(50);

    private final DeviceBus bus;
    private final Oddities oddities;
    private boolean isSilent;
    private boolean isSettling;
    private boolean wasEnabled;
    private boolean isNotReady;

    OddState(DeviceBus bus, Oddities oddities) {
        this.bus = bus;
        this.oddities = oddities;
        isNotReady = oddities.has(DriveOddity.NOT_READY_AT_FIRST);
    }

    boolean has(DriveOddity kind) {
        return oddities.has(kind);
    }

    /** A function reset. */
    void powerOn() {
        isSettling = false;
        isSilent = has(DriveOddity.LATE_REGISTERS);
        if (isSilent) {
            bus.after(REGISTERS, () -> isSilent = false);
        }
        if (wasEnabled) {
            // The reset has cancelled what was to end it.
            isNotReady = false;
        }
    }

    /** CC.EN was set. */
    void enabled() {
        isSettling = false;
        if (isNotReady && !wasEnabled) {
            bus.after(NAMESPACES, () -> isNotReady = false);
        }
        wasEnabled = true;
    }

    /** CC.EN was cleared. */
    void disabled() {
        isSettling = has(DriveOddity.HANGS_ON_EARLY_READY_CHECK);
        if (isSettling) {
            bus.after(READY_CHECK, () -> isSettling = false);
        }
    }

    /** Whether registers read all ones. */
    boolean isSilent() {
        return isSilent;
    }

    /** Whether a read of CSTS comes too early. */
    boolean isSettling() {
        return isSettling;
    }

    /** Whether namespaces are not ready. */
    boolean isNotReady() {
        return isNotReady;
    }

    /** A submission queue was created. */
    void created(SubmissionQueue queue) {
        if (has(DriveOddity.SLOW_QUEUE_CREATION)) {
            queue.settling(true);
            bus.after(QUEUE, () -> queue.settling(false));
        }
    }
}
