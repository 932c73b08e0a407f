package org.jvfio.emulator;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.HashSet;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A table of translation control entries (TCEs): {@code struct iommu_table} with its array of user addresses.
 *
 * <p>An entry is 8 bytes, big-endian: the physical address of a page, bit 0 for reading by the device, bit 1 for
 * writing. Levels below the first are allocated when an entry in them is first written, and only the parts of a level
 * with entries are stored, so a large empty table costs nothing.
 */
final class TceTable {
    static final long READ = 1;
    static final long WRITE = 2;
    static final long PERMISSIONS = READ | WRITE;

    private static final long H_PARAMETER = -4;

    private static final int CHUNK_SHIFT = 10;
    private static final int CHUNK_ENTRIES = 1 << CHUNK_SHIFT;
    private static final int RECENT_CHUNKS = 64;
    /** The entries that are not 0, in {@link #counters}. */
    private static final int MAPPED_ENTRIES = OwnCacheLines.FIRST;

    private static final int REPLACED_USER = OwnCacheLines.FIRST + 1;
    private static final VarHandle ENTRY = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);

    /** Consecutive entries, with the user addresses that they were mapped from. */
    private static final class Chunk {
        private final byte[] entries = new byte[CHUNK_ENTRIES * Long.BYTES];
        private final long[] users = new long[CHUNK_ENTRIES];
        private final long number;

        private Chunk(long number) {
            this.number = number;
        }
    }

    private final int pageShift;
    private final long start;
    private final long entries;
    private final int levels;
    private final int levelShift;
    private final long chargedPages;
    private final boolean hypervisor;
    private final TreeMap<Long, Chunk> chunks = new TreeMap<>();
    private final Set<Long> levelsMade = new HashSet<>();
    private final long[] counters = OwnCacheLines.longs(2);
    /** A direct-mapped cache of chunks, indexed by the low bits of their number. */
    private final @Nullable Chunk[] recent = new @Nullable Chunk[RECENT_CHUNKS];

    /**
     * A table without entries.
     *
     * @param start the bus address of the window, in bytes
     * @param entries how many IOMMU pages it translates
     * @param levelShift log2 of the entries of one level
     * @param chargedPages the system pages charged to locked memory for it
     * @param hypervisor whether the hypervisor writes it
     */
    TceTable(
            int pageShift,
            long start,
            long entries,
            int levels,
            int levelShift,
            long chargedPages,
            boolean hypervisor) {
        this.pageShift = pageShift;
        this.start = start;
        this.entries = entries;
        this.levels = levels;
        this.levelShift = levelShift;
        this.chargedPages = chargedPages;
        this.hypervisor = hypervisor;
    }

    int pageShift() {
        return pageShift;
    }

    /** The bus address of its first page, in bytes. */
    long start() {
        return start;
    }

    /** The number of pages that it translates. */
    long entries() {
        return entries;
    }

    /** The size of the range that it translates, in bytes. */
    long windowBytes() {
        return entries << pageShift;
    }

    int levels() {
        return levels;
    }

    long chargedPages() {
        return chargedPages;
    }

    long mappedEntries() {
        return counters[MAPPED_ENTRIES];
    }

    /** The size of the allocated levels in bytes: the first, and those below it in which an entry was written. */
    long allocatedBytes() {
        long perLevel = (long) Long.BYTES << levelShift;
        return perLevel * (1 + levelsMade.size());
    }

    /** The index of the entry for a bus address, or -1 if it is outside the window. */
    long index(long busAddress) {
        long offset = busAddress - start;
        long index = offset >>> pageShift;
        return Long.compareUnsigned(busAddress, start) >= 0 && Long.compareUnsigned(index, entries) < 0 ? index : -1;
    }

    /** The entry at an index, 0 where none was written. */
    long entry(long index) {
        Chunk chunk = chunk(index);
        return chunk == null ? 0 : (long) ENTRY.get(chunk.entries, (int) (index & (CHUNK_ENTRIES - 1)) << 3);
    }

    /**
     * Writes an entry and its user address. Without a hypervisor a writable entry is readable, too; with one it has the
     * requested permissions, and the hypervisor refuses an index past the end of the table.
     *
     * @return the previous entry, 0 or more; or {@code H_PARAMETER}, which is returned as if it were an errno
     */
    long exchange(long index, long entry, long user) {
        if (!hypervisor) {
            return write(index, (entry & WRITE) != 0 ? entry | READ : entry, user);
        }
        return Long.compareUnsigned(index, entries) < 0 ? write(index, entry, user) : H_PARAMETER;
    }

    /** The user address of the entry that {@link #exchange} has replaced; 0 if there was none. */
    long replacedUser() {
        return counters[REPLACED_USER];
    }

    private long write(long index, long entry, long user) {
        Chunk chunk = chunk(index);
        if (chunk == null) {
            counters[REPLACED_USER] = 0;
            if (entry == 0) {
                return 0;
            }
            chunk = new Chunk(index >>> CHUNK_SHIFT);
            chunks.put(chunk.number, chunk);
            makeLevels(index);
        }
        int at = (int) (index & (CHUNK_ENTRIES - 1));
        long old = (long) ENTRY.get(chunk.entries, at << 3);
        ENTRY.set(chunk.entries, at << 3, entry);
        counters[REPLACED_USER] = chunk.users[at];
        chunk.users[at] = user;
        if (old == 0 && entry != 0) {
            counters[MAPPED_ENTRIES]++;
        } else if (old != 0 && entry == 0) {
            counters[MAPPED_ENTRIES]--;
        }
        return old;
    }

    /**
     * The first index at or above {@code index} that may hold an entry; {@code end} or more if there is none below it.
     */
    long nextWritten(long index, long end) {
        if (index >= end || chunk(index) != null) {
            return index;
        }
        Long above = chunks.higherKey(index >>> CHUNK_SHIFT);
        return above == null ? end : above << CHUNK_SHIFT;
    }

    private @Nullable Chunk chunk(long index) {
        long number = index >>> CHUNK_SHIFT;
        int place = (int) number & (RECENT_CHUNKS - 1);
        Chunk chunk = recent[place];
        if (chunk == null || chunk.number != number) {
            chunk = chunks.get(number);
            if (chunk != null) {
                recent[place] = chunk;
            }
        }
        return chunk;
    }

    private void makeLevels(long index) {
        for (int below = 1; below < levels; below++) {
            int shift = levelShift * (levels - below);
            // A level is identified by its depth and its range of indexes.
            levelsMade.add((index >>> shift) * Long.SIZE + below);
        }
    }
}
