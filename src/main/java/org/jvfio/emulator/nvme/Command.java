package org.jvfio.emulator.nvme;

import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/** A command: an entry of a submission queue, its queue, and dword 0 of its completion. */
final class Command {
    /** The size of an entry of a submission queue, as a shift and in bytes. */
    static final int ENTRY_SHIFT = 6;

    static final int ENTRY_BYTES = 1 << ENTRY_SHIFT;

    static final ValueLayout.OfInt DWORD = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfLong QWORD = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final int QWORDS = ENTRY_BYTES / Long.BYTES;
    private static final int METADATA = 2;
    private static final int PRP1 = 3;
    private static final int PRP2 = 4;
    private static final boolean REVERSES = ByteOrder.nativeOrder() == ByteOrder.BIG_ENDIAN;

    private final SubmissionQueue queue;
    private final long[] entries;
    private int first;
    private int result;
    private boolean abortable = true;

    /**
     * The first of some entries.
     *
     * @param entries as they are in memory
     */
    Command(SubmissionQueue queue, long[] entries) {
        this.queue = queue;
        this.entries = entries;
    }

    /** Moves it to another one of the entries. */
    void moveTo(int index) {
        first = index * QWORDS;
        result = 0;
    }

    /** A copy with memory of its own. */
    Command kept() {
        return new Command(queue, Arrays.copyOfRange(entries, first, first + QWORDS));
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
        return dword(1);
    }

    /** The metadata pointer (MPTR). */
    long metadata() {
        return value(METADATA);
    }

    long prp1() {
        return value(PRP1);
    }

    long prp2() {
        return value(PRP2);
    }

    /** A command dword by its number in the entry, 0 to 15. */
    int dword(int number) {
        return (int) (value(number / 2) >>> (number % 2 * Integer.SIZE));
    }

    /**
     * Two command dwords, of which the first is the lower half.
     *
     * @param firstDword an even number
     */
    long qword(int firstDword) {
        return value(firstDword / 2);
    }

    private long value(int number) {
        return littleEndian(entries[first + number]);
    }

    /** A value as it is in memory in little-endian byte order, and the other way round. */
    static long littleEndian(long value) {
        return REVERSES ? Long.reverseBytes(value) : value;
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
