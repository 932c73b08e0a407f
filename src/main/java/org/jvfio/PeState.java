package org.jvfio;

import java.util.Optional;
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

    // EEH_STATE_UNAVAILABLE, _RESET_ACTIVE, _MMIO_ACTIVE and _DMA_ACTIVE of asm/eeh.h.
    private static final long UNAVAILABLE_BIT = 1;
    private static final long RESET_BIT = 1 << 2;
    private static final long REGISTERS_BIT = 1 << 3;
    private static final long DMA_BIT = 1 << 4;

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

    /**
     * The state that {@code eeh_pe_state} of a device in sysfs shows, from the bits of {@code asm/eeh.h} in its first
     * number.
     *
     * @param text the text of the file, as in {@code 0x00000078 0x00000000}
     * @return empty if it is no such text
     */
    public static Optional<PeState> parse(String text) {
        String first = text.strip().split(" ", -1)[0].replaceFirst("^0x", "");
        if (!first.matches("[0-9a-f]{1,8}")) {
            return Optional.empty();
        }
        long bits = Long.parseLong(first, 16);
        if ((bits & RESET_BIT) != 0) {
            return Optional.of(RESET);
        }
        boolean registers = (bits & REGISTERS_BIT) != 0;
        boolean dma = (bits & DMA_BIT) != 0;
        if ((bits & UNAVAILABLE_BIT) != 0 || (dma && !registers)) {
            return Optional.of(UNAVAILABLE);
        }
        return Optional.of(registers ? dma ? NORMAL : STOPPED_DMA : STOPPED);
    }

    /** {@code VFIO_EEH_PE_STATE_*}. */
    public int number() {
        return number;
    }

    /** Whether DMA, or register accesses and DMA, are frozen. */
    public boolean isFrozen() {
        return this == STOPPED || this == STOPPED_DMA;
    }

    /** With its number, as in {@code frozen (EEH state 2)}. */
    String withNumber() {
        return "%s (EEH state %s)".formatted(text, number);
    }

    /** In one or some words, as in {@code frozen}. */
    @Override
    public String toString() {
        return text;
    }
}
