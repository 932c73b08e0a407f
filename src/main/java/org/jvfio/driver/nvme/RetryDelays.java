package org.jvfio.driver.nvme;

import java.util.concurrent.TimeUnit;

/**
 * How long a command that failed is not submitted again: the Command Retry Delay Times of Identify Controller (CRDT1 to
 * CRDT3), which the status of a completion selects (CRD), or a back-off.
 *
 * @param first CRDT1 in units of 100 ms
 * @param second CRDT2 in units of 100 ms
 * @param third CRDT3 in units of 100 ms
 */
record RetryDelays(int first, int second, int third) {
    /** A controller that has none. */
    static final RetryDelays NONE = new RetryDelays(0, 0, 0);

    private static final int CRDT1 = 128;
    private static final long UNIT_NANOS = TimeUnit.MILLISECONDS.toNanos(100);
    private static final long FIRST_NANOS = TimeUnit.MILLISECONDS.toNanos(1);
    private static final long MAX_NANOS = TimeUnit.MILLISECONDS.toNanos(500);
    private static final int MAX_DOUBLINGS = 9;

    static RetryDelays of(ControllerData identifyController) {
        return new RetryDelays(
                identifyController.unsignedShort(CRDT1),
                identifyController.unsignedShort(CRDT1 + 2),
                identifyController.unsignedShort(CRDT1 + 4));
    }

    /** Whether the controller reports any, which a host has to enable (Host Behavior Support, ACRE). */
    boolean isReported() {
        return (first | second | third) != 0;
    }

    /**
     * The delay before a try.
     *
     * @param selector CRD: 1 to 3, or 0 for none
     * @param tries how often the command was submitted again before
     */
    long nanos(int selector, int tries) {
        int units = switch (selector) {
            case 1 -> first;
            case 2 -> second;
            case 3 -> third;
            default -> 0;
        };
        return units > 0 ? units * UNIT_NANOS : Math.min(FIRST_NANOS << Math.min(tries, MAX_DOUBLINGS), MAX_NANOS);
    }
}
