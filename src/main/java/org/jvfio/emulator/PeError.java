package org.jvfio.emulator;

/**
 * An error that {@link EmulatedHost#strike} lets a partitionable endpoint (PE) meet. It needs no EEH. Where PEs do not
 * freeze ({@link EmulatedMachine.Builder#freezes}), it has no effect.
 */
public enum PeError {
    /** Registers and DMA freeze at once. */
    AT_ONCE,
    /** DMA alone freezes, as that of a PE whose registers were unfrozen for a dump. */
    DMA_ONLY,
    /** The next load from a BAR freezes registers and DMA. */
    LOAD,
    /** The next store to a BAR freezes registers and DMA; it does not reach the device. */
    STORE,
    /** The next DMA that reads memory fails, and freezes registers and DMA. */
    DMA_READ,
    /** The next DMA that writes memory fails, and freezes registers and DMA. */
    DMA_WRITE
}
