package org.jvfio.contract;

import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.RawContainer;
import org.jvfio.contract.host.VfioProcess;

/** What a window's table costs, in bytes of locked memory. */
final class TableBytes {
    private final ContractHost host;
    private final long page;

    TableBytes(ContractHost host, VfioProcess process) {
        this.host = host;
        this.page = process.pageSize();
    }

    /** The default window, of pages of 4K in one level. */
    long ofDefaultWindow(RawContainer container) {
        return host.lendsTables() ? 0 : of(12, container.info().size(), 1);
    }

    /** Of a window of this page shift, size in bytes and levels, charged in whole system pages. */
    long of(int pageShift, long size, int levels) {
        long bytes = host.isPowernv() ? onPowernv(pageShift, size, levels) : size >>> (pageShift - 3);
        return bytes / page * page;
    }

    /** The size of one level as a shift, in bytes, without a hypervisor: at least a system page. */
    int levelShift(int pageShift, long size, int levels) {
        int entriesShift = Long.numberOfTrailingZeros(size) - pageShift;
        return Long.numberOfTrailingZeros(levelBytes(entriesShift, levels));
    }

    private long levelBytes(int entriesShift, int levels) {
        return Math.max(1L << (Math.ceilDiv(entriesShift, levels) + 3), page);
    }

    /** {@code pnv_pci_ioda2_get_table_size}: the table, and as much again for the user's addresses of its pages. */
    private long onPowernv(int pageShift, long size, int levels) {
        int entriesShift = Long.numberOfTrailingZeros(size) - pageShift;
        long levelBytes = levelBytes(entriesShift, levels);
        long tableBytes = Math.max(4096, 8L << entriesShift);
        long bytes = 0;
        for (int level = 0; level < levels; level++) {
            bytes += Math.ceilDiv(tableBytes, levelBytes) * levelBytes;
            tableBytes = Math.max(tableBytes / levelBytes * 8, levelBytes);
        }
        return 2 * bytes;
    }
}
