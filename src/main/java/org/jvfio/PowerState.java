package org.jvfio;

/** What power a device has (PCI power management). */
public enum PowerState {
    /** Full power. */
    D0(0),
    /** Less, and back sooner than from the others. */
    D1(1),
    /** Still less. */
    D2(2),
    /** Off, but for its configuration space. A device that comes back from it may have forgotten everything. */
    D3_HOT(3);

    private final int number;

    PowerState(int number) {
        this.number = number;
    }

    /** The number that PCI has for it, 2 bits. */
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
