package org.jvfio.driver.nvme;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * The PRP lists and range lists (Dataset Management) of the commands of a queue. Each slot has memory for the list of
 * the largest command, so that submitting allocates nothing. Guarded by the lock of the {@link NvmeQueue}.
 *
 * <p>If a PRP list does not end in a page, the last entry of that page points to the next one (NVM Express base
 * specification 1.4, 4.3). The pages of a list are contiguous on the bus.
 */
final class PrpLists {
    private static final ValueLayout.OfInt INT = JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);

    /**
     * Some controllers fetch up to 4096 bytes of a range list, however short it is (Linux 530436c45ef2), and would
     * follow a list with an offset in its page to PRP entry 2, which is zero.
     */
    private static final int MIN_BYTES = 4096;

    private final MemorySegment lists;
    private final long iova;
    private final int listBytes;
    private final long pageSize;

    private PrpLists(NvmeBuffer memory, int listBytes, long pageSize) {
        lists = memory.segment();
        iova = memory.iova();
        this.listBytes = listBytes;
        this.pageSize = pageSize;
    }

    /**
     * Allocates the lists of a queue.
     *
     * @param listBytes bytes of each list ({@link #listBytes})
     */
    static PrpLists of(DmaArea memory, int slots, int listBytes, int pageShift) {
        long pageSize = 1L << pageShift;
        NvmeBuffer lists = memory.allocate(memoryBytes(slots, listBytes));
        return new PrpLists(lists, listBytes, pageSize);
    }

    /** Bytes of a {@link DmaArea} that the lists of a queue need. */
    static long memoryBytes(int slots, int listBytes) {
        return (long) slots * listBytes;
    }

    /**
     * The bytes of one list: a power of two from 4096, so that no list crosses a page, or whole pages if one is not
     * enough.
     *
     * @param transferBytes the maximum number of bytes of a command, whose first may have an offset in its page
     * @param pageShift log2 of the controller's memory page size
     */
    static int listBytes(long transferBytes, int pageShift) {
        long pageSize = 1L << pageShift;
        // PRP entry 1 is the first page; with an offset in it, the data ends one page later.
        long entries = Math.ceilDiv(transferBytes, pageSize);
        long entriesPerPage = pageSize / Long.BYTES;
        if (entries > entriesPerPage) {
            // Every page but the last gives one entry to the pointer to the next.
            return Math.toIntExact(Math.ceilDiv(entries - 1, entriesPerPage - 1) << pageShift);
        }
        long bytes = Math.max(MIN_BYTES, entries * Long.BYTES);
        return (int) Long.highestOneBit(2 * bytes - 1);
    }

    /**
     * Writes the PRP list of a command.
     *
     * @param start the bus address of the first page of the list, a multiple of the page size
     * @param bytes the bytes of data from there
     * @return the bus address of the list
     */
    long writePages(int slot, long start, long bytes) {
        long list = (long) slot * listBytes;
        long link = list + pageSize - Long.BYTES;
        long entry = list;
        long next = start;
        for (long remaining = bytes; remaining > 0; remaining -= pageSize, next += pageSize, entry += Long.BYTES) {
            if (entry == link && remaining > pageSize) {
                entry += Long.BYTES;
                lists.set(LONG, link, iova + entry);
                link += pageSize;
            }
            lists.set(LONG, entry, next);
        }
        return iova + list;
    }

    /**
     * Writes a range list of one range.
     *
     * @param blocks the number of blocks, as an unsigned int
     * @return the bus address of the list
     */
    long writeRange(int slot, int blocks, long lba) {
        long list = (long) slot * listBytes;
        lists.set(INT, list, 0);
        lists.set(INT, list + 4, blocks);
        lists.set(LONG, list + 8, lba);
        return iova + list;
    }

    /**
     * Writes the source range list of a Copy command: one range of format 0, 32 bytes.
     *
     * @param blocks the number of blocks, 1 to 65536
     * @return the bus address of the list
     */
    long writeSource(int slot, int blocks, long lba) {
        long list = (long) slot * listBytes;
        lists.set(LONG, list, 0);
        lists.set(LONG, list + 8, lba);
        lists.set(LONG, list + 16, blocks - 1L);
        lists.set(LONG, list + 24, 0);
        return iova + list;
    }
}
