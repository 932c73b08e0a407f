package org.jvfio.emulator;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The host's memory: maps physical addresses to pages. */
final class PhysicalMemory {
    /** Memory below it is the kernel's own, and never used for user pages. */
    private static final long FIRST_USER_PAGE = 1L << 32;

    private static final long ADDRESS_ALIGNMENT = 1L << 16;

    private final Map<Integer, Long> freeHugePages = new HashMap<>();
    /** Sorted by address: each new one is above the others. */
    private final List<Backing> backings = new ArrayList<>();

    private long next = FIRST_USER_PAGE;
    private @Nullable Backing last;

    PhysicalMemory(Map<Integer, Integer> hugePages) {
        hugePages.forEach((shift, count) -> freeHugePages.put(shift, count.longValue()));
    }

    /**
     * Allocates zeroed huge pages from the host's pool.
     *
     * @param size bytes, whole huge pages
     * @return null if the pool has too few of them
     */
    @Nullable
    Backing allocateHuge(long size, int hugeShift) {
        long left = freeHugePages.getOrDefault(hugeShift, 0L) - (size >>> hugeShift);
        Backing backing = left < 0 ? null : allocate(size, hugeShift);
        if (backing != null) {
            freeHugePages.put(hugeShift, left);
        }
        return backing;
    }

    /**
     * Allocates zeroed pages.
     * @param size bytes, whole pages
     * @return null if the Java process cannot allocate that much memory
     */
    @SuppressWarnings("MustBeClosedChecker") // closed by the Backing
    @Nullable
    Backing allocate(long size, int pageShift) {
        long alignment = Math.max(ADDRESS_ALIGNMENT, 1L << pageShift);
        Arena arena = Arena.ofShared();
        MemorySegment segment;
        try {
            segment = arena.allocate(size, alignment);
        } catch (OutOfMemoryError outOfMemory) {
            arena.close();
            return null;
        }
        return add(segment, alignment, pageShift, arena);
    }

    /** Assigns physical addresses to adopted memory, in whole pages. */
    Backing adopt(MemorySegment segment, int pageShift) {
        return add(segment, Math.max(ADDRESS_ALIGNMENT, 1L << pageShift), pageShift, null);
    }

    private Backing add(MemorySegment segment, long alignment, int pageShift, @Nullable Arena arena) {
        long physical = (next + alignment - 1) & -alignment;
        next = physical + segment.byteSize();
        Backing backing = new Backing(this, physical, pageShift, arena, segment);
        backings.add(backing);
        return backing;
    }

    void remove(Backing backing) {
        backings.remove(indexAtOrBelow(backing.physical()));
        freeHugePages.computeIfPresent(backing.pageShift(), (shift, free) -> free + (backing.size() >>> shift));
        if (last == backing) {
            last = null;
        }
    }

    /** The pages at a physical address, or null if no user page is there. */
    @Nullable
    Backing at(long physical) {
        Backing recent = last;
        if (recent != null && physical >= recent.physical() && physical - recent.physical() < recent.size()) {
            return recent;
        }
        int index = indexAtOrBelow(physical);
        Backing below = index < 0 ? null : backings.get(index);
        if (below == null || physical - below.physical() >= below.size()) {
            return null;
        }
        last = below;
        return below;
    }

    /** The index of the last backing that begins at or below an address, -1 if there is none. */
    private int indexAtOrBelow(long physical) {
        int low = 0;
        int high = backings.size();
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (backings.get(middle).physical() <= physical) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low - 1;
    }

    /** The size of all user pages in bytes. */
    long bytes() {
        return backings.stream().mapToLong(Backing::size).sum();
    }
}
