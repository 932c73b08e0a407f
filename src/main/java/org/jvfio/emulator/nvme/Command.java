package org.jvfio.emulator.nvme;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** A command: an entry of a submission queue, its queue, and dword 0 of its completion. */
final class Command {
    /** The size of an entry of a submission queue, as a shift and in bytes. */
    static final int ENTRY_SHIFT = 6;

    static final int ENTRY_BYTES = 1 << ENTRY_SHIFT;

    static final ValueLayout.OfInt DWORD = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfLong QWORD = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final int NAMESPACE = 4;
    private static final int METADATA = 16;
    private static final int PRP1 = 24;
    private static final int PRP2 = 32;

    private final SubmissionQueue queue;
    private final MemorySegment entries;
    private long offset;
    private int result;
    private boolean abortable = true;

    Command(SubmissionQueue queue, MemorySegment entries, long offset) {
        this.queue = queue;
        this.entries = entries;
        this.offset = offset;
    }

    /** Moves it to another offset of the same entries. */
    void moveTo(long newOffset) {
        offset = newOffset;
        result = 0;
    }

    /** A copy with memory of its own. */
    Command kept() {
        MemorySegment own = MemorySegment.ofArray(new long[ENTRY_BYTES / Long.BYTES]);
        MemorySegment.copy(entries, offset, own, 0, ENTRY_BYTES);
        return new Command(queue, own, 0);
    }

    SubmissionQueue queue() {
        return queue;
    }

    int opcode() {
        return dword(0) & 0xff;
    }

    /** The command identifier, 16 bits. */
    int id() {
        return dword(0) >>> 16;
    }

    /** Whether it is part of a fused operation. */
    boolean isFused() {
        return (dword(0) >>> 8 & 0x3) != 0;
    }

    /** Whether SGLs describe its data, and not PRPs. */
    boolean usesScatterGather() {
        return (dword(0) >>> 14 & 0x3) != 0;
    }

    int namespace() {
        return entries.get(DWORD, offset + NAMESPACE);
    }

    /** The metadata pointer (MPTR). */
    long metadata() {
        return entries.get(QWORD, offset + METADATA);
    }

    long prp1() {
        return entries.get(QWORD, offset + PRP1);
    }

    long prp2() {
        return entries.get(QWORD, offset + PRP2);
    }

    /** A command dword by its number in the entry, 0 to 15. */
    int dword(int number) {
        return entries.get(DWORD, offset + (long) number * Integer.BYTES);
    }

    /** Two command dwords, of which the first is the lower half. */
    long qword(int firstDword) {
        return entries.get(QWORD, offset + (long) firstDword * Integer.BYTES);
    }

    /** Whether it transfers data to the host, according to its opcode. */
    boolean givesData() {
        return (opcode() & 0x3) == 0x2;
    }

    /** Whether it can be aborted, by the host or by deletion of its queue. */
    boolean isAbortable() {
        return abortable;
    }

    void abortable(boolean ends) {
        abortable = ends;
    }

    /** Dword 0 of its completion. */
    int result() {
        return result;
    }

    void result(int value) {
        result = value;
    }
}
