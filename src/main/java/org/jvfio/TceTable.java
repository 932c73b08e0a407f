package org.jvfio;

import java.util.Optional;
import org.jvfio.VfioException.Kind;

/**
 * A TCE table as the kernel builds it for a window: {@code pnv_pci_ioda2_table_alloc_pages} and {@code
 * pnv_pci_ioda2_get_table_size} on powernv, {@code spapr_tce_create_table} on pseries.
 *
 * @param windowBytes the size of the window that it really translates
 * @param lockedBytes what the kernel adds to the process's locked memory for it: on powernv twice the table, as it
 *     keeps a copy with user addresses; on pseries the table, in whole system pages rounded down
 */
record TceTable(long windowBytes, long lockedBytes) {
    private static final int ENTRY_SHIFT = 3;
    // MAX_PAGE_ORDER of ppc64: the longest contiguous allocation, and so the largest level, is 16 MiB.
    private static final int MAX_LEVEL_SHIFT = 24;
    // Bits of a bus address that a table may cover, below bit 59 which selects the window.
    private static final int MAX_ADDRESS_BITS = 55;

    /**
     * The table of a window, or the reason why the kernel would not make it. Asking the kernel for one that it cannot
     * make is no way to find out: it then never takes back what it charged to locked memory.
     *
     * @param operation what is to be done, for the exception
     * @param systemPage the page size of the kernel
     * @throws IllegalArgumentException if the arguments describe no window of any platform
     * @throws VfioException if there can be no such table
     */
    static TceTable of(String operation, TceInfo info, PageSize systemPage, PageSize page, long bytes, int levels) {
        requireValid(page, bytes, levels);
        Optional<Cause> obstacle = obstacle(info, systemPage, page, bytes, levels);
        if (obstacle.isPresent()) {
            throw new VfioException(operation, obstacle.get());
        }
        return info.isPowernv() ? ofPowernv(systemPage, page, bytes, levels) : ofPseries(systemPage, page, bytes);
    }

    /** @throws IllegalArgumentException if the arguments describe no window of any platform */
    static void requireValid(PageSize page, long bytes, int levels) {
        if (bytes <= 0 || Long.bitCount(bytes) != 1 || bytes < page.bytes()) {
            throw new IllegalArgumentException("a window of %d bytes: not a power of two of at least one page of %s%s"
                    .formatted(
                            bytes,
                            page,
                            bytes <= 0 ? "" : "; round it up to " + ByteSize.format(roundUp(bytes, page))));
        }
        if (levels < 1) {
            throw new IllegalArgumentException("a TCE table of " + levels + " levels: it has at least 1");
        }
    }

    /** Why there can be no such table; empty if there can. The arguments are {@linkplain #requireValid valid}. */
    static Optional<Cause> obstacle(TceInfo info, PageSize systemPage, PageSize page, long bytes, int levels) {
        if (!info.pageSizes().contains(page)) {
            return Cause.of(Kind.UNSUPPORTED, "the IOMMU has no pages of " + page, "use one of " + info.pageSizes());
        }
        if (levels > info.maxLevels()) {
            return Cause.of(
                    Kind.UNSUPPORTED,
                    "a table has 1 to " + info.maxLevels() + " levels here, not " + levels,
                    "use 1 level");
        }
        if (!info.isPowernv()) {
            return Optional.empty();
        }
        int levelShift = levelShift(systemPage, entriesShift(page, bytes), levels);
        if ((levelShift - ENTRY_SHIFT) * levels + page.shift() >= MAX_ADDRESS_BITS) {
            return Cause.of(
                    Kind.UNSUPPORTED,
                    "%d levels of at least %s span more than the %d address bits of a window"
                            .formatted(levels, systemPage, MAX_ADDRESS_BITS),
                    "use fewer levels");
        }
        if (levelShift > MAX_LEVEL_SHIFT) {
            return Cause.of(
                    Kind.UNSUPPORTED,
                    "a level of its table would be %s, and the kernel can make at most %s in one piece"
                            .formatted(ByteSize.format(1L << levelShift), ByteSize.format(1L << MAX_LEVEL_SHIFT)),
                    "use more levels, or larger pages");
        }
        return Optional.empty();
    }

    private static long roundUp(long bytes, PageSize page) {
        long highest = Long.highestOneBit(Math.max(bytes, page.bytes()));
        return highest >= bytes || highest == 1L << 62 ? highest : highest << 1;
    }

    private static TceTable ofPseries(PageSize systemPage, PageSize page, long bytes) {
        long table = bytes >>> (page.shift() - ENTRY_SHIFT);
        return new TceTable(bytes, table & -systemPage.bytes());
    }

    private static TceTable ofPowernv(PageSize systemPage, PageSize page, long bytes, int levels) {
        int entriesShift = entriesShift(page, bytes);
        int tableShift = Math.max(entriesShift + ENTRY_SHIFT, systemPage.shift());
        long window = 1L << (tableShift - ENTRY_SHIFT + page.shift());
        return new TceTable(window, powernvCharge(entriesShift, levelShift(systemPage, entriesShift, levels), levels));
    }

    private static int entriesShift(PageSize page, long bytes) {
        return Long.numberOfTrailingZeros(bytes) - page.shift();
    }

    private static int levelShift(PageSize systemPage, int entriesShift, int levels) {
        return Math.max(Math.ceilDiv(entriesShift, levels) + ENTRY_SHIFT, systemPage.shift());
    }

    private static long powernvCharge(int entriesShift, int levelShift, int levels) {
        long level = 1L << levelShift;
        long table = Math.max(4096, 1L << (entriesShift + ENTRY_SHIFT));
        long bytes = 0;
        for (int i = 0; i < levels; i++) {
            bytes += (table + level - 1) & -level;
            table = Math.max((table >>> levelShift) << ENTRY_SHIFT, level);
        }
        return 2 * bytes;
    }
}
