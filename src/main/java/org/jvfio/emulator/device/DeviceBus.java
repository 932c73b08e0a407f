package org.jvfio.emulator.device;

import java.lang.foreign.MemorySegment;
import java.time.Duration;

/** What an emulated device reaches beyond itself. To be called from the device's own calls only. */
public interface DeviceBus {
    /**
     * DMA: reads memory at a bus address into a part of a segment.
     *
     * @param offset where the part begins in the segment, in bytes
     * @param length of the part in bytes
     * @return false if the device may not (bus mastering is off) or a translation failed; then the host bridge has
     *     frozen the partitionable endpoint, and the segment holds what was read before
     */
    boolean readMemory(long busAddress, MemorySegment into, long offset, long length);

    /** DMA: reads memory at a bus address into a whole segment. */
    default boolean readMemory(long busAddress, MemorySegment into) {
        return readMemory(busAddress, into, 0, into.byteSize());
    }

    /**
     * DMA: writes a part of a segment to memory at a bus address. Eight bytes at an address that is a multiple of 8 are
     * written at once: nobody sees half of them.
     *
     * @param offset where the part begins in the segment, in bytes
     * @param length of the part in bytes
     * @return false as for reading; what was written before the failure stays
     */
    boolean writeMemory(long busAddress, MemorySegment from, long offset, long length);

    /** DMA: writes a whole segment to memory at a bus address. */
    default boolean writeMemory(long busAddress, MemorySegment from) {
        return writeMemory(busAddress, from, 0, from.byteSize());
    }

    /**
     * Sends an interrupt message: vector {@code vector} of MSI-X or MSI, whichever the driver has enabled. A message of a
     * vector that is masked stays pending until it is unmasked; one that nobody has enabled is lost, and so is one of a
     * device that may not master the bus or whose partitionable endpoint is frozen.
     *
     * @param vector from 0
     */
    void sendMessage(int vector);

    /** Whether the driver has enabled MSI or MSI-X; the device then sends messages and leaves its line alone. */
    boolean sendsMessages();

    /** Whether the driver has enabled MSI-X, which has a mask for each vector; MSI leaves that to the device. */
    boolean sendsMsix();

    /** Asserts the device's interrupt line (INTx), or deasserts it. The line is a level: it stays as it is set. */
    void setLine(boolean asserted);

    /** Calls the device back later, unless it is reset before. */
    void after(Duration delay, Runnable action);
}
