package org.jvfio;

/**
 * A part of a region.
 *
 * @param offset where it begins, in bytes
 * @param size bytes
 */
public record RegionArea(long offset, long size) {

    /** Whether it has all of a range. */
    boolean contains(long start, long bytes) {
        return start >= offset && bytes <= size && start - offset <= size - bytes;
    }

    @Override
    public String toString() {
        return "0x%x..0x%x".formatted(offset, offset + size - 1);
    }
}
