package org.jvfio.emulator;

/**
 * An error that EEH injects into the next access that matches.
 *
 * @param kind the kind of access
 * @param write whether the processor or device writes
 * @param space 0 for 32-bit addresses, or the first window; 1 for 64-bit addresses, or the second; {@link #ANYWHERE}
 * @param address the address, of which the bits in {@code mask} are compared
 * @param mask 0 for any address
 */
record InjectedError(Kind kind, boolean write, int space, long address, long mask) {
    /** The kind of an access. */
    enum Kind {
        /** Of the processor to a BAR. */
        REGISTER,
        /** Of the processor to configuration space. */
        CONFIG,
        /** Of a device to memory. */
        DMA
    }

    /** A space that is all of them. */
    static final int ANYWHERE = -1;

    private static final long ADDRESS_32_END = 1L << Integer.SIZE;

    /** An error of the next access of a kind, wherever it is. */
    static InjectedError anywhere(Kind kind, boolean write) {
        return new InjectedError(kind, write, ANYWHERE, 0, 0);
    }

    /** Whether an access to a BAR meets the error. */
    boolean meetsRegister(long busAddress, boolean writes) {
        int of = Long.compareUnsigned(busAddress, ADDRESS_32_END) < 0 ? 0 : 1;
        return meets(Kind.REGISTER, of, busAddress, writes);
    }

    /** Whether an access to configuration space, at an address as {@link #configAddress} makes it, meets the error. */
    boolean meetsConfig(long configAddress, boolean writes) {
        return meets(Kind.CONFIG, space, configAddress, writes);
    }

    /** Whether a DMA through a window meets the error. */
    boolean meetsDma(int window, long busAddress, boolean writes) {
        return meets(Kind.DMA, window, busAddress, writes);
    }

    private boolean meets(Kind of, int inSpace, long at, boolean writes) {
        return kind == of && (space == inSpace || space == ANYWHERE) && write == writes && ((at ^ address) & mask) == 0;
    }

    /**
     * An address in configuration space as the bridge has it: the bus in bits 4 to 11, from the left
     * (PHB_CONFIG_ADDRESS).
     */
    static long configAddress(int bus, int devfn, int register) {
        return ((long) bus << 52) | ((long) devfn << 44) | ((long) register << 32);
    }

    /** The bus of an address in configuration space. */
    static int busOf(long configAddress) {
        return (int) (configAddress >>> 52) & 0xff;
    }
}
