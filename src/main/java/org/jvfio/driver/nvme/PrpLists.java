package org.jvfio.driver.nvme;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * The lists of the commands of a queue: of the pages of their data (PRP lists), or of a range of blocks. Each slot of the
 * queue has memory for one, as long as the largest command needs it, so that a command allocates nothing.
 *
 * <p>The last entry of a page of a list that is full and not the end points to the next page (NVM Express base
 * specification 1.4, 4.3). The pages of a list follow each other on the bus.
 */
final class PrpLists {
    private static final ValueLayout.OfInt INT = JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** A list has room for a range of blocks at least. */
    private static final int MIN_BYTES = 64;

    private final MemorySegment lists;
    private final long iova;
    private final int listBytes;
    private final long page;

    private PrpLists(NvmeBuffer memory, int listBytes, long page) {
        lists = memory.segment();
        iova = memory.iova();
        this.listBytes = listBytes;
        this.page = page;
    }

    /** The lists of so many slots, each with {@link #listBytes} bytes. */
    static PrpLists of(DmaArea memory, int slots, int listBytes, int pageShift) {
        long page = 1L << pageShift;
        return new PrpLists(memory.take((long) slots * listBytes, Math.min(listBytes, page)), listBytes, page);
    }

    /**
     * What the list of a command takes: a power of two of bytes, so that no list crosses a page; whole pages if one is not
     * enough.
     *
     * @param transferBytes the most data of a command, which may begin inside a page
     * @param pageShift of the controller's memory pages
     */
    static int listBytes(long transferBytes, int pageShift) {
        long page = 1L << pageShift;
        // The first page of the data is in the command; data that begins inside it ends on one page more.
        long entries = Math.ceilDiv(transferBytes, page);
        long entriesOfPage = page / Long.BYTES;
        if (entries > entriesOfPage) {
            // All pages but the last have an entry that points to the next.
            return Math.toIntExact(Math.ceilDiv(entries - 1, entriesOfPage - 1) << pageShift);
        }
        long bytes = Math.max(MIN_BYTES, entries * Long.BYTES);
        return (int) Long.highestOneBit(2 * bytes - 1);
    }

    /**
     * Writes the list of data that goes on at a page.
     *
     * @param start the bus address of the first page of the list, a multiple of the page
     * @param bytes of data from there
     * @return the bus address of the list
     */
    long writePages(int slot, long start, long bytes) {
        long list = (long) slot * listBytes;
        long link = list + page - Long.BYTES;
        long entry = list;
        long next = start;
        for (long left = bytes; left > 0; left -= page, next += page, entry += Long.BYTES) {
            if (entry == link && left > page) {
                entry += Long.BYTES;
                lists.set(LONG, link, iova + entry);
                link += page;
            }
            lists.set(LONG, entry, next);
        }
        return iova + list;
    }

    /**
     * Writes a list of one range of blocks (Dataset Management).
     *
     * @return the bus address of the list
     */
    long writeRange(int slot, int blocks, long first) {
        long list = (long) slot * listBytes;
        lists.set(INT, list, 0);
        lists.set(INT, list + 4, blocks);
        lists.set(LONG, list + 8, first);
        return iova + list;
    }
}
