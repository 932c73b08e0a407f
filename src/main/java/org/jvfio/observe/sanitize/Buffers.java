package org.jvfio.observe.sanitize;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
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
    private final List<Part> parts = new ArrayList<>();

    /** A part of memory, with what a device has written since it owns it. */
    private static final class Part {
        private final long address;
        private final long size;
        private final MemoryUse use;
        private final Site site;
        private final BitSet written = new BitSet();
        private final byte @Nullable [] contents;

        private Part(long address, long size, MemoryUse use, byte @Nullable [] contents) {
            this.address = address;
            this.size = size;
            this.use = use;
            this.site = Site.here("announced as " + use);
            this.contents = contents;
        }

        private boolean contains(long at) {
            return Long.compareUnsigned(at - address, size) < 0;
        }

        private boolean isInside(long from, long length) {
            return Long.compareUnsigned(address, from) >= 0 && Long.compareUnsigned(address + size, from + length) <= 0;
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

    Buffers(Findings findings) {
        this.findings = findings;
    }

    /** Whether the contents of parts of a size are compared. */
    static boolean isCompared(long size) {
        return size <= MAX_COMPARED;
    }

    /**
     * The program announces who accesses a part from now on.
     *
     * @param contents what is in it now; empty for a part that is not compared
     */
    void announce(long address, long size, MemoryUse use, byte[] contents) {
        for (Part each : List.copyOf(parts)) {
            if (each.isInside(address, size)) {
                parts.remove(each);
                ended(each, use, address, contents);
            }
        }
        boolean compared = use != MemoryUse.SHARED && use != MemoryUse.PROGRAM && isCompared(size);
        parts.add(new Part(address, size, use, compared ? contents : null));
    }

    /** The device no longer owns a part, which is inside what is announced now. */
    private void ended(Part part, MemoryUse next, long address, byte[] contents) {
        byte[] expected = part.contents;
        if (expected != null && contents.length > 0) {
            int from = (int) (part.address - address);
            compare(part, expected, Arrays.copyOfRange(contents, from, from + (int) part.size));
        }
        if (next == MemoryUse.PROGRAM && part.use == MemoryUse.DEVICE_WRITES && part.size <= Integer.MAX_VALUE) {
            requireWritten(part);
        }
    }

    private void compare(Part part, byte[] expected, byte[] found) {
        int different = Arrays.mismatch(expected, found);
        if (different >= 0) {
            findings.add(
                    Kind.WRITTEN_WHILE_OWNED,
                    "the program wrote the byte at offset 0x%x of 0x%x bytes that the device owned"
                            .formatted(different, part.size),
                    Site.here("taken back"),
                    part.site);
        }
    }

    private void requireWritten(Part part) {
        long missing = part.size - part.written.cardinality();
        if (missing > 0) {
            findings.add(
                    Kind.NEVER_WRITTEN,
                    "the device has not written %d of %d bytes, the first at offset 0x%x"
                            .formatted(missing, part.size, part.written.nextClearBit(0)),
                    Site.here("taken back"),
                    part.site);
        }
    }

    /** Memory is no longer registered. */
    void forget(long address, long size) {
        parts.removeIf(each -> each.isInside(address, size));
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
        if (parts.stream().noneMatch(part -> registered.contains(part.address))) {
            return;
        }
        for (long at = 0; at < length; ) {
            Part part = part(address + at, toMemory);
            if (part == null) {
                reportOutside(device, iova + at, address + at, toMemory);
                return;
            }
            long inPart = address + at - part.address;
            long run = Math.min(length - at, part.size - inPart);
            if (toMemory) {
                wrote(part, inPart, data, offset + at, run);
            }
            at += run;
        }
    }

    /** The part that allows an access to an address; the newest, if several do. */
    private @Nullable Part part(long address, boolean toMemory) {
        for (Part each : parts.reversed()) {
            if (each.contains(address) && each.allows(toMemory)) {
                return each;
            }
        }
        return null;
    }

    private void reportOutside(String device, long iova, long address, boolean toMemory) {
        Part other = parts.reversed().stream()
                .filter(part -> part.contains(address))
                .findFirst()
                .orElse(null);
        String access = "%s %s 0x%x, ".formatted(device, toMemory ? "wrote to" : "read from", iova);
        if (other == null) {
            findings.add(
                    Kind.DMA_OUTSIDE_BUFFER,
                    access + "which is mapped, but in no part that the driver gave to it",
                    Site.here("while"));
        } else {
            findings.add(
                    Kind.DMA_OUTSIDE_BUFFER,
                    access
                            + (other.use == MemoryUse.PROGRAM
                                    ? "which the program has taken back"
                                    : "which the driver gave to it for the other direction"),
                    Site.here("while"),
                    other.site);
        }
    }

    private static void wrote(Part part, long inPart, MemorySegment data, long offset, long length) {
        byte[] contents = part.contents;
        if (contents != null) {
            MemorySegment.copy(data, ValueLayout.JAVA_BYTE, offset, contents, (int) inPart, (int) length);
        }
        if (part.use == MemoryUse.DEVICE_WRITES && inPart + length <= Integer.MAX_VALUE) {
            part.written.set((int) inPart, (int) (inPart + length));
        }
    }
}
