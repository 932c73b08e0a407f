package org.jvfio;

import org.jspecify.annotations.Nullable;
import org.jvfio.uapi.vfio_h;

/** The state of a partitionable endpoint (PE), the result of {@code VFIO_EEH_PE_GET_STATE}. */
public enum PeState {
    /** Register accesses and DMA work. */
    NORMAL(vfio_h.VFIO_EEH_PE_STATE_NORMAL, "normal"),
    /** Reset is asserted. */
    RESET(vfio_h.VFIO_EEH_PE_STATE_RESET, "in reset"),
    /** Frozen: loads return all ones, stores and DMA are dropped. */
    STOPPED(vfio_h.VFIO_EEH_PE_STATE_STOPPED, "frozen"),
    /** Frozen for DMA: register accesses work, DMA is dropped. */
    STOPPED_DMA(vfio_h.VFIO_EEH_PE_STATE_STOPPED_DMA, "frozen for DMA"),
    /** The host is recovering the PE, or has given it up. */
    UNAVAILABLE(vfio_h.VFIO_EEH_PE_STATE_UNAVAIL, "unavailable");

    private final int number;
    private final String text;

    PeState(int number, String text) {
        this.number = number;
        this.text = text;
    }

    /** The state of a number; null if there is none. */
    static @Nullable PeState of(int number) {
        for (PeState state : values()) {
            if (state.number == number) {
                return state;
            }
        }
        return null;
    }

    /** {@code VFIO_EEH_PE_STATE_*}. */
    public int number() {
        return number;
    }

    /** Whether DMA, or register accesses and DMA, are frozen. */
    public boolean isFrozen() {
        return this == STOPPED || this == STOPPED_DMA;
    }

    /** In one or some words, as in {@code frozen}. */
    @Override
    public String toString() {
        return text;
    }
}
