package org.jvfio.emulator;

import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What a platform does for an IOMMU group: {@code struct iommu_table_group_ops}. */
interface TableGroupCalls {
    /** A table, or the negated errno that says why there is none. */
    record Creation(int answer, @Nullable TceTable table) {
        static Creation failed(int negatedErrno) {
            return new Creation(negatedErrno, null);
        }

        static Creation of(TceTable table) {
            return new Creation(0, table);
        }
    }

    /** Whether user space can have windows made; if not, the host's own table is lent. */
    boolean makesWindows();

    /** The steps that the platform comes to, and can fail at. */
    Set<PlatformStep> steps();

    /** The platform sets up what the host needs, at boot. */
    void start(Pe pe);

    /** The bytes to charge for a table, or 0 for what cannot be one. */
    long tableBytes(Pe pe, int pageShift, long windowBytes, int levels);

    /** What a call for such a table, which has bytes, would do to the host, if it harms it. */
    default Optional<Hazard> hazardOfTable(Pe pe, int number, int pageShift, long windowBytes, int levels) {
        return Optional.empty();
    }

    /** Makes the table for window {@code number}, without putting it into effect. */
    Creation createTable(Pe pe, int number, int pageShift, long windowBytes, int levels);

    /** Makes the bridge translate through a table. 0 or a negated errno. */
    int setWindow(Pe pe, int number, TceTable table);

    void unsetWindow(Pe pe, int number);

    /** Takes the group from the host: its windows and bypass go. 0 or a negated errno. */
    int takeOwnership(Pe pe);

    /** Gives the group back to the host, which sets up its window and bypass again. */
    void releaseOwnership(Pe pe);
}
