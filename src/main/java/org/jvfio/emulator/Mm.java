package org.jvfio.emulator;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;

/**
 * The memory of a process: {@code struct mm_struct} with its address space, its locked pages and its registrations for
 * DMA ({@code arch/powerpc/mm/book3s64/iommu_api.c}).
 */
final class Mm {
    static final long UNLIMITED = -1;

    private static final int HUGEST_CHUNK_SHIFT = 21;
    private static final int SYSTEM_SHIFT_4K = 12;
    private static final int HUGE_SHIFT_16M = 24;
    /** PMD_SIZE with system pages of 4K: what one entry maps in the page table level that holds 16M pages. */
    private static final long BYTES_OF_ENTRY = 2 << 20;

    private final int pageShift;
    private final boolean spreadsHugePages;
    private final boolean freesRegistrations;
    /** The kernel stores 8 bytes for each page, and allocates no array larger than its memory. */
    private final long mostPages;

    private final KernelLog log;
    private final AddressSpace addresses = new AddressSpace();
    private final TreeMap<Long, RegisteredRegion> regions = new TreeMap<>(Long::compareUnsigned);
    private long lockedPages;
    private long memlockSoft;
    private long memlockHard;
    private boolean mayLock;
    private boolean ended;
    private int references = 1;
    private int process;

    /** The memory of a new process, which {@linkplain #drop drops} its reference when it has ended. */
    Mm(EmulatedMachine machine, KernelLog log) {
        this.pageShift = machine.pageShift();
        this.spreadsHugePages = pageShift == SYSTEM_SHIFT_4K && machine.kernel().spreadsHugePages();
        this.freesRegistrations = !machine.kernel().releasesRegistrations();
        this.mostPages = machine.memoryBytes() / Long.BYTES;
        this.log = log;
        this.memlockSoft = machine.memlockBytes();
        this.memlockHard = machine.memlockBytes();
        this.mayLock = machine.capIpcLock();
    }

    AddressSpace addresses() {
        return addresses;
    }

    /** The id of the process. */
    int process() {
        return process;
    }

    void process(int id) {
        process = id;
    }

    long lockedPages() {
        return lockedPages;
    }

    long memlockSoft() {
        return memlockSoft;
    }

    long memlockHard() {
        return memlockHard;
    }

    void memlock(long soft, long hard) {
        memlockSoft = soft;
        memlockHard = hard;
    }

    /** A child inherits its parent's limits. */
    void inherit(Mm parent) {
        memlock(parent.memlockSoft, parent.memlockHard);
        mayLock = parent.mayLock;
    }

    boolean mayLock() {
        return mayLock;
    }

    void mayLock(boolean capIpcLock) {
        mayLock = capIpcLock;
    }

    Collection<RegisteredRegion> regions() {
        return regions.values();
    }

    /** {@code account_locked_vm}: charges pages, with ENOMEM past RLIMIT_MEMLOCK. */
    int charge(long pages) {
        if (pages == 0) {
            return 0;
        }
        long after = lockedPages + pages;
        if (!mayLock && Long.compareUnsigned(after, memlockSoft >>> pageShift) > 0) {
            return Errno.ENOMEM.negated();
        }
        lockedPages = after;
        return 0;
    }

    /** Uncharges pages, at most as many as are charged: {@code decrement_locked_vm}. */
    void refund(long pages) {
        if (pages > lockedPages && !ended) {
            log.warnOnce("drivers/vfio/vfio_iommu_spapr_tce.c decrement_locked_vm");
        }
        lockedPages -= Math.min(pages, lockedPages);
    }

    /** The process ends; its charges no longer matter. */
    void end() {
        ended = true;
    }

    /** Pages stay charged that nothing uses, because the kernel leaks the charge. */
    void leak(long pages) {
        lockedPages += pages;
    }

    /** {@code mm_iommu_get}: the region with exactly this range; increments its use count. */
    @Nullable
    RegisteredRegion use(long address, long pages) {
        RegisteredRegion region = regions.get(address);
        if (region == null || region.pages() != pages) {
            return null;
        }
        region.use();
        return region;
    }

