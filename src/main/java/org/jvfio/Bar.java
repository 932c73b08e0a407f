package org.jvfio;

/**
 * A base address register (BAR), decoded.
 *
 * @param index 0 to 5; a 64-bit BAR occupies the next index too
 * @param kind the address space
 * @param prefetchable whether reads have no side effects
 * @param address the bus address in the kernel's copy of the register; a value that a driver writes there does not
 *     reach the device
 * @param size bytes, a power of two
 */
public record Bar(int index, Kind kind, boolean prefetchable, long address, long size) {
    /** The address space of a BAR. */
    public enum Kind {
        /** I/O ports. */
        IO,
        /** Memory with a 32-bit address. */
        MEMORY_32,
        /** Memory with a 64-bit address. */
        MEMORY_64
    }
}
