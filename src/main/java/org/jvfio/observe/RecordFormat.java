package org.jvfio.observe;

import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * The layout of a record file: a header with the facts of the host, then chunks of one size, the last of which may be
 * shorter. Each chunk has a header and frames. All numbers are little-endian.
 */
final class RecordFormat {
    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** {@code JVFIOREC}. */
    static final long MAGIC = 0x434552_4f4946564aL;

    static final int VERSION = 1;

    // The header of the file, in bytes.
    static final int VERSION_AT = 8;
    static final int HEADER_BYTES = 12;
    static final int CHUNK_BYTES = 16;
    /** {@link #HAS_MEMORY} and {@link #HAS_REGISTERS}. */
    static final int FLAGS = 20;
    /** Milliseconds since the epoch. */
    static final int STARTED = 24;
    /** 1 once the record has ended as it should, and {@link #FILE_BYTES} is valid. */
    static final int ENDED = 32;

    static final int FACTS_BYTES = 36;
    static final int FILE_BYTES = 40;
    /** CRC-32C of the facts. */
    static final int FACTS_SUM = 48;
    /** CRC-32C of the header in front of it with {@link #ENDED} and {@link #FILE_BYTES} being 0. */
    static final int HEADER_SUM = 52;

    static final int FACTS = 56;

    static final int HAS_MEMORY = 1;
    static final int HAS_REGISTERS = 2;

    // The header of a chunk, in bytes.
    /** {@link #CHUNK_EMPTY}, {@link #CHUNK_OPEN} or {@link #CHUNK_COMPLETE}. */
    static final int CHUNK_STATE = 0;
    /** The bytes of complete frames. */
    static final int CHUNK_USED = 4;
    /** 1, 2 and so on, in the order of time. */
    static final int CHUNK_SEQUENCE = 8;
    /** The time of the chunk's first frame, in nanoseconds since the record began. */
    static final int CHUNK_TIME = 16;
    /** CRC-32C of the header in front of it and of the frames, valid if the chunk is complete. */
    static final int CHUNK_SUM = 24;

    static final int CHUNK_FRAMES = 32;

    static final int CHUNK_EMPTY = 0;
    static final int CHUNK_OPEN = 1;
    static final int CHUNK_COMPLETE = 2;

    static final int PAGE = 4096;
    static final int DEFAULT_CHUNK = 1 << 20;
    static final int MAX_FACTS = 1 << 20;

    private RecordFormat() {}
}
