package org.jvfio.kernel.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The memory that {@code mmap} has returned and {@code munmap} has not unmapped. It keeps wrong addresses from reaching
 * or unmapping other memory of the process (the JVM's own), and segments from outliving their memory. All sizes are in
 * bytes; addresses are unsigned.
 */
final class MappedMemory {
    /** A mapped range. */
    private static final class Range {
        private final long end;
        /** The arena of the segments over it; null while there are none. */
        private @Nullable Arena lifetime;

        private Range(long end) {
            this.end = end;
        }
    }

    /** Ranges by start address; no two overlap. */
    private final TreeMap<Long, Range> ranges = new TreeMap<>(Long::compareUnsigned);

    synchronized void add(long address, long length) {
        ranges.put(address, new Range(address + length));
    }

    /** Whether each byte of the range is mapped, by one {@code mmap} or by several. */
    synchronized boolean contains(long address, long length) {
        long end = address + length;
        if (length < 0 || Long.compareUnsigned(end, address) < 0) {
            return false;
        }
        long covered = address;
        do {
            Map.Entry<Long, Range> range = ranges.floorEntry(covered);
            if (range == null || Long.compareUnsigned(range.getValue().end, covered) <= 0) {
                return false;
            }
            covered = range.getValue().end;
        } while (Long.compareUnsigned(covered, end) < 0);
        return true;
    }

    /**
     * The memory as a segment that lives until {@link #remove} of a part of its mapping; null unless one holds it all.
     */
    @SuppressWarnings({"restricted", "MustBeClosedChecker"}) // closed by remove
    synchronized @Nullable MemorySegment segment(long address, long length) {
        Map.Entry<Long, Range> entry = ranges.floorEntry(address);
        if (entry == null
                || length < 0
                || Long.compareUnsigned(address, entry.getValue().end) >= 0
                || Long.compareUnsigned(length, entry.getValue().end - address) > 0) {
            return null;
        }
        Range range = entry.getValue();
        if (range.lifetime == null) {
            range.lifetime = Arena.ofShared();
        }
        return MemorySegment.ofAddress(address).reinterpret(length, range.lifetime, null);
    }

    /**
     * Removes the range, which may begin and end inside others, and closes all segments over the mappings that it
     * touches; false, without any change, if it is not all mapped.
     *
     * @throws IllegalStateException if another thread's call uses such a segment at this moment; the range stays
     */
    synchronized boolean remove(long address, long length) {
        if (!contains(address, length)) {
            return false;
        }
        long end = address + length;
        Map<Long, Range> touched = ranges.subMap(ranges.floorKey(address), end);
        for (Range range : touched.values()) {
            if (range.lifetime != null) {
                range.lifetime.close();
                range.lifetime = null;
            }
        }
        cutAt(address);
        cutAt(end);
        ranges.subMap(address, end).clear();
        return true;
    }

    /** Splits the range that contains this address. */
    private void cutAt(long address) {
        Map.Entry<Long, Range> range = ranges.lowerEntry(address);
        if (range != null && Long.compareUnsigned(range.getValue().end, address) > 0) {
            add(address, range.getValue().end - address);
            add(range.getKey(), address - range.getKey());
        }
    }
}
