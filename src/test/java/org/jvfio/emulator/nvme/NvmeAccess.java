package org.jvfio.emulator.nvme;

/** What a driver of an NVMe controller works with: its registers, and memory that both reach. */
public interface NvmeAccess {
    /** Writes a register of 4 bytes. */
    void register(int offset, int value);

    /** Whole pages of 4 KiB that hold zeros: their bus address. */
    long pages(int count);

    /** Reads 4 bytes of memory at a bus address. */
    int dword(long address);

    /** Writes 4 bytes of memory at a bus address. */
    void dword(long address, int value);

    /** Waits a little for the controller; false if there is nothing to wait for, or it took too long. */
    boolean pause();
}
