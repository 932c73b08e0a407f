package org.jvfio;

/**
 * A part of a region.
 *
 * @param offset where it begins, in bytes from the region's beginning
 * @param size bytes
 */
public record RegionArea(long offset, long size) {

    /** Whether a range lies in it. */
    boolean contains(long start, long bytes) {
        return start >= offset && bytes <= size && start - offset <= size - bytes;
    }

    /** First and last byte, as in {@code 0x1000..0x1fff}. */
    @Override
    public String toString() {
        return "0x%x..0x%x".formatted(offset, offset + size - 1);
    }
}
