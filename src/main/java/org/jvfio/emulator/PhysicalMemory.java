package org.jvfio.emulator;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
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

    /**
     * Larger allocations use memory only for the pages that are touched; for smaller ones that costs more than it
     * saves.
     */
    private static final long LAZY_BYTES = 8 << 20;

    private final long limit;
    private final Map<Integer, Long> freeHugePages = new HashMap<>();
    private long poolBytes;
    private long bytes;
    /** Sorted by address: each new one is above the others. */
    private final List<Backing> backings = new ArrayList<>();

    private long next = FIRST_USER_PAGE;
    // The last two that were found: a device goes back and forth between its queues and its data.
    private @Nullable Backing last;
    private @Nullable Backing lastButOne;

    /**
     * Memory that nobody uses yet.
     *
     * @param limit its size in bytes
     * @param hugePages the number of huge pages in its pools, by page shift
     */
    PhysicalMemory(long limit, Map<Integer, Integer> hugePages) {
        this.limit = limit;
        hugePages.forEach((shift, count) -> {
            freeHugePages.put(shift, count.longValue());
            poolBytes += (long) count << shift;
        });
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
        Backing backing = left < 0 ? null : make(size, hugeShift);
        if (backing != null) {
            freeHugePages.put(hugeShift, left);
            poolBytes -= size;
        }
        return backing;
    }

    /**
     * Allocates zeroed pages.
     *
     * @param size bytes, whole pages
     * @return null if the host, outside its pools of huge pages, or the Java process has too little memory
     */
    @Nullable
    Backing allocate(long size, int pageShift) {
        return size > limit - poolBytes - bytes ? null : make(size, pageShift);
    }

    @SuppressWarnings("MustBeClosedChecker") // closed by the Backing
    private @Nullable Backing make(long size, int pageShift) {
        long alignment = Math.max(ADDRESS_ALIGNMENT, 1L << pageShift);
        Arena arena = Arena.ofShared();
        MemorySegment segment;
        try {
            segment = zeroed(arena, size, alignment);
        } catch (OutOfMemoryError outOfMemory) {
            arena.close();
            return null;
        }
        bytes += size;
        return add(segment, alignment, pageShift, arena);
    }

    /**
     * Allocates zeroed memory, of which large pieces use memory of this computer only where they are written.
     *
     * @throws OutOfMemoryError if the Java process cannot allocate that much memory
     */
    static MemorySegment zeroed(Arena arena, long size, long alignment) {
        if (size < LAZY_BYTES) {
            return arena.allocate(size, alignment);
        }
        Path file = null;
        try {
            file = Files.createTempFile("jvfio-memory", null);
            // A private mapping of a file without data: pages that are written become the process's own.
            try (FileChannel hole = FileChannel.open(
                    file, StandardOpenOption.READ, StandardOpenOption.WRITE, StandardOpenOption.DELETE_ON_CLOSE)) {
                MemorySegment mapped = hole.map(FileChannel.MapMode.PRIVATE, 0, size + alignment, arena);
                return mapped.asSlice(-mapped.address() & (alignment - 1), size);
            }
        } catch (IOException noSpace) {
            delete(file);
            return arena.allocate(size, alignment);
        }
    }

    private static void delete(@Nullable Path file) {
        try {
            if (file != null) {
                Files.deleteIfExists(file);
            }
        } catch (IOException stays) {
            file.toFile().deleteOnExit();
        }
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
        if (!backing.isAdopted()) {
            bytes -= backing.size();
            freeHugePages.computeIfPresent(backing.pageShift(), (shift, free) -> {
                poolBytes += backing.size();
                return free + (backing.size() >>> shift);
            });
        }
        last = null;
        lastButOne = null;
    }

    /** The pages at a physical address, or null if no user page is there. */
    @Nullable
    Backing at(long physical) {
        Backing recent = last;
        if (recent != null && recent.contains(physical)) {
            return recent;
        }
        Backing other = lastButOne;
        lastButOne = recent;
        if (other != null && other.contains(physical)) {
            last = other;
            return other;
        }
        int index = indexAtOrBelow(physical);
        Backing below = index < 0 ? null : backings.get(index);
        if (below == null || !below.contains(physical)) {
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
