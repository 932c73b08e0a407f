package org.jvfio.observe.sanitize;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.MemoryUse;
import org.jvfio.observe.sanitize.Finding.Kind;
import org.jvfio.observe.sanitize.Resources.Registered;

/**
 * The parts of DMA memory that a program has announced the use of. Guarded by the lock of its {@link Sanitizer}'s
 * state.
 */
final class Buffers {
    /** The contents of larger parts are not compared. */
    static final long MAX_COMPARED = 16L << 20;

    private final Findings findings;
    /** Pieces that do not overlap, by their addresses: what was announced last of each byte. */
    private final NavigableMap<Long, Piece> pieces = new TreeMap<>(Long::compareUnsigned);

    /** What was announced in one call, with what a device has written there since. */
    private static final class Announced {
        private final long address;
        private final MemoryUse use;
        private final Site site;
        private final BitSet written = new BitSet();
        private final byte @Nullable [] contents;

        private Announced(long address, MemoryUse use, byte @Nullable [] contents) {
            this.address = address;
            this.use = use;
            this.site = Site.here("announced as " + use);
            this.contents = contents;
        }

        private boolean allows(boolean toMemory) {
            return switch (use) {
                case PROGRAM -> false;
                case DEVICE_READS -> !toMemory;
                case DEVICE_WRITES -> toMemory;
                case DEVICE, SHARED -> true;
            };
        }
    }

    /** A part of what was announced, which nothing announced since then covers. */
    private record Piece(long address, long size, Announced announced) {
        private long end() {
            return address + size;
        }

        /** Where it begins in what was announced. */
        private long offset() {
            return address - announced.address;
        }
    }

    Buffers(Findings findings) {
        this.findings = findings;
    }

    /** Whether the contents of a part are to be compared when it is taken back. */
    private static boolean isCompared(long size, MemoryUse use) {
        return use != MemoryUse.SHARED && use != MemoryUse.PROGRAM && size <= MAX_COMPARED;
    }

    /** Whether {@link #announce} needs to know what is in a part. */
    boolean needsContents(long address, long size, MemoryUse use) {
        return size <= MAX_COMPARED
                && (isCompared(size, use)
                        || overlapping(address, size).stream().anyMatch(piece -> piece.announced.contents != null));
    }

    /** The pieces that have bytes in a range. */
    private List<Piece> overlapping(long address, long size) {
        Piece first = at(address);
        return List.copyOf(pieces.subMap(first == null ? address : first.address, true, address + size, false)
                .values());
    }

    private boolean hasPieces(Registered memory) {
        Long next = pieces.ceilingKey(memory.address());
        return at(memory.address()) != null || (next != null && memory.contains(next));
    }

    /** The piece that an address is in. */
    private @Nullable Piece at(long address) {
        Map.Entry<Long, Piece> below = pieces.floorEntry(address);
        return below != null && Long.compareUnsigned(address - below.getKey(), below.getValue().size) < 0
                ? below.getValue()
                : null;
    }

    /** Takes a range out of the pieces. */
    private List<Piece> cut(long address, long size) {
        long end = address + size;
        List<Piece> inside = new ArrayList<>();
        for (Piece each : overlapping(address, size)) {
            pieces.remove(each.address);
            long from = Math.max(each.address, address);
            long to = Math.min(each.end(), end);
            put(each.address, from, each.announced);
            put(to, each.end(), each.announced);
            inside.add(new Piece(from, to - from, each.announced));
        }
        return inside;
    }

    private void put(long from, long to, Announced announced) {
        if (from < to) {
            pieces.put(from, new Piece(from, to - from, announced));
        }
    }

    /**
     * The program announces who accesses a part from now on.
     *
     * @param contents what is in it now; empty if it is not known
     */
    void announce(long address, long size, MemoryUse use, byte[] contents) {
        for (Piece each : cut(address, size)) {
            ended(each, use, address, contents);
        }
        boolean compared = isCompared(size, use) && contents.length == size;
        put(address, address + size, new Announced(address, use, compared ? contents : null));
    }

