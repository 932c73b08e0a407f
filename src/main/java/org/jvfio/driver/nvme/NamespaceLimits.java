package org.jvfio.driver.nvme;

/**
 * The limits of commands without data transfer, of the Identify Controller data structure of the NVM command set (CNS
 * 06h) and of Identify Namespace, in blocks of a namespace.
 *
 * @param verifyBlocks maximum blocks of a Verify command (VSL)
 * @param writeZeroesBlocks maximum blocks of a Write Zeroes command (WZSL)
 * @param deallocateBlocks maximum blocks of a Dataset Management command with one range (DMRSL, DMSL)
 * @param copyBlocks maximum blocks of a Copy command with one source range (MSSRL, MCL)
 */
record NamespaceLimits(long verifyBlocks, long writeZeroesBlocks, long deallocateBlocks, long copyBlocks) {
    private static final long MAX_BLOCKS = 1 << 16;
    private static final long MAX_RANGE_BLOCKS = (1L << 32) - 1;

    /**
     * Limits of a namespace.
     *
     * @param controller the data structure of CNS 06h; zeros if the controller has none
     * @param namespace the data structure of CNS 00h
     * @param minPageShift log2 of the unit of VSL and WZSL (CAP.MPSMIN)
     * @param blockBytes the bytes of a block that VSL and WZSL count: its data, and its metadata if that is interleaved
     */
    static NamespaceLimits of(ControllerData controller, ControllerData namespace, int minPageShift, long blockBytes) {
        long deallocate = Math.min(
                orUnlimited(Integer.toUnsignedLong(controller.integer(4))), orUnlimited(controller.longInteger(8)));
        long copy = Math.min(namespace.unsignedShort(74), Integer.toUnsignedLong(namespace.integer(76)));
        return new NamespaceLimits(
                blocks(controller.unsignedByte(0), minPageShift, blockBytes),
                blocks(controller.unsignedByte(1), minPageShift, blockBytes),
                Math.min(MAX_RANGE_BLOCKS, deallocate),
                Math.min(MAX_BLOCKS, copy));
    }

    /** Zero means no limit; a number that is negative as a long is too large to matter. */
    private static long orUnlimited(long limit) {
        return limit <= 0 ? Long.MAX_VALUE : limit;
    }

    /** A limit smaller than a block cannot be meant. */
    private static long blocks(int shift, int minPageShift, long blockBytes) {
        int bytesShift = minPageShift + shift;
        if (shift == 0 || bytesShift >= Long.SIZE - 1) {
            return MAX_BLOCKS;
        }
        return Math.clamp((1L << bytesShift) / blockBytes, 1, MAX_BLOCKS);
    }
}
