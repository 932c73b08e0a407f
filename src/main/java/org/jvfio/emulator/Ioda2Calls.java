package org.jvfio.emulator;

import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import org.jvfio.kernel.Errno;

/**
 * IODA2 bridges (PHB3, PHB4, PHB5) without a hypervisor: {@code arch/powerpc/platforms/powernv/pci-ioda.c} and
 * {@code pci-ioda-tce.c}.
 */
final class Ioda2Calls implements WindowCalls {
    private static final long BYPASS_BASE = 1L << 59;
    private static final int HOST_LEVELS = 2;
    /** The largest block of the page allocator: 16 MiB with 4K and with 64K pages. */
    private static final int LARGEST_LEVEL_SHIFT = 24;

    private static final int MAX_LEVELS = 5;
    private static final int ADDRESS_BITS = 55;
    private static final long SMALLEST_TABLE = 0x1000;

    @Override
    public Set<PlatformStep> steps() {
        return EnumSet.allOf(PlatformStep.class);
    }

    @Override
    public void start(Pe pe) {
        pe.log("Setting up 32-bit TCE table at 0..%08x".formatted(pe.bridge().dma32Bytes()));
        setUpHost(pe);
    }

    @Override
    public int takeOwnership(Pe pe) {
        if (pe.window(0) == null && pe.machine().kernel().takesOwnershipAtSetContainer()) {
            // Called for each device of a group; after a failed release there is nothing left to take.
            pe.hostOwned(false);
            return 0;
        }
        int failure = pe.failure(PlatformStep.TAKE_OWNERSHIP);
        if (failure != 0) {
            return failure;
        }
        pe.setBypass(false);
        unsetWindow(pe, 0);
        pe.hostOwned(false);
        return 0;
    }

    /** {@code pnv_pci_ioda2_setup_default_config}: a window as large as memory, and bypass. */
    @Override
    public void setUpHost(Pe pe) {
        int pageShift = pe.machine().pageShift();
        long largest = (8L << LARGEST_LEVEL_SHIFT) << pageShift;
        long windowBytes = Math.min(largest, Long.highestOneBit(pe.machine().memoryBytes()));
        int order = log2(windowBytes >>> pageShift);
        int levelOrder = LARGEST_LEVEL_SHIFT - 3;
        int levels = Math.max(HOST_LEVELS, (order + levelOrder - 1) / levelOrder);
        int failure = pe.failure(PlatformStep.CREATE_HOST_TABLE);
        Creation host = failure != 0 ? Creation.failed(failure) : allocate(pe, 0, pageShift, windowBytes, levels, 0);
        TceTable table = host.table();
        if (table == null) {
            pe.log("Failed to create 32-bit TCE table, err " + host.answer());
            return;
        }
        int notSet = configure(pe, 0, table, PlatformStep.SET_HOST_WINDOW);
        if (notSet != 0) {
            pe.log("Failed to configure 32-bit TCE table, err " + notSet);
            if (!pe.machine().kernel().bypassesWithoutHostWindow()) {
                return;
            }
        }
        pe.setBypass(true);
    }

    @Override
    public int setWindow(Pe pe, int number, TceTable table) {
        return configure(pe, number, table, PlatformStep.SET_WINDOW);
    }

    private static int configure(Pe pe, int number, TceTable table, PlatformStep step) {
        pe.log("Setting up window#" + number + " " + Long.toHexString(table.start()) + ".."
                + Long.toHexString(table.start() + table.windowBytes() - 1) + " pg="
                + Long.toHexString(1L << table.pageShift()));
        int failure = pe.failure(step);
        if (failure != 0) {
            pe.log("Failed to configure TCE table, err " + failure);
            return failure;
        }
        pe.window(number, table);
        return 0;
    }

    @Override
    public void unsetWindow(Pe pe, int number) {
        pe.log("Removing DMA window #" + number);
        pe.window(number, null);
    }

    @Override
    public long tableBytes(Pe pe, int pageShift, long windowBytes, int levels) {
        if (levels <= 0 || levels > MAX_LEVELS || Long.bitCount(windowBytes) != 1) {
            return 0;
        }
        int entriesShift = log2(windowBytes) - pageShift;
        long tableBytes = Math.max(SMALLEST_TABLE, shiftLeft(1, entriesShift + 3));
        int levelShift = levelShift(pe, entriesShift, levels);
        long levelBytes = shiftLeft(1, levelShift);
        if (levelBytes == 0) {
            return 0;
        }
        long bytes = 0;
        for (int level = levels; level > 0; level--) {
            bytes += (tableBytes + levelBytes - 1) & -levelBytes;
            tableBytes = Math.max(Long.divideUnsigned(tableBytes, levelBytes) << 3, levelBytes);
        }
        return bytes * 2;
    }

    @Override
    public Optional<Hazard> hazardOfTable(Pe pe, int number, int pageShift, long windowBytes, int levels) {
        boolean belowOnePage = Long.compareUnsigned(windowBytes, 1L << pageShift) < 0;
        return belowOnePage ? Optional.of(Hazard.WINDOW_BELOW_ONE_PAGE) : Optional.empty();
    }

    @Override
    public Creation createTable(Pe pe, int number, int pageShift, long windowBytes, int levels) {
        int failure = pe.failure(PlatformStep.CREATE_TABLE);
        if (failure != 0) {
            return Creation.failed(failure);
        }
        long charged =
                tableBytes(pe, pageShift, windowBytes, levels) >>> pe.machine().pageShift();
        return allocate(pe, number, pageShift, windowBytes, levels, charged);
    }

    private static Creation allocate(
            Pe pe, int number, int pageShift, long windowBytes, int levels, long chargedPages) {
        int systemShift = pe.machine().pageShift();
        int entriesShift = log2(windowBytes) - pageShift;
        int tableShift = unsignedMax(entriesShift + 3, systemShift);
        int levelShift = levelShift(pe, entriesShift, levels);
        if (Integer.compareUnsigned((levelShift - 3) * levels + pageShift, ADDRESS_BITS) >= 0) {
            return Creation.failed(Errno.EINVAL.negated());
        }
        if (levelShift > LARGEST_LEVEL_SHIFT) {
            pe.kernelLog().add("Failed to allocate a TCE memory, level shift=" + levelShift);
            return Creation.failed(Errno.ENOMEM.negated());
        }
        long start = number == 0 ? 0 : BYPASS_BASE;
        long entries = 1L << (tableShift - 3);
        return Creation.of(new TceTable(pageShift, start, entries, levels, levelShift - 3, chargedPages, false));
    }

    /** The size of one level as a shift; the kernel computes it in unsigned 32 bits, which may wrap. */
    private static int levelShift(Pe pe, int entriesShift, int levels) {
        int perLevel = Integer.divideUnsigned(entriesShift + levels - 1, levels);
        return unsignedMax(perLevel + 3, pe.machine().pageShift());
    }

    private static int unsignedMax(int left, int right) {
        return Integer.compareUnsigned(left, right) >= 0 ? left : right;
    }

    /** A left shift like POWER's {@code sld}: zero for counts from 64 on. */
    private static long shiftLeft(long value, int count) {
        return (count & 0x40) != 0 ? 0 : value << (count & 0x3f);
    }

    private static int log2(long value) {
        return 63 - Long.numberOfLeadingZeros(value);
    }
}