    /** The device no longer owns a piece, which is inside what is announced now. */
    private void ended(Piece piece, MemoryUse next, long address, byte[] contents) {
        byte[] expected = piece.announced.contents;
        if (expected != null && contents.length > 0) {
            compare(piece, expected, contents, (int) (piece.address - address));
        }
        if (next == MemoryUse.PROGRAM
                && piece.announced.use == MemoryUse.DEVICE_WRITES
                && piece.offset() + piece.size <= Integer.MAX_VALUE) {
            requireWritten(piece);
        }
    }

    private void compare(Piece piece, byte[] expected, byte[] found, int from) {
        int offset = (int) piece.offset();
        int size = (int) piece.size;
        int different = Arrays.mismatch(expected, offset, offset + size, found, from, from + size);
        if (different >= 0) {
            findings.add(
                    Kind.WRITTEN_WHILE_OWNED,
                    "the program wrote the byte at offset 0x%x of 0x%x bytes that the device owned"
                            .formatted(different, piece.size),
                    Site.here("taken back"),
                    piece.announced.site);
        }
    }

    private void requireWritten(Piece piece) {
        int from = (int) piece.offset();
        BitSet written = piece.announced.written.get(from, from + (int) piece.size);
        long missing = piece.size - written.cardinality();
        if (missing > 0) {
            findings.add(
                    Kind.NEVER_WRITTEN,
                    "the device has not written %d of %d bytes, the first at offset 0x%x"
                            .formatted(missing, piece.size, written.nextClearBit(0)),
                    Site.here("taken back"),
                    piece.announced.site);
        }
    }

    /** Memory is no longer registered. */
    void forget(long address, long size) {
        cut(address, size);
    }

    /**
     * A device transfers data.
     *
     * @param device its address
     * @param iova the bus address, for the message
     * @param address the address in the program
     * @param registered the memory that the address is in
     * @param data what it writes
     * @param offset where in the data
     */
    void transferred(
            String device,
            long iova,
            long address,
            Registered registered,
            MemorySegment data,
            long offset,
            long length,
            boolean toMemory) {
        if (!hasPieces(registered)) {
            return;
        }
        for (long at = 0; at < length; ) {
            Piece piece = at(address + at);
            if (piece == null || !piece.announced.allows(toMemory)) {
                reportOutside(device, iova + at, piece, toMemory);
                return;
            }
            long run = Math.min(length - at, piece.end() - (address + at));
            if (toMemory) {
                wrote(piece.announced, address + at, data, offset + at, run);
            }
            at += run;
        }
    }

    private void reportOutside(String device, long iova, @Nullable Piece piece, boolean toMemory) {
        String access = "%s %s 0x%x, ".formatted(device, toMemory ? "wrote to" : "read from", iova);
        if (piece == null) {
            findings.add(
                    Kind.DMA_OUTSIDE_BUFFER,
                    access + "which is mapped, but in no part that the driver gave to it",
                    Site.here("while"));
        } else {
            findings.add(
                    Kind.DMA_OUTSIDE_BUFFER,
                    access
                            + (piece.announced.use == MemoryUse.PROGRAM
                                    ? "which the program has taken back"
                                    : "which the driver gave to it for the other direction"),
                    Site.here("while"),
                    piece.announced.site);
        }
    }

    private static void wrote(Announced announced, long address, MemorySegment data, long offset, long length) {
        long inside = address - announced.address;
        byte[] contents = announced.contents;
        if (contents != null) {
            MemorySegment.copy(data, ValueLayout.JAVA_BYTE, offset, contents, (int) inside, (int) length);
        }
        if (announced.use == MemoryUse.DEVICE_WRITES && inside + length <= Integer.MAX_VALUE) {
            announced.written.set((int) inside, (int) (inside + length));
        }
    }
}
