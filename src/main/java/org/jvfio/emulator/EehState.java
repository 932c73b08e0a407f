package org.jvfio.emulator;

/** The state of a partitionable endpoint as EEH reports it ({@code VFIO_EEH_PE_GET_STATE}). */
public enum EehState {
    NORMAL(0),
    /** Reset is asserted. */
    RESET(1),
    /** Frozen: no access to registers, no DMA. */
    STOPPED(2),
    /** Registers can be accessed, DMA is stopped. */
    STOPPED_DMA(4),
    UNAVAILABLE(5);

    private final int number;

    EehState(int number) {
        this.number = number;
    }

    /** The number in {@code linux/vfio.h}. */
    public int number() {
        return number;
    }
}
