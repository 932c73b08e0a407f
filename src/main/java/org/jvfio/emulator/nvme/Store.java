package org.jvfio.emulator.nvme;

import java.lang.foreign.MemorySegment;
import org.jvfio.emulator.device.DeviceBus;

/**
 * The storage of a namespace. All ranges are inside it; all results are a {@link Status}.
 */
sealed interface Store permits ImageStore, MemoryStore {
    /** Its size in bytes. */
    long bytes();

    /**
     * Begins to load data that is read soon, if it is in memory: the cache misses of several commands then overlap.
     */
    void readAhead(long at);

    /** Copies stored data to memory at a bus address. */
    int read(long at, long length, DeviceBus bus, long busAddress);

    /** Stores data from memory at a bus address. */
    int write(long at, long length, DeviceBus bus, long busAddress);

    /** Copies stored data to a segment. */
    int load(long at, MemorySegment into, long length);

    /** Stores data from a segment. */
    int save(long at, MemorySegment from, long length);

    /** Sets a range to zeros. */
    int zero(long at, long length);

    /**
     * Discards the data of a range, which reads as zeros then, if {@link #deallocatedIsZero}; else does nothing. Takes
     * negligible time.
     */
    void deallocate(long at, long length);

    /** Whether deallocated data reads as zeros, or unchanged. */
    boolean deallocatedIsZero();

    /** Makes all stored data durable. */
    int flush();
}