    /**
     * {@code mm_iommu_put}: decrements the use count; EBUSY, and no change, if it was the last use and mappings remain.
     */
    int unuse(RegisteredRegion region) {
        if (region.unuse() > 0) {
            return 0;
        }
        if (region.mapped() > 0) {
            region.use();
            return Errno.EBUSY.negated();
        }
        regions.remove(region.address());
        region.unpin();
        refund(region.pages());
        return 0;
    }

    /** {@code mm_iommu_lookup}: the region that contains the whole range. */
    @Nullable
    RegisteredRegion lookup(long address, long length) {
        Map.Entry<Long, RegisteredRegion> below = regions.floorEntry(address);
        return below == null || !below.getValue().covers(address, length) ? null : below.getValue();
    }

    /**
     * {@code mm_iommu_new}: accounts, pins, checks for overlap.
     *
     * @return the region, or the kernel's result: a negated errno, or the count of pages pinned before a hole
     */
    Registration register(long address, long pages) {
        int charged = charge(pages);
        if (charged != 0) {
            return new Registration(charged, null);
        }
        if (pages == 0 || Long.compareUnsigned(pages, mostPages) > 0) {
            refund(pages);
            return new Registration(Errno.ENOMEM.negated(), null);
        }
        long size = pages << pageShift;
        int alignment = Long.numberOfTrailingZeros(address | size);
        int shift = alignment;
        List<RegisteredRegion.Run> runs = new ArrayList<>();
        long at = address;
        long left = size;
        while (left != 0) {
            AddressSpace.Area area = addresses.find(at);
            if (area == null || !area.pinnable()) {
                runs.forEach(run -> run.backing().unpin());
                refund(pages);
                return new Registration(partlyPinned((at - address) >>> pageShift), null);
            }
            long length = min(left, area.end() - at);
            if (faultsForEver(area, at, length)) {
                runs.forEach(run -> run.backing().unpin());
                refund(pages);
                return new Registration(0, null);
            }
            area.backing().pin();
            runs.add(new RegisteredRegion.Run(at, length, area.backing(), area.physical(at)));
            boolean huge = area.backing().pageShift() > pageShift;
            shift = Math.min(shift, huge ? area.backing().pageShift() : pageShift);
            at += length;
            left -= length;
        }
        RegisteredRegion region = new RegisteredRegion(address, pages, size, shift, runs);
        Map.Entry<Long, RegisteredRegion> below = regions.lowerEntry(address + size);
        if (below != null && below.getValue().overlaps(address, size)) {
            region.unpin();
            refund(pages);
            return new Registration(Errno.EINVAL.negated(), null);
        }
        regions.put(address, region);
        return new Registration(0, region);
    }

    private boolean faultsForEver(AddressSpace.Area area, long at, long length) {
        long offset = (at - area.base()) & ((1L << HUGE_SHIFT_16M) - 1);
        return spreadsHugePages
                && area.backing().pageShift() == HUGE_SHIFT_16M
                && !area.shared()
                && offset + length > BYTES_OF_ENTRY;
    }

    /** Pages are pinned in chunks; the result is the number pinned in the chunk that failed. */
    private static int partlyPinned(long pinned) {
        long ofChunk = pinned & ((1L << HUGEST_CHUNK_SHIFT) - 1);
        return ofChunk == 0 ? Errno.EFAULT.negated() : (int) ofChunk;
    }

    /** {@code mmgrab}: adds a reference, whether or not the process still exists. */
    void grab() {
        references++;
    }

    /**
     * {@code mmdrop}: the last reference destroys it. Remaining registrations are freed with it ({@code
     * mm_iommu_cleanup}) or, in versions where containers release them, reported and leaked.
     */
    void drop() {
        references--;
        if (references != 0 || regions.isEmpty()) {
            return;
        }
        if (freesRegistrations) {
            for (RegisteredRegion region : regions.values()) {
                region.unpin();
                refund(region.pages());
            }
            regions.clear();
        } else {
            log.warnOnce("arch/powerpc/mm/book3s64/mmu_context.c destroy_context");
        }
    }

    private static long min(long left, long right) {
        return Long.compareUnsigned(left, right) <= 0 ? left : right;
    }

    /** The result of a registration. */
    record Registration(int answer, @Nullable RegisteredRegion region) {
        /** Whether pinning would never end; then there is neither an error nor a region. */
        boolean isEndless() {
            return answer == 0 && region == null;
        }
    }
}
