package org.jvfio.cli;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Bytes that follow from a seed and their place alone: the 8 bytes at an offset of 8n are, little-endian, the n-th
 * number of SplitMix64 with that seed. Whoever knows the seed knows what a drive should hold, in whatever pieces it was
 * written.
 */
record SeededBytes(long seed) {
    private static final ValueLayout.OfLong WORD = JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final long GOLDEN = 0x9e3779b97f4a7c15L;

    /**
     * The word at an offset.
     *
     * @param offset in bytes, a multiple of 8
     */
    long wordAt(long offset) {
        long z = seed + GOLDEN * (offset / Long.BYTES + 1);
        z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
        z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
        return z ^ (z >>> 31);
    }

    /** Fills a segment with what is at an offset; that and its size are multiples of 8. */
    void fill(MemorySegment segment, long offset) {
        for (long at = 0; at < segment.byteSize(); at += Long.BYTES) {
            segment.set(WORD, at, wordAt(offset + at));
        }
    }

    /** Where a segment first differs from what is at an offset, in bytes from its beginning; -1 if it does not. */
    long mismatch(MemorySegment segment, long offset) {
        for (long at = 0; at < segment.byteSize(); at += Long.BYTES) {
            long difference = segment.get(WORD, at) ^ wordAt(offset + at);
            if (difference != 0) {
                return at + Long.numberOfTrailingZeros(difference) / Byte.SIZE;
            }
        }
        return -1;
    }
}
