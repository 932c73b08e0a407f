package org.jvfio.emulator.nvme;

/**
 * The limits that a controller reports for commands without data transfer (Identify CNS 06h; NVM Express NVM command
 * set specification 1.0, 4.1.5.2). Zero means no limit.
 *
 * @param verify maximum size of a Verify command, as log2 of pages of CAP.MPSMIN (VSL), 0 to 16
 * @param writeZeroes maximum size of a Write Zeroes command, as log2 of pages of CAP.MPSMIN (WZSL), 0 to 16
 * @param ranges maximum ranges of a Dataset Management command (DMRL), 0 to 255
 * @param rangeBlocks maximum blocks of one range (DMRSL), 0 to 2<sup>32</sup> - 1
 * @param blocks maximum blocks of all ranges of one command (DMSL), at least 0
 */
public record CommandLimits(int verify, int writeZeroes, int ranges, long rangeBlocks, long blocks) {
    /** No limits. */
    public static final CommandLimits NONE = new CommandLimits(0, 0, 0, 0, 0);

    private static final int MAX_SHIFT = 16;
    private static final int MAX_RANGES = 255;
    private static final long MAX_RANGE_BLOCKS = (1L << 32) - 1;

    public CommandLimits {
        check("size limit of Verify", verify, MAX_SHIFT);
        check("size limit of Write Zeroes", writeZeroes, MAX_SHIFT);
        check("limit of ranges of Dataset Management", ranges, MAX_RANGES);
        check("limit of blocks of a range of Dataset Management", rangeBlocks, MAX_RANGE_BLOCKS);
        check("limit of blocks of Dataset Management", blocks, Long.MAX_VALUE);
    }

    private static void check(String name, long value, long maximum) {
        if (value < 0 || value > maximum) {
            throw new IllegalArgumentException("%s: %d is not in the range 0 to %d".formatted(name, value, maximum));
        }
    }
}
