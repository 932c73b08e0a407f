package org.jvfio;

import java.util.List;

/**
 * All that a {@link WindowPlan} depends on: what the IOMMU offers, which windows there are, how much memory may be
 * locked.
 *
 * @param systemPage the page size of the kernel
 * @param windows those of the moment, the default one included
 * @param registersMemory whether memory is locked when it is registered; with V1 the whole window is, from the start
 * @param unmapped the registered memory that nothing maps: a window that is planned now may be for one of them
 */
record IommuState(
        TceInfo info,
        PageSize systemPage,
        List<Window> windows,
        LockedMemory lockedMemory,
        boolean registersMemory,
        List<Unmapped> unmapped) {

    /**
     * A window as it is now.
     *
     * @param isDefault whether it is the default window
     * @param pending whether the kernel has not created it yet, nor locked memory for its table
     * @param tableBytes what its table adds to locked memory
     * @param usedBytes how many bytes are mapped, prepared or reserved
     * @param largestFree the largest free range below the mask of the request, in bytes
     */
    record Window(
            IovaRange range,
            PageSize pageSize,
            int levels,
            boolean isDefault,
            boolean pending,
            long tableBytes,
            long usedBytes,
            long largestFree) {}

    /** Registered memory that nothing maps. */
    record Unmapped(long bytes, PageSize pageSize) {}

    IommuState {
        windows = List.copyOf(windows);
        unmapped = List.copyOf(unmapped);
    }
}
