package org.jvfio;

/**
 * A range of addresses on the PCI bus, as a device uses them for DMA.
 *
 * @param start the first address, unsigned
 * @param size bytes, unsigned, at least 1; the range does not run past 2<sup>64</sup> - 1
 */
public record IovaRange(long start, long size) {

    public IovaRange {
        if (size == 0 || Long.compareUnsigned(start + (size - 1), start) < 0) {
            throw new IllegalArgumentException("no range of bus addresses: %d bytes at 0x%x".formatted(size, start));
        }
    }

    /** The last address of the range, unsigned. */
    public long last() {
        return start + (size - 1);
    }

    /** Whether an address lies in this range. */
    public boolean contains(long iova) {
        return Long.compareUnsigned(iova - start, size) < 0;
    }

    /** Whether a whole range lies in this one. */
    public boolean contains(IovaRange other) {
        return contains(other.start) && contains(other.last()) && Long.compareUnsigned(other.size, size) <= 0;
    }

    /** Whether the two ranges have an address in common. */
    public boolean overlaps(IovaRange other) {
        return contains(other.start) || other.contains(start);
    }

    /** First and last address, as the kernel's log writes a window: {@code 0x0..0x7fffffff}. */
    @Override
    public String toString() {
        return "0x%x..0x%x".formatted(start, last());
    }
}
