package org.jvfio;

/**
 * A base address register, and the region behind it.
 *
 * @param index 0 to 5; a 64-bit BAR takes the next index too
 * @param kind what it decodes
 * @param prefetchable whether reads have no side effects
 * @param address where it is on the bus, as the kernel's copy has it: what a driver writes there reaches no hardware
 * @param size bytes, a power of two
 */
public record Bar(int index, Kind kind, boolean prefetchable, long address, long size) {
    /** What a BAR decodes. */
    public enum Kind {
        /** I/O ports. */
        IO,
        /** Memory, with a 32-bit address. */
        MEMORY_32,
        /** Memory, with a 64-bit address. */
        MEMORY_64
    }
}
