package org.jvfio.kernel.linux;

import java.util.Map;
import java.util.TreeMap;

/**
 * The addresses that {@code mmap} returned and {@code munmap} has not taken back, so that no other memory of the process
 * (the JVM's own) can be reached or unmapped by a wrong address. All is in bytes; addresses are unsigned.
 */
final class MappedMemory {
    /** Start address to end address, exclusive; no two overlap. */
    private final TreeMap<Long, Long> ranges = new TreeMap<>(Long::compareUnsigned);

    synchronized void add(long address, long length) {
        ranges.put(address, address + length);
    }

    /** Whether each byte of the range is mapped, be it by one {@code mmap} or by several. */
    synchronized boolean contains(long address, long length) {
        long end = address + length;
        if (length < 0 || Long.compareUnsigned(end, address) < 0) {
            return false;
        }
        long covered = address;
        do {
            Map.Entry<Long, Long> range = ranges.floorEntry(covered);
            if (range == null || Long.compareUnsigned(range.getValue(), covered) <= 0) {
                return false;
            }
            covered = range.getValue();
        } while (Long.compareUnsigned(covered, end) < 0);
        return true;
    }

    /** Forgets the range, which may begin and end inside others; false, and nothing is changed, if it is not all mapped. */
    synchronized boolean remove(long address, long length) {
        if (!contains(address, length)) {
            return false;
        }
        long end = address + length;
        cutAt(address);
        cutAt(end);
        ranges.subMap(address, end).clear();
        return true;
    }

    /** Makes two ranges of the one that has this address inside. */
    private void cutAt(long address) {
        Map.Entry<Long, Long> range = ranges.lowerEntry(address);
        if (range != null && Long.compareUnsigned(range.getValue(), address) > 0) {
            ranges.put(range.getKey(), address);
            ranges.put(address, range.getValue());
        }
    }
}
