package org.jvfio;

import org.jspecify.annotations.Nullable;
import org.jvfio.VfioException.Kind;
import org.jvfio.kernel.Errno;

/**
 * What a failed call that creates TCE tables has charged to locked memory. The kernel creates the table of the default
 * window first, if it is pending, and then that of the new window. It charges each before it creates it, and from Linux
 * 5.0 on does not uncharge it if that fails ({@code tce_iommu_create_table}).
 *
 * @param defaultTable the bytes that the table of the default window locks; 0 if it was not pending
 * @param table the bytes that the table of the new window locks; 0 if there is none
 * @param before what was locked before the call
 * @param after what is locked after the call
 * @param errno the call's error; null if it returned a positive number
 */
record TableCharge(
        long defaultTable,
        long table,
        LockedMemory before,
        LockedMemory after,
        @Nullable Errno errno) {

    private long grown() {
        return after.locked() - before.locked();
    }

    /** Bytes that stay charged for a table that was not created; 0 if locked memory has grown by another amount. */
    long leaked() {
        if (table > 0 && grown() == defaultTable + table) {
            return table;
        }
        return grown() == defaultTable && !isDefaultTableMade() ? defaultTable : 0;
    }

    /** Whether the table of the default window exists now. */
    boolean isDefaultTableMade() {
        if (defaultTable == 0 || (table > 0 && grown() == defaultTable + table)) {
            return true;
        }
        // Where only the default table was charged, these are its errors: the kernel has no memory for it, or the
        // firmware no window. ENOMEM may also mean that another thread has locked what the other table needed.
        boolean failed = errno == Errno.ENODEV || (errno == Errno.ENOMEM && after.allows(table));
        return grown() >= defaultTable && !failed;
    }

    /**
     * Why the call failed, with the bytes that stay charged.
     *
     * @param known the cause that the call's error has otherwise
     */
    Cause cause(Cause known) {
        long leaked = leaked();
        if (errno != Errno.ENOMEM) {
            return leaked == 0 ? known : withLeak(known, leaked);
        }
        if (leaked > 0) {
            return withLeak(
                    new Cause(
                            Kind.OUT_OF_MEMORY,
                            "the kernel has no memory for the table, though it may be locked",
                            "free some memory, or ask for a window with a smaller table"),
                    leaked);
        }
        return after.noMemory(isDefaultTableMade() ? table : defaultTable + table);
    }

    private static Cause withLeak(Cause cause, long leaked) {
        return new Cause(
                cause.kind(),
                cause.reason(),
                "%s; the kernel leaves %s charged to this process's locked memory until it ends"
                        .formatted(cause.hint(), ByteSize.format(leaked)));
    }
}
