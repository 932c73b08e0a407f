package org.jvfio.emulator;

import java.util.concurrent.locks.StampedLock;

/**
 * State of one container or group that threads change often, in cache lines of its own: next to the state of another,
 * where a garbage collector may move it, threads that share nothing would wait for each other's lines.
 */
final class OwnCacheLines {
    /** The index of the first of {@link #longs}. What a processor fetches at once is two lines of 64 or one of 128. */
    static final int FIRST = 128 / Long.BYTES;

    private OwnCacheLines() {}

    /** An array of zeros, with so many to use from {@link #FIRST} on. */
    static long[] longs(int count) {
        return new long[FIRST + count + FIRST];
    }

    /** A lock. It stores no reference to its owner either, as that would mark a card of the garbage collector. */
    @SuppressWarnings({"serial", "unused"}) // padding is never read
    static final class Lock extends StampedLock {
        private long padding0;
        private long padding1;
        private long padding2;
        private long padding3;
        private long padding4;
        private long padding5;
        private long padding6;
        private long padding7;
        private long padding8;
        private long padding9;
        private long padding10;
        private long padding11;
        private long padding12;
        private long padding13;
        private long padding14;
        private long padding15;
    }
}
