package org.jvfio.observe;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The memory of a program that is replayed or checked: what has an address in the record has another one here. May be
 * used by any number of threads.
 */
final class ReplayMemory {
    private static final long MAX_ALIGNMENT = 16L << 20;

    /** Memory of both. */
    private static final class Area {
        private final long recorded;
        private final MemorySegment segment;
        // Closed when it is unmapped; null if the memory is not of this class's making.
        private final @Nullable Arena arena;

        /** Memory that is there. */
        private Area(long recorded, MemorySegment segment) {
            this.recorded = recorded;
            this.segment = segment;
            arena = null;
        }

        /** Allocates memory. */
        @SuppressWarnings("MustBeClosedChecker") // closed by remove
        private Area(long recorded, long bytes, long alignment) {
            Arena shared = Arena.ofShared();
            this.recorded = recorded;
            arena = shared;
            segment = shared.allocate(bytes, alignment);
        }

        boolean hasRecorded(long address) {
            return Long.compareUnsigned(address - recorded, segment.byteSize()) < 0;
        }

        boolean hasActual(long address) {
            return Long.compareUnsigned(address - segment.address(), segment.byteSize()) < 0;
        }
    }

    private final List<Area> areas = new ArrayList<>();

    /** Allocates memory for what was mapped in the record, of the same alignment. */
    synchronized MemorySegment map(long recorded, long length, long page) {
        long alignment = Math.clamp(Long.lowestOneBit(recorded), page, MAX_ALIGNMENT);
        Area area = new Area(recorded, (length + page - 1) & -page, alignment);
        areas.add(area);
        return area.segment;
    }

    /** Adds memory that is there. */
    synchronized void add(long recorded, MemorySegment segment) {
        if (find(segment.address()) == null) {
            areas.add(new Area(recorded, segment));
        }
    }

    private @Nullable Area find(long actual) {
        for (Area area : areas) {
            if (area.hasActual(actual)) {
                return area;
            }
        }
        return null;
    }

    /** Forgets what was added at an address. */
    synchronized void forget(long actual) {
        areas.removeIf(area -> area.arena == null && area.segment.address() == actual);
    }

    /** Frees what {@link #map} has allocated, if the range has all of it. */
    synchronized void remove(long actual, long length) {
        for (Area area : List.copyOf(areas)) {
            long start = area.segment.address();
            if (Long.compareUnsigned(start, actual) >= 0
                    && Long.compareUnsigned(start + area.segment.byteSize(), actual + length) <= 0) {
                areas.remove(area);
                if (area.arena != null) {
                    area.arena.close();
                }
            }
        }
    }

    /** The memory at an address of this process; null if it is not inside one area. */
    synchronized @Nullable MemorySegment segment(long actual, long length) {
        Area area = find(actual);
        long offset = area == null ? 0 : actual - area.segment.address();
        return area == null || length < 0 || length > area.segment.byteSize() - offset
                ? null
                : area.segment.asSlice(offset, length);
    }

    /** The address in the record that an address of this process has; the address itself if it is in no area. */
    synchronized long recorded(long actual) {
        Area area = find(actual);
        return area == null ? actual : area.recorded + (actual - area.segment.address());
    }

    /** The address of this process that an address in the record has; the address itself if it is in no area. */
    synchronized long actual(long recorded) {
        for (Area area : areas) {
            if (area.hasRecorded(recorded)) {
                return area.segment.address() + (recorded - area.recorded);
            }
        }
        return recorded;
    }

    /** Writes what the record has of memory, where it is mapped here, too, and can be written. */
    synchronized void write(long recorded, byte[] bytes) {
        for (Area area : areas) {
            if (area.hasRecorded(recorded) && !area.segment.isReadOnly()) {
                long offset = recorded - area.recorded;
                long length = Math.min(bytes.length, area.segment.byteSize() - offset);
                MemorySegment.copy(bytes, 0, area.segment, ValueLayout.JAVA_BYTE, offset, (int) length);
                return;
            }
        }
    }

    /** Whether memory of the record is mapped here. */
    synchronized boolean has(long recorded) {
        return areas.stream().anyMatch(area -> area.hasRecorded(recorded));
    }
}
