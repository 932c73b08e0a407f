package org.jvfio;

import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;

/**
 * What became of locked memory in a call that failed to make TCE tables. The kernel makes that of the default window first,
 * unless it has before, and then that of the window that is asked for. It charges each before it makes it, and from Linux
 * 5.0 on does not take the charge back if it then cannot ({@code tce_iommu_create_table}).
 *
 * @param defaultTable the bytes that the table of the default window locks; 0 if it was there already
 * @param table the bytes that the table of the window that was asked for locks; 0 if none was
 * @param before what was locked before the call, which both tables were allowed to add to
 * @param after what is locked since
 * @param errno the call's error; null if it answered with a positive number
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

    /** The bytes that stay charged for a table that there is not; 0 if locked memory has grown by anything else. */
    long leaked() {
        if (table > 0 && grown() == defaultTable + table) {
            return table;
        }
        return grown() == defaultTable && !isDefaultTableMade() ? defaultTable : 0;
    }

    /** Whether the kernel has made the table of the default window, or had before. */
    boolean isDefaultTableMade() {
        if (defaultTable == 0 || (table > 0 && grown() == defaultTable + table)) {
            return true;
        }
        // Where only the default table was charged, these are its errors: no memory for it in the kernel, or no window
        // in
        // firmware. But too little memory may be left to lock for the other table, if another thread has locked some.
        boolean failed = errno == Errno.ENODEV || (errno == Errno.ENOMEM && after.allows(table));
        return grown() >= defaultTable && !failed;
    }

    /**
     * Why the call failed, with what it has cost.
     *
     * @param known the cause that its answer has elsewhere
     */
    Cause cause(Cause known) {
        long leaked = leaked();
        if (errno != Errno.ENOMEM) {
            return leaked == 0 ? known : withLeak(known, leaked);
        }
        if (leaked > 0) {
            return withLeak(
                    new Cause(
                            "the kernel has no memory for the table, though it may be locked",
                            "free some memory, or ask for a window with a smaller table"),
                    leaked);
        }
        return after.noMemory(isDefaultTableMade() ? table : defaultTable + table);
    }

    private static Cause withLeak(Cause cause, long leaked) {
        return new Cause(
                cause.reason(),
                "%s; the kernel leaves %s charged to this process's locked memory until it ends"
                        .formatted(cause.hint(), ByteSize.format(leaked)));
    }
}
