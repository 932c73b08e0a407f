package org.jvfio.emulator;

import java.util.EnumSet;
import java.util.Set;
import org.jvfio.kernel.Errno;

/**
 * Old-style ownership: the host's one table is lent, when the host has nothing in it, and returned empty
 * ({@code iommu_take_ownership} and {@code iommu_release_ownership}).
 */
final class LentTableCalls implements TableGroupCalls {
    private static final int PAGE_SHIFT = 12;

    @Override
    public boolean makesWindows() {
        return false;
    }

    @Override
    public Set<PlatformStep> steps() {
        return EnumSet.of(PlatformStep.TAKE_OWNERSHIP);
    }

    @Override
    public void start(Pe pe) {
        long entries = pe.machine().dma32Bytes() >>> PAGE_SHIFT;
        int levelShift = 63 - Long.numberOfLeadingZeros(entries);
        pe.log("Setting up 32-bit TCE table at 0..%08x".formatted(pe.machine().dma32Bytes()));
        pe.window(0, new TceTable(PAGE_SHIFT, 0, entries, 1, levelShift, 0));
        pe.bypass(pe.machine().platform() != Platform.P5IOC2);
    }

    @Override
    public int takeOwnership(Pe pe) {
        int failure = pe.failure(PlatformStep.TAKE_OWNERSHIP);
        if (failure != 0) {
            return failure;
        }
        if (pe.hostMappings() > 0) {
            pe.kernelLog().add("iommu_tce: it_map is not empty");
            return Errno.EBUSY.negated();
        }
        if (pe.bypass()) {
            pe.log("Disabling 64-bit DMA bypass");
        }
        pe.bypass(false);
        pe.hostOwned(false);
        return 0;
    }

    @Override
    public void releaseOwnership(Pe pe) {
        if (pe.machine().platform() != Platform.P5IOC2) {
            pe.log("Enabling 64-bit DMA bypass");
            pe.bypass(true);
        }
        pe.hostOwned(true);
    }

    @Override
    public long tableBytes(Pe pe, int pageShift, long windowBytes, int levels) {
        return 0;
    }

    @Override
    public Creation createTable(Pe pe, int number, int pageShift, long windowBytes, int levels) {
        return Creation.failed(Errno.EPERM.negated());
    }

    @Override
    public int setWindow(Pe pe, int number, TceTable table) {
        return pe.window(number) == table ? 0 : Errno.EPERM.negated();
    }

    @Override
    public void unsetWindow(Pe pe, int number) {
        // A lent table stays where it is.
    }

    @Override
    public long exchange(TceTable table, long index, long entry, long user) {
        long written = (entry & TceTable.WRITE) != 0 ? entry | TceTable.READ : entry;
        return table.exchange(index, written, user);
    }
}
