package org.jvfio;

import java.util.List;

/**
 * A window that serves a {@link WindowRequest}, before anything is touched: which it will be, what it costs, and why. A
 * value: {@link Container#planWindows} gives all that are possible, to be printed and compared, and {@link
 * Container#apply} makes one of them real.
 *
 * @param request what it serves
 * @param step what has to be done
 * @param pageSize the size of an IOMMU page
 * @param size what is asked of the kernel, {@code window_size} of {@code VFIO_IOMMU_SPAPR_TCE_CREATE}, in bytes: a
 *     power of two
 * @param levels the levels of the TCE table
 * @param range the bus addresses that the window translates; more than {@code size} where the kernel fills whole system
 *     pages with table entries. On pseries the hypervisor chooses the start, and this is where all known ones put it
 * @param tableBytes what the TCE table adds to the locked memory of the process: on powernv twice its size, all levels
 *     included
 * @param lockedBytes by how many bytes the locked memory of the process grows with the window, when it is first used:
 *     its table, that of the default window if that comes along, less that of the default window if it goes; without
 *     the memory that is mapped. Negative if less is locked than before
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
        /** A window that the container has serves the request as well: nothing is made. */
        USE,
        /** A window is made, beside those that there are. */
        CREATE,
        /** The default window, which nothing is mapped in, is removed, and another one made in its place. */
        REPLACE_DEFAULT
    }

    public WindowPlan {
        reasons = List.copyOf(reasons);
    }

    /** Whether another plan does the same, for whatever reasons. */
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

    /** Whether the default window goes. */
    public boolean removesDefaultWindow() {
        return step == Step.REPLACE_DEFAULT;
    }

    /** What is planned in one line, then a line for each reason. */
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
