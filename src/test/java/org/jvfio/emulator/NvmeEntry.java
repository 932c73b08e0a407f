package org.jvfio.emulator;

/** A submission queue entry, as a driver writes it. */
final class NvmeEntry {
    private final int[] dwords = new int[NvmeCommand.ENTRY_BYTES / Integer.BYTES];

    private NvmeEntry() {}

    static NvmeEntry of(int opcode) {
        return new NvmeEntry().dword(0, opcode);
    }

    NvmeEntry id(int id) {
        return dword(0, (dwords[0] & 0xffff) | id << 16);
    }

    NvmeEntry namespace(int id) {
        return dword(1, id);
    }

    NvmeEntry prp(long first, long second) {
        return qword(6, first).qword(8, second);
    }

    /** The logical blocks of a read, a write and the like. */
    NvmeEntry blocks(long first, int count) {
        return qword(10, first).dword(12, (dwords[12] & 0xffff0000) | (count - 1));
    }

    NvmeEntry qword(int number, long value) {
        return dword(number, (int) value).dword(number + 1, (int) (value >>> Integer.SIZE));
    }

    NvmeEntry dword(int number, int value) {
        dwords[number] = value;
        return this;
    }

    int dword(int number) {
        return dwords[number];
    }
}
