package org.jvfio.emulator;

import java.util.EnumSet;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import org.jvfio.kernel.Errno;

/**
 * An LPAR, whose windows the hypervisor creates through RTAS: {@code arch/powerpc/platforms/pseries/iommu.c} with the
 * results of QEMU's hypervisor. One instance serves one partitionable endpoint, because a failed call marks its node
 * permanently.
 */
final class PseriesCalls implements WindowCalls {
    private static final long DYNAMIC_WINDOW_BASE = 1L << 59;
    private static final int DEFAULT_PAGE_SHIFT = 12;
    /** The number of pages that the hypervisor offers for a window. */
    private static final long LARGEST_BLOCK_PAGES = 0x2000000000L;

    private static final long TOO_MANY_LEVELS = 0xffffffffL;

    private boolean failed;
    private boolean defaultWindow;
    private boolean dynamicWindow;

    /**
     * The calls of one endpoint.
     *
     * @param failed whether firmware has refused a window of the host's own driver since boot
     */
    PseriesCalls(boolean failed) {
        this.failed = failed;
    }

    @Override
    public Set<PlatformStep> steps() {
        return EnumSet.of(PlatformStep.TAKE_OWNERSHIP, PlatformStep.CREATE_TABLE, PlatformStep.SET_WINDOW);
    }

    @Override
    public void start(Pe pe) {
        setUpHost(pe);
    }

    @Override
    public void setUpHost(Pe pe) {
        defaultWindow = true;
        pe.window(0, table(pe, DEFAULT_PAGE_SHIFT, 0, pe.bridge().dma32Bytes()));
    }

    private static TceTable table(Pe pe, int pageShift, long start, long windowBytes) {
        long entries = windowBytes >>> pageShift;
        int levelShift = Math.max(0, 63 - Long.numberOfLeadingZeros(entries));
        long charged = (windowBytes >>> (pageShift - 3)) >>> pe.machine().pageShift();
        return new TceTable(pageShift, start, entries, 1, levelShift, charged, true);
    }

    @Override
    public int takeOwnership(Pe pe) {
        int failure = pe.failure(PlatformStep.TAKE_OWNERSHIP);
        if (failure != 0) {
            return failure;
        }
        if (pe.window(0) != null) {
            defaultWindow = false;
            pe.window(0, null);
        }
        pe.hostOwned(false);
        return 0;
    }

    @Override
    public long tableBytes(Pe pe, int pageShift, long windowBytes, int levels) {
        return Integer.compareUnsigned(levels, 1) > 0 ? TOO_MANY_LEVELS : windowBytes >>> (pageShift - 3);
    }

    @Override
    public Optional<Hazard> hazardOfTable(Pe pe, int number, int pageShift, long windowBytes, int levels) {
        boolean asksHypervisor = !failed
                && isWindow(windowBytes, levels)
                && (number != 0 || (!dynamicWindow && !(isDefault(pe, pageShift, windowBytes) && !defaultWindow)));
        int windowShift = log2(windowBytes);
        return asksHypervisor && pages(windowShift - pageShift) != 0 && !isOffered(pageShift, windowShift)
                ? Optional.of(Hazard.WINDOWS_LOST)
                : Optional.empty();
    }

    private static boolean isWindow(long windowBytes, int levels) {
        return Long.bitCount(windowBytes) == 1 && Integer.compareUnsigned(levels, 1) <= 0;
    }

    private static boolean isDefault(Pe pe, int pageShift, long windowBytes) {
        return pageShift == DEFAULT_PAGE_SHIFT
                && Long.compareUnsigned(windowBytes, pe.bridge().dma32Bytes()) <= 0;
    }

    /** The hypervisor offers one window beside the default one, of at least one page. */
    private boolean isOffered(int pageShift, int windowShift) {
        return !dynamicWindow && windowShift >= pageShift;
    }

    private static int log2(long value) {
        return 63 - Long.numberOfLeadingZeros(value);
    }

    @Override
    public Creation createTable(Pe pe, int number, int pageShift, long windowBytes, int levels) {
        if (!isWindow(windowBytes, levels)) {
            return Creation.failed(Errno.EINVAL.negated());
        }
        if (failed) {
            return Creation.failed(Errno.ENODEV.negated());
        }
        int failure = pe.failure(PlatformStep.CREATE_TABLE);
        if (failure != 0) {
            return Creation.failed(failure);
        }
        if (number == 0) {
            boolean asDefault = isDefault(pe, pageShift, windowBytes);
            if (!asDefault && dynamicWindow) {
                return Creation.failed(Errno.EPERM.negated());
            }
            if (asDefault && !defaultWindow) {
                if (dynamicWindow) {
                    return Creation.failed(Errno.EPERM.negated());
                }
                defaultWindow = true;
                return created(pe, 0, table(pe, pageShift, 0, windowBytes));
            }
        }
        int windowShift = log2(windowBytes);
        logQuery(pe, dynamicWindow ? 0 : 1);
        if (pages(windowShift - pageShift) == 0) {
            return Creation.failed(Errno.EINVAL.negated());
        }
        boolean made = isOffered(pageShift, windowShift);
        pe.log(String.format(
                Locale.ROOT,
                "ibm,create-pe-dma-window(2027) 800 8000000 20000001 %x %x returned %d (liobn = 0x%x starting addr = %x %x)",
                pageShift,
                windowShift,
                made ? 0 : -1,
                made ? 0x80000101 : 0,
                made ? DYNAMIC_WINDOW_BASE >>> 32 : 0,
                0));
        if (!made) {
            failed = true;
            return Creation.failed(Errno.ENODEV.negated());
        }
        dynamicWindow = true;
        return created(pe, number, table(pe, pageShift, DYNAMIC_WINDOW_BASE, windowBytes));
    }

    private static Creation created(Pe pe, int number, TceTable table) {
        pe.window(number, table);
        return Creation.of(table);
    }

    /** How many windows of this size fit into the pages offered, with a shift like POWER's {@code srd}. */
    private static long pages(int shift) {
        return (shift & 0x40) != 0 ? 0 : LARGEST_BLOCK_PAGES >>> (shift & 0x3f);
    }

    private static void logQuery(Pe pe, int available) {
        pe.log(String.format(
                Locale.ROOT,
                "ibm,query-pe-dma-windows(2026) 800 8000000 20000001 returned 0, lb=%x ps=107 wn=%d",
                LARGEST_BLOCK_PAGES,
                available));
    }

    @Override
    public int setWindow(Pe pe, int number, TceTable table) {
        int failure = pe.failure(PlatformStep.SET_WINDOW);
        if (failure != 0) {
            return failure;
        }
        return pe.window(number) == table ? 0 : Errno.EPERM.negated();
    }

    @Override
    public void unsetWindow(Pe pe, int number) {
        TceTable table = pe.window(number);
        if (table == null) {
            return;
        }
        if (table.start() == DYNAMIC_WINDOW_BASE) {
            dynamicWindow = false;
        } else {
            defaultWindow = false;
        }
        pe.window(number, null);
    }
}
