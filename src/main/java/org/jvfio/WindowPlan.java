package org.jvfio;

import java.util.List;

/**
 * A window that would serve a {@link WindowRequest}, its cost, and the reason for each choice. It is a value: {@link
 * Container#planWindows} returns all possible plans, to be printed and compared, and {@link Container#apply} carries
 * one of them out.
 *
 * @param request the request that it serves
 * @param step what {@link Container#apply} does
 * @param pageSize the size of an IOMMU page
 * @param size {@code window_size} of {@code VFIO_IOMMU_SPAPR_TCE_CREATE}, in bytes: a power of two
 * @param levels the levels of the TCE table
 * @param range the bus addresses that the window translates; more than {@code size} where the kernel fills whole system
 *     pages with table entries. On pseries the hypervisor chooses the start, and this is what all known ones choose
 * @param tableBytes bytes that the TCE table adds to the locked memory of the process: on powernv twice its size, all
 *     levels included
 * @param lockedBytes bytes by which the locked memory of the process grows when the window is first used: its table,
 *     plus that of the default window if it is created with it, or less that of the default window if it is removed;
 *     without the memory that is mapped. Negative if less is locked than before
 * @param reasons a sentence for each choice
 */
public record WindowPlan(
        WindowRequest request,
        Step step,
        PageSize pageSize,
        long size,
        int levels,
        IovaRange range,
        long tableBytes,
        long lockedBytes,
        List<String> reasons) {

    /** What a plan does with the windows of a container. */
    public enum Step {
        /** An existing window of the container is used; none is created. */
        USE,
        /** A window is created beside the existing ones. */
        CREATE,
        /** The default window, which has no mappings, is removed, and another one created in its place. */
        REPLACE_DEFAULT
    }

    public WindowPlan {
        reasons = List.copyOf(reasons);
    }

    /** Whether another plan is equal but for its reasons. */
    boolean isTheSameAs(WindowPlan other) {
        return equals(new WindowPlan(
                other.request,
                other.step,
                other.pageSize,
                other.size,
                other.levels,
                other.range,
                other.tableBytes,
                other.lockedBytes,
                reasons));
    }

    /** Whether the default window is removed. */
    public boolean removesDefaultWindow() {
        return step == Step.REPLACE_DEFAULT;
    }

    /** The plan in one line, then a line for each reason. */
    @Override
    public String toString() {
        String what = switch (step) {
            case USE -> "use window";
            case CREATE -> "create window";
            case REPLACE_DEFAULT -> "replace the default window by";
        };
        String first = "%s %s: %s, pages of %s, %d level%s, %s locked"
                .formatted(
                        what,
                        range,
                        ByteSize.format(range.size()),
                        pageSize,
                        levels,
                        levels == 1 ? "" : "s",
                        ByteSize.formatSigned(lockedBytes));
        return reasons.isEmpty() ? first : first + "\n  " + String.join("\n  ", reasons);
    }
}
