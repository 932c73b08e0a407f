package org.jvfio.contract;

import org.jvfio.contract.host.RawContainer;

/** What a window's table costs, in bytes of locked memory. */
final class TableBytes {
    private TableBytes() {}

    /** The default window, of pages of 4K in one level. */
    static long ofDefaultWindow(Contract test, RawContainer container) {
        return test.host.lendsTables() ? 0 : of(test, 12, container.info().size(), 1);
    }

    /** Of a window of this page shift, size in bytes and levels, charged in whole system pages. */
    static long of(Contract test, int pageShift, long size, int levels) {
        long page = test.process.pageSize();
        long bytes = test.host.isPowernv() ? onPowernv(page, pageShift, size, levels) : size >>> (pageShift - 3);
        return bytes / page * page;
    }

    /** The size of one level as a shift, in bytes, without a hypervisor: at least a system page. */
    static int levelShift(Contract test, int pageShift, long size, int levels) {
        int entriesShift = Long.numberOfTrailingZeros(size) - pageShift;
        return Long.numberOfTrailingZeros(levelBytes(test.process.pageSize(), entriesShift, levels));
    }

    private static long levelBytes(long page, int entriesShift, int levels) {
        return Math.max(1L << (Math.ceilDiv(entriesShift, levels) + 3), page);
    }

    /** {@code pnv_pci_ioda2_get_table_size}: the table, and as much again for the user's addresses of its pages. */
    private static long onPowernv(long page, int pageShift, long size, int levels) {
        int entriesShift = Long.numberOfTrailingZeros(size) - pageShift;
        long levelBytes = levelBytes(page, entriesShift, levels);
        long tableBytes = Math.max(4096, 8L << entriesShift);
        long bytes = 0;
        for (int level = 0; level < levels; level++) {
            bytes += Math.ceilDiv(tableBytes, levelBytes) * levelBytes;
            tableBytes = Math.max(tableBytes / levelBytes * 8, levelBytes);
        }
        return 2 * bytes;
    }
}
