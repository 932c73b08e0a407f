package org.jvfio.emulator;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.List;

/** Registered memory: {@code struct mm_iommu_table_group_mem_t}. */
final class RegisteredRegion {
    /** A run of pinned pages that are contiguous in physical memory. */
    record Run(long address, long length, Backing backing, long physical) {}

    private static final VarHandle COUNTER = MethodHandles.arrayElementVarHandle(long[].class);

    private final long address;
    private final long pages;
    private final long size;
    private final int pageShift;
    private final List<Run> runs;
    private int users = 1;
    // Containers that map the same region count without a common lock.
    private final long[] mapped = OwnCacheLines.longs(1);

    RegisteredRegion(long address, long pages, long size, int pageShift, List<Run> runs) {
        this.address = address;
        this.pages = pages;
        this.size = size;
        this.pageShift = pageShift;
        this.runs = runs;
    }

    long address() {
        return address;
    }

    long pages() {
        return pages;
    }

    long size() {
        return size;
    }

    /** The largest IOMMU page that the region can back, as a shift. */
    int pageShift() {
        return pageShift;
    }

    long mapped() {
        return (long) COUNTER.getVolatile(mapped, OwnCacheLines.FIRST);
    }

    int users() {
        return users;
    }

    boolean covers(long start, long length) {
        return Long.compareUnsigned(address, start) <= 0
                && Long.compareUnsigned(start + length, address + size) <= 0
                && Long.compareUnsigned(start, start + length) <= 0;
    }

    boolean overlaps(long start, long length) {
        return Long.compareUnsigned(address, start + length) < 0 && Long.compareUnsigned(start, address + size) < 0;
    }

    long physical(long virtual) {
        for (Run run : runs) {
            long offset = virtual - run.address();
            if (Long.compareUnsigned(offset, run.length()) < 0) {
                return run.physical() + offset;
            }
        }
        throw new IllegalStateException("no page at " + Long.toHexString(virtual));
    }

    void use() {
        users++;
    }

    /** Decrements the use count; returns the new count. */
    int unuse() {
        return --users;
    }

    void mapOne() {
        COUNTER.getAndAdd(mapped, OwnCacheLines.FIRST, 1L);
    }

    void unmapOne() {
        long before;
        do {
            before = mapped();
        } while (before > 0 && !COUNTER.compareAndSet(mapped, OwnCacheLines.FIRST, before, before - 1));
    }

    void unpin() {
        runs.forEach(run -> run.backing().unpin());
    }
}
