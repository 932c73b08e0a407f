package org.jvfio.emulator.nvme;

import java.lang.foreign.MemorySegment;

/** The last errors of the controller (log page 1), newest first (NVM Express 1.4, 5.14.1.1). */
final class ErrorLog {
    static final int ENTRIES = 64;
    private static final int ENTRY_BYTES = 64;
    private static final int NO_QUEUE = 0xffff;

    private final MemorySegment ring = MemorySegment.ofArray(new long[ENTRIES * ENTRY_BYTES / Long.BYTES]);
    private final boolean isKept;
    private long count;

    /**
     * An empty log.
     *
     * @param isKept whether errors are recorded
     */
    ErrorLog(boolean isKept) {
        this.isKept = isKept;
    }

    /** The number of errors since power on. */
    long count() {
        return count;
    }

    /**
     * Records a failed command.
     *
     * @param block the first logical block of the error, 0 if none
     */
    void add(int queue, int command, int status, int namespace, long block) {
        if (!isKept) {
            return;
        }
        long at = count % ENTRIES * ENTRY_BYTES;
        count++;
        ring.set(Command.QWORD, at, count);
        ring.set(Command.DWORD, at + 8, command << 16 | queue);
        // The phase bit is 0; the location of the error in the command is unknown.
        ring.set(Command.DWORD, at + 12, 0xffff << 16 | (status << 1 & 0xffff));
        ring.set(Command.QWORD, at + 16, block);
        ring.set(Command.DWORD, at + 24, namespace);
    }

    /** Records an invalid write to a doorbell. */
    void addDoorbell(int queue) {
        add(queue, NO_QUEUE, 0, 0, 0);
    }

    /** The size of the log in bytes. */
    int bytes() {
        return isKept ? ENTRIES * ENTRY_BYTES : ENTRY_BYTES;
    }

    /** Whether errors are recorded. */
    boolean isKept() {
        return isKept;
    }

    /** Copies the log, 64 bytes for each entry. */
    void copyTo(MemorySegment log) {
        for (int entry = 0; entry < Math.min(count, ENTRIES); entry++) {
            long from = (count - 1 - entry) % ENTRIES * ENTRY_BYTES;
            MemorySegment.copy(ring, from, log, (long) entry * ENTRY_BYTES, ENTRY_BYTES);
        }
    }
}
