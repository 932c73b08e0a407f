package org.jvfio.cli.host;

import java.util.Locale;
import java.util.Optional;

/** The state of a device's PE, as {@code eeh_pe_state} of sysfs has it: {@code asm/eeh.h}. */
public enum EehStatus {
    NORMAL,
    /** Registers read all ones, and DMA is stopped. */
    FROZEN,
    /** Registers can be accessed, and DMA is stopped. */
    DMA_STOPPED,
    /** The PE is being reset. */
    RESET,
    UNAVAILABLE;

    private static final long UNAVAILABLE_BIT = 1;
    private static final long RESET_BIT = 1 << 2;
    private static final long REGISTERS_BIT = 1 << 3;
    private static final long DMA_BIT = 1 << 4;

    static Optional<EehStatus> parse(String text) {
        String first = text.split(" ", -1)[0].replaceFirst("^0x", "");
        if (!first.matches("[0-9a-f]{1,8}")) {
            return Optional.empty();
        }
        long state = Long.parseLong(first, 16);
        if ((state & RESET_BIT) != 0) {
            return Optional.of(RESET);
        }
        boolean registers = (state & REGISTERS_BIT) != 0;
        boolean dma = (state & DMA_BIT) != 0;
        if ((state & UNAVAILABLE_BIT) != 0 || (dma && !registers)) {
            return Optional.of(UNAVAILABLE);
        }
        return Optional.of(registers ? dma ? NORMAL : DMA_STOPPED : FROZEN);
    }

    /** In words, as in {@code dma stopped}. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT).replace('_', ' ');
    }
}
