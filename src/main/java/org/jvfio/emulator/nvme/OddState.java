package org.jvfio.emulator.nvme;

import java.time.Duration;
import org.jvfio.emulator.device.DeviceBus;

/**
 * The moments at which a controller with {@link Oddities} misbehaves. A time is over when the bus says so, or by the
 * clock: what the bus puts off can be late on a busy computer.
 */
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
    private long disabledNanos;

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
            disabledNanos = System.nanoTime();
            bus.after(READY_CHECK, () -> isSettling = false);
        }
    }

    /** Whether registers read all ones. */
    boolean isSilent() {
        return isSilent;
    }

    /** Whether a read of CSTS comes too early. */
    boolean isSettling() {
        return isSettling && System.nanoTime() - disabledNanos < READY_CHECK.toNanos();
    }

    /** Whether namespaces are not ready. */
    boolean isNotReady() {
        return isNotReady;
    }

    /** A submission queue was created. */
    void created(SubmissionQueue queue) {
        if (has(DriveOddity.SLOW_QUEUE_CREATION)) {
            queue.settleUntil(System.nanoTime() + QUEUE.toNanos());
            bus.after(QUEUE, queue::settled);
        }
    }
}
