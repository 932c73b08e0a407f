package org.jvfio;

/** The power state of a device (PCI power management). */
public enum PowerState {
    /** Full power. */
    D0(0),
    /** Less power; the fastest return to D0. */
    D1(1),
    /** Less power than D1. */
    D2(2),
    /** Only configuration space is accessible. A device that returns to D0 may have lost its state. */
    D3_HOT(3);

    private final int number;

    PowerState(int number) {
        this.number = number;
    }

    /** The value in the power management control register, 2 bits. */
    int number() {
        return number;
    }

    static PowerState of(int number) {
        return switch (number) {
            case 0 -> D0;
            case 1 -> D1;
            case 2 -> D2;
            default -> D3_HOT;
        };
    }
}
