package org.jvfio.emulator;

import java.util.EnumSet;
import java.util.Set;
import org.jvfio.kernel.Errno;

/**
 * Ownership by lending: VFIO borrows the host's only table while the host has no entries in it, and returns it empty
 * ({@code iommu_take_ownership} and {@code iommu_release_ownership}). It applies to IODA1 and P5IOC2 bridges, to all
 * bridges before Linux had ownership callbacks, and to LPARs before Linux created windows for VFIO there.
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
        long bytes = pe.bridge().dma32Bytes();
        switch (pe.bridge().platform()) {
            case PHB3, PHB4, PHB5 -> pe.log("Setting up 32-bit TCE table at 0..%08x".formatted(bytes));
            case IODA1 -> pe.log(" Setting up 32-bit TCE table at %08x..%08x".formatted(0, bytes - 1));
            case P5IOC2, PSERIES -> {
                // Linux logs nothing here.
            }
        }
        long entries = bytes >>> PAGE_SHIFT;
        int levelShift = 63 - Long.numberOfLeadingZeros(entries);
        boolean hypervisor = !pe.bridge().platform().isPowernv();
        pe.window(0, new TceTable(PAGE_SHIFT, 0, entries, 1, levelShift, 0, hypervisor));
        pe.bypass(pe.bridge().platform().bypasses());
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
        setBypass(pe, false);
        pe.hostOwned(false);
        return 0;
    }

    @Override
    public void releaseOwnership(Pe pe) {
        setBypass(pe, true);
        pe.hostOwned(true);
    }

    private static void setBypass(Pe pe, boolean enable) {
        if (pe.bridge().platform().bypasses()) {
            pe.setBypass(enable);
        }
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
        // A lent table stays in place.
    }
}
