package org.jvfio.emulator.nvme;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.jvfio.emulator.device.DeviceBus;

/**
 * The memory of a command's data, as described by its PRP entries (NVM Express 1.4, 4.3). Contiguous entries are merged
 * into one range.
 */
final class Prp {
    private static final int DWORD_MASK = Integer.BYTES - 1;
    private static final int QWORD_MASK = Long.BYTES - 1;
    private static final int INITIAL_RANGES = 64;
    /** The maximum number of entries of a list that are read at once. */
    private static final int LIST_ENTRIES = 512;

    private final DeviceBus bus;
    private final boolean allowsUnaligned;
    private final MemorySegment list;
    private long[] addresses;
    private long[] lengths;
    private int ranges;
    private int nextRange;
    private long nextOffset;

    /**
     * Creates an instance for reuse by all commands of a controller.
     */
    Prp(DeviceBus bus, Configuration configuration) {
        this.bus = bus;
        allowsUnaligned = configuration.has(Deviation.UNALIGNED_PRP);
        addresses = new long[INITIAL_RANGES];
        lengths = new long[INITIAL_RANGES];
        list = MemorySegment.ofArray(new long[LIST_ENTRIES]);
    }

    /**
     * Reads the entries of a command.
     *
     * @param bytes the length of the data, at least 1
     * @param pageBytes the memory page size that the host has set
     * @return {@link Status#SUCCESS}, or the error; no data has been transferred then
     */
    int map(Command command, long bytes, long pageBytes) {
        clear();
        long first = command.prp1();
        if ((first & DWORD_MASK) != 0 && !allowsUnaligned) {
            return Status.PRP_OFFSET_INVALID;
        }
        long inFirst = Math.min(bytes, pageBytes - (first & (pageBytes - 1)));
        add(first, inFirst);
        long left = bytes - inFirst;
        if (left == 0) {
            return Status.SUCCESS;
        }
        long second = command.prp2();
        if (left <= pageBytes) {
            return addPage(second, left, pageBytes);
        }
        return (second & QWORD_MASK) != 0 && !allowsUnaligned
                ? Status.PRP_OFFSET_INVALID
                : mapList(second, left, pageBytes);
    }

    /** The last entry of a page of the list points to the next page of it, unless no data is left after that entry. */
    private int mapList(long start, long bytes, long pageBytes) {
        long at = start;
        long left = bytes;
        while (left > 0) {
            long pages = (left + pageBytes - 1) / pageBytes;
            long inPage = (pageBytes - (at & (pageBytes - 1))) / Long.BYTES;
            long entries = Math.min(pages, inPage);
            boolean chained = pages > inPage;
            for (long entry = 0; entry < entries; entry++) {
                long inRead = entry % LIST_ENTRIES;
                if (inRead == 0) {
                    long read = Math.min(LIST_ENTRIES, entries - entry);
                    if (!bus.readMemory(at + entry * Long.BYTES, list, 0, read * Long.BYTES)) {
                        return Status.DATA_TRANSFER_ERROR;
                    }
                }
                long address = list.get(Command.QWORD, inRead * Long.BYTES);
                if (chained && entry == entries - 1) {
                    if ((address & (pageBytes - 1)) != 0) {
                        return Status.PRP_OFFSET_INVALID;
                    }
                    at = address;
                    break;
                }
                long length = Math.min(left, pageBytes);
                int status = addPage(address, length, pageBytes);
                if (status != Status.SUCCESS) {
                    return status;
                }
                left -= length;
            }
        }
        return Status.SUCCESS;
    }

    private int addPage(long address, long length, long pageBytes) {
        if ((address & (pageBytes - 1)) != 0) {
            return Status.PRP_OFFSET_INVALID;
        }
        add(address, length);
        return Status.SUCCESS;
    }

