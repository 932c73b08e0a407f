package org.jvfio.emulator;

import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The platform's operations on an IOMMU group: {@code struct iommu_table_group_ops}. */
interface TableGroupCalls {
    /** A table, or the negated errno of the failure. */
    record Creation(int answer, @Nullable TceTable table) {
        static Creation failed(int negatedErrno) {
            return new Creation(negatedErrno, null);
        }

        static Creation of(TceTable table) {
            return new Creation(0, table);
        }
    }

    /** Whether user space can create windows; if not, the host's own table is lent. */
    boolean makesWindows();

    /** The steps that the platform performs, and can fail at. */
    Set<PlatformStep> steps();

    /** Sets up the host's own window, at boot. */
    void start(Pe pe);

    /** The bytes to charge for a table, or 0 if there cannot be such a table. */
    long tableBytes(Pe pe, int pageShift, long windowBytes, int levels);

    /** The hazard of creating such a table, if there is one; its size is not 0. */
    default Optional<Hazard> hazardOfTable(Pe pe, int number, int pageShift, long windowBytes, int levels) {
        return Optional.empty();
    }

    /** Allocates the table for window {@code number}, without activating it. */
    Creation createTable(Pe pe, int number, int pageShift, long windowBytes, int levels);

    /** Activates a table in the bridge: 0 or a negated errno. */
    int setWindow(Pe pe, int number, TceTable table);

    void unsetWindow(Pe pe, int number);

    /** Takes ownership from the host: removes its windows and bypass. 0 or a negated errno. */
    int takeOwnership(Pe pe);

    /** Returns ownership to the host, which sets up its window and bypass again. */
    void releaseOwnership(Pe pe);
}
