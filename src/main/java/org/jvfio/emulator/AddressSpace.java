package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.jvfio.uapi.vfio_h;

/** The mappings of a process. Addresses are those of the Java process, so that segments and addresses agree. */
final class AddressSpace {
    /** A range of mapped pages with one protection; {@code shared} as of {@code MAP_SHARED}. */
    record Area(long start, long end, Backing backing, long base, int protection, boolean shared) {
        boolean accessible() {
            return protection != vfio_h.PROT_NONE;
        }

        boolean writable() {
            return (protection & vfio_h.PROT_WRITE) != 0;
        }

        /** Whether a driver of the kernel can pin its pages for writing. */
        boolean pinnable() {
            return writable() && !backing.isBar();
        }

        long physical(long address) {
            return backing.physical() + (address - base);
        }

        MemorySegment segment(long address, long length) {
            MemorySegment segment = backing.segment().asSlice(address - base, length);
            return writable() ? segment : segment.asReadOnly();
        }

        private Area part(long from, long to) {
            return new Area(from, to, backing, base, protection, shared);
        }
    }

    private final TreeMap<Long, Area> areas = new TreeMap<>(Long::compareUnsigned);

    /** Maps fresh pages and returns their address. */
    long map(Backing backing, int protection, boolean shared) {
        long base = backing.segment().address();
        // A fresh address may be that of adopted memory which its owner has freed.
        unmap(base, base + backing.size());
        areas.put(base, new Area(base, base + backing.size(), backing, base, protection, shared));
        return base;
    }

    /** The area that contains an address, or null. */
    @Nullable
    Area find(long address) {
        Map.Entry<Long, Area> below = areas.floorEntry(address);
        return below != null && Long.compareUnsigned(address, below.getValue().end()) < 0 ? below.getValue() : null;
    }

    /** Unmaps all mappings in a range of whole pages. */
    void unmap(long start, long end) {
        List<Area> hit = new ArrayList<>();
        Map.Entry<Long, Area> entry = areas.floorEntry(start);
        Area area = entry != null ? entry.getValue() : null;
        if (area == null || Long.compareUnsigned(area.end(), start) <= 0) {
            Map.Entry<Long, Area> above = areas.ceilingEntry(start);
            area = above != null ? above.getValue() : null;
        }
        while (area != null && Long.compareUnsigned(area.start(), end) < 0) {
            hit.add(area);
            Map.Entry<Long, Area> above = areas.higherEntry(area.start());
            area = above != null ? above.getValue() : null;
        }
        for (Area each : hit) {
            long from = max(each.start(), start);
            long to = min(each.end(), end);
            each.backing().unmapped(to - from);
            areas.remove(each.start());
            if (from != each.start()) {
                areas.put(each.start(), each.part(each.start(), from));
            }
            if (to != each.end()) {
                areas.put(to, each.part(to, each.end()));
            }
        }
    }

    /**
     * Whether an address is a multiple of the page size, as the kernel counts: a BAR is mapped wherever the Java
     * process has it, at a multiple of its own page size.
     */
    boolean isAligned(long address, long pageBytes) {
        Area area = find(address);
        long base = area != null && area.backing().isBar() ? area.base() : 0;
        return (address - base) % pageBytes == 0;
    }

    /** Whether an end of a range is inside a huge page, which cannot be unmapped in part. */
    boolean splitsHugePage(long start, long end) {
        return isInsidePage(start) || isInsidePage(end);
    }

    private boolean isInsidePage(long address) {
        Area area = find(address);
        return area != null && ((address - area.base()) & ((1L << area.backing().pageShift()) - 1)) != 0;
    }

    /**
     * Memory of the process as a segment.
     *
     * @return null unless the whole range is mapped and accessible, by one mapping
     */
    @Nullable
    MemorySegment segment(long address, long length) {
        Area area = find(address);
        if (area == null
                || !area.accessible()
                || length < 0
                || Long.compareUnsigned(length, area.end() - address) > 0) {
            return null;
        }
        return area.segment(address, length);
    }

    void unmapAll() {
        for (Area area : List.copyOf(areas.values())) {
            unmap(area.start(), area.end());
        }
    }

    private static long min(long left, long right) {
        return Long.compareUnsigned(left, right) <= 0 ? left : right;
    }

    private static long max(long left, long right) {
        return Long.compareUnsigned(left, right) >= 0 ? left : right;
    }
}
