package org.jvfio.emulator.device;

import java.lang.foreign.MemorySegment;
import java.time.Duration;

/** An emulated device's access to DMA, interrupts and time. Call it only from within the methods of the device. */
public interface DeviceBus {
    /**
     * DMA: reads memory at a bus address into part of a segment.
     *
     * @param offset where the part begins in the segment, in bytes
     * @param length of the part in bytes; at 0, nothing is read
     * @return false if bus mastering is off, the device is in low power, or a translation failed. After a failed
     *     translation the partitionable endpoint is frozen, and the segment has the data read before
     * @throws IllegalArgumentException if the length is negative
     * @throws IndexOutOfBoundsException if the part is not inside the segment
     */
    boolean readMemory(long busAddress, MemorySegment into, long offset, long length);

    /** DMA: reads memory at a bus address into a whole segment. */
    default boolean readMemory(long busAddress, MemorySegment into) {
        return readMemory(busAddress, into, 0, into.byteSize());
    }

    /**
     * DMA: writes part of a segment to memory at a bus address. Eight bytes at a multiple of 8 are written atomically,
     * and sixteen in order: a host that sees the second eight sees the first, too.
     *
     * @param offset where the part begins in the segment, in bytes
     * @param length of the part in bytes; at 0, nothing is written
     * @return false as for reading; data written before the failure stays
     * @throws IllegalArgumentException if the length is negative
     * @throws IndexOutOfBoundsException if the part is not inside the segment
     */
    boolean writeMemory(long busAddress, MemorySegment from, long offset, long length);

    /** DMA: writes a whole segment to memory at a bus address. */
    default boolean writeMemory(long busAddress, MemorySegment from) {
        return writeMemory(busAddress, from, 0, from.byteSize());
    }

    /**
     * Sends an interrupt message: vector {@code vector} of MSI-X or MSI, whichever the driver has enabled. A message of
     * a masked vector stays pending until it is unmasked. A message is dropped if its vector is not enabled, bus
     * mastering is off, or the partitionable endpoint is frozen.
     *
     * @param vector from 0
     */
    void sendMessage(int vector);

    /** Whether the driver has enabled MSI or MSI-X; the device then sends messages and does not use INTx. */
    boolean sendsMessages();

    /**
     * Whether the driver has enabled MSI-X, which has a mask for each vector; with MSI, masking is up to the device.
     */
    boolean sendsMsix();

    /** Asserts or deasserts INTx, which is level triggered: it stays as it is set. */
    void setLine(boolean asserted);

    /**
     * The bytes of a BAR of {@linkplain BarKind#MEMORY memory}, which users access, too. Call it for each use: the
     * segment is valid until the method of the device returns.
     *
     * @throws IllegalArgumentException if the device has no such BAR
     */
    default MemorySegment barMemory(int bar) {
        throw new IllegalArgumentException("BAR " + bar + " has no memory");
    }

    /**
     * Runs an action after a delay, unless the device is reset before.
     *
     * @param delay not negative; at 0, the action runs after the method of the device
     * @throws IllegalArgumentException if the delay is negative
     */
    void after(Duration delay, Runnable action);
}
