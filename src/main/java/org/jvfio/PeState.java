package org.jvfio;

/**
 * What the platform lets through between a partitionable endpoint (PE) and the rest of the machine: the answer of
 * {@code VFIO_EEH_PE_GET_STATE}.
 */
public enum PeState {
    /** Register access and DMA work. */
    NORMAL(0, "normal"),
    /** Reset is asserted. */
    RESET(1, "in reset"),
    /** Frozen: loads answer all ones, stores and DMA are dropped. */
    STOPPED(2, "frozen"),
    /** Registers work again, DMA is still dropped. */
    STOPPED_DMA(4, "frozen for DMA"),
    /** The host is recovering it, or has given it up. */
    UNAVAILABLE(5, "unavailable");

    private final int number;
    private final String text;

    PeState(int number, String text) {
        this.number = number;
        this.text = text;
    }

    /** The number that the kernel has for it: {@code VFIO_EEH_PE_STATE_*} in {@code linux/vfio.h}. */
    public int number() {
        return number;
    }

    /** Whether registers, DMA or both are frozen. */
    public boolean isFrozen() {
        return this == STOPPED || this == STOPPED_DMA;
    }

    /** In a word or two, as in {@code frozen}. */
    @Override
    public String toString() {
        return text;
    }
}
