package org.jvfio.emulator.nvme;

import java.lang.foreign.MemorySegment;
import org.jvfio.emulator.device.DeviceBus;

/**
 * What keeps the bytes of a namespace. Every range that it is asked for is inside it; every answer is an
 * {@link Status}.
 */
sealed interface Store permits ImageStore, MemoryStore {
    /** Its size. */
    long bytes();

    /** Writes what is stored to memory at a bus address. */
    int read(long at, long length, DeviceBus bus, long busAddress);

    /** Stores what is in memory at a bus address. */
    int write(long at, long length, DeviceBus bus, long busAddress);

    /** Copies what is stored to a segment. */
    int load(long at, MemorySegment into, long length);

    /** Makes a range read as zeros. */
    int zero(long at, long length);

    /** Forgets what a range held if that saves space: it reads as zeros then, else as before. Takes no time to speak of. */
    void deallocate(long at, long length);

    /** Makes all that was stored outlast a loss of power. */
    int flush();
}
