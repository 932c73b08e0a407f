package org.jvfio.emulator.nvme;

/** A submission queue entry, as a driver writes it. */
public final class NvmeEntry {
    private final int[] dwords = new int[16];

    private NvmeEntry() {}

    public static NvmeEntry of(int opcode) {
        return new NvmeEntry().dword(0, opcode);
    }

    /** Creates a completion queue; flags are PC (1) and IEN (2). */
    public static NvmeEntry createCompletionQueue(int id, int size, long address, int vector, int flags) {
        return create(0x05, id, size, address, vector << 16 | flags);
    }

    /** Creates a submission queue; the flag is PC (1). */
    public static NvmeEntry createSubmissionQueue(int id, int size, long address, int completionQueue, int flags) {
        return create(0x01, id, size, address, completionQueue << 16 | flags);
    }

    private static NvmeEntry create(int opcode, int id, int size, long address, int dword11) {
        return of(opcode).prp(address, 0).dword(10, (size - 1) << 16 | id).dword(11, dword11);
    }

    public NvmeEntry id(int id) {
        return dword(0, (dwords[0] & 0xffff) | id << 16);
    }

    public NvmeEntry namespace(int id) {
        return dword(1, id);
    }

    public NvmeEntry prp(long first, long second) {
        return qword(6, first).qword(8, second);
    }

    /** The logical blocks of a read, a write and the like. */
    public NvmeEntry blocks(long first, int count) {
        return qword(10, first).dword(12, (dwords[12] & 0xffff0000) | (count - 1));
    }

    public NvmeEntry qword(int number, long value) {
        return dword(number, (int) value).dword(number + 1, (int) (value >>> Integer.SIZE));
    }

    public NvmeEntry dword(int number, int value) {
        dwords[number] = value;
        return this;
    }

    int dword(int number) {
        return dwords[number];
    }
}
