package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import java.time.Duration;

/** What an emulated device reaches beyond itself. To be called from the device's own calls only. */
public interface DeviceBus {
    /**
     * DMA: reads memory at a bus address into a segment.
     *
     * @return false if the device may not (bus mastering is off) or a translation failed; then the host bridge has
     *     frozen the partitionable endpoint, and the segment holds what was read before
     */
    boolean readMemory(long busAddress, MemorySegment into);

    /**
     * DMA: writes a segment to memory at a bus address.
     *
     * @return false as for {@link #readMemory}; what was written before the failure stays
     */
    boolean writeMemory(long busAddress, MemorySegment from);

    /** Calls the device back later, unless it is reset before. */
    void after(Duration delay, Runnable action);
}