    private void add(long address, long length) {
        if (ranges > 0 && addresses[ranges - 1] + lengths[ranges - 1] == address) {
            lengths[ranges - 1] += length;
            return;
        }
        if (ranges == addresses.length) {
            addresses = Arrays.copyOf(addresses, 2 * ranges);
            lengths = Arrays.copyOf(lengths, 2 * ranges);
        }
        addresses[ranges] = address;
        lengths[ranges] = length;
        ranges++;
    }

    /** Removes all ranges. */
    void clear() {
        ranges = 0;
        nextRange = 0;
        nextOffset = 0;
    }

    /**
     * Maps one range of contiguous memory, as of a metadata pointer.
     *
     * @param length in bytes
     */
    void mapContiguous(long address, long length) {
        clear();
        add(address, length);
    }

    /**
     * Writes to the ranges where the last call of this kind has ended; at first to their beginning.
     *
     * @return a status
     */
    int writeNext(MemorySegment from, long offset, long length) {
        long left = length;
        while (left > 0) {
            long run = nextRun(left);
            if (!bus.writeMemory(addresses[nextRange] + nextOffset, from, offset + length - left, run)) {
                return Status.DATA_TRANSFER_ERROR;
            }
            nextOffset += run;
            left -= run;
        }
        return Status.SUCCESS;
    }

    /**
     * Reads from the ranges where the last call of this kind has ended; at first from their beginning.
     *
     * @return a status
     */
    int readNext(MemorySegment into, long offset, long length) {
        long left = length;
        while (left > 0) {
            long run = nextRun(left);
            if (!bus.readMemory(addresses[nextRange] + nextOffset, into, offset + length - left, run)) {
                return Status.DATA_TRANSFER_ERROR;
            }
            nextOffset += run;
            left -= run;
        }
        return Status.SUCCESS;
    }

    private long nextRun(long left) {
        if (nextOffset == lengths[nextRange]) {
            nextRange++;
            nextOffset = 0;
        }
        return Math.min(left, lengths[nextRange] - nextOffset);
    }

    /** Flips bits of the byte at an offset in the ranges, if memory is mapped there. */
    void flip(long offset, int bits) {
        long at = offset;
        for (int range = 0; range < ranges; range++) {
            if (at < lengths[range]) {
                MemorySegment octet = MemorySegment.ofArray(new byte[1]);
                if (bus.readMemory(addresses[range] + at, octet)) {
                    octet.set(ValueLayout.JAVA_BYTE, 0, (byte) (octet.get(ValueLayout.JAVA_BYTE, 0) ^ bits));
                    bus.writeMemory(addresses[range] + at, octet);
                }
                return;
            }
            at -= lengths[range];
        }
    }

    /** The total length of the ranges in bytes. */
    long bytes() {
        long bytes = 0;
        for (int range = 0; range < ranges; range++) {
            bytes += lengths[range];
        }
        return bytes;
    }

    /** The number of ranges. */
    int ranges() {
        return ranges;
    }

    /** The bus address of a range. */
    long address(int range) {
        return addresses[range];
    }

    /** The length of a range in bytes. */
    long length(int range) {
        return lengths[range];
    }

    /**
     * Writes the first bytes of a segment to the ranges.
     *
     * @return a status
     */
    int writeMemory(MemorySegment data, long offset, long bytes) {
        long done = 0;
        for (int range = 0; range < ranges && done < bytes; range++) {
            long length = Math.min(lengths[range], bytes - done);
            if (!bus.writeMemory(addresses[range], data, offset + done, length)) {
                return Status.DATA_TRANSFER_ERROR;
            }
            done += length;
        }
        return Status.SUCCESS;
    }

    /**
     * Reads the ranges into a segment that is large enough.
     *
     * @return a status
     */
    int readMemory(MemorySegment data) {
        long done = 0;
        for (int range = 0; range < ranges; range++) {
            if (!bus.readMemory(addresses[range], data, done, lengths[range])) {
                return Status.DATA_TRANSFER_ERROR;
            }
            done += lengths[range];
        }
        return Status.SUCCESS;
    }
}
