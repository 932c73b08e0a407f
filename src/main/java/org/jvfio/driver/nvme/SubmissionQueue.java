package org.jvfio.driver.nvme;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/** The ring of submission queue entries and its tail doorbell. Guarded by the lock of its {@link NvmeQueue}. */
final class SubmissionQueue {
    private static final ValueLayout.OfLong LONG = JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Doorbell doorbell;
    private final MemorySegment ring;
    private final long iova;
    private final int entries;
    private final long pageSize;
    private final PrpLists lists;
    private int tail;
    private int rungTail;

    SubmissionQueue(ControllerRegisters registers, int number, QueueLayout layout, NvmeBuffer memory, PrpLists lists) {
        this(registers.submissionDoorbell(number), layout, memory.segment(), memory.iova(), lists);
    }

    SubmissionQueue(Doorbell doorbell, QueueLayout layout, MemorySegment ring, long iova, PrpLists lists) {
        this.doorbell = doorbell;
        this.ring = ring;
        this.iova = iova;
        entries = layout.entries();
        pageSize = layout.pageSize();
        this.lists = lists;
    }

    /** The bus address of the first entry. */
    long iova() {
        return iova;
    }

    /** Writes a command into the next entry; the controller fetches it after {@link #ring}. */
    void add(NvmeRequest request, int slot) {
        long at = (long) tail * QueueLayout.SUBMISSION_BYTES;
        ring.set(LONG, at, pair(request.opcode | request.identifier << 16, request.namespaceId));
        ring.set(LONG, at + 8, 0);
        ring.set(LONG, at + 16, request.metadataIova);
        switch (request.list) {
            case NONE -> writeDataPointer(request, slot, at);
            case RANGE -> writeList(lists.writeRange(slot, (int) request.blocks, request.lba), at);
            case SOURCE -> writeList(lists.writeSource(slot, (int) request.blocks, request.lba), at);
        }
        ring.set(LONG, at + 40, pair(request.dword10, request.dword11));
        ring.set(LONG, at + 48, pair(request.dword12, 0));
        ring.set(LONG, at + 56, 0);
        tail = tail + 1 == entries ? 0 : tail + 1;
    }

    /** Two command dwords, which are written at once. */
    private static long pair(int low, int high) {
        return Integer.toUnsignedLong(low) | (long) high << Integer.SIZE;
    }

    private void writeList(long address, long at) {
        ring.set(LONG, at + 24, address);
        ring.set(LONG, at + 32, 0);
    }

    /**
     * PRP entry 1 is the first byte of the data, which may have an offset in its page. PRP entry 2 is the second page,
     * or the PRP list of all pages but the first.
     */
    private void writeDataPointer(NvmeRequest request, int slot, long at) {
        long first = request.iova;
        long second = (first & -pageSize) + pageSize;
        long remaining = request.bytes - (second - first);
        ring.set(LONG, at + 24, request.bytes == 0 ? 0 : first);
        if (request.bytes == 0 || remaining <= 0) {
            ring.set(LONG, at + 32, 0);
        } else if (remaining <= pageSize) {
            ring.set(LONG, at + 32, second);
        } else {
            ring.set(LONG, at + 32, lists.writePages(slot, second, remaining));
        }
    }

    /** The number of commands that were added since the tail doorbell was written. */
    int unrung() {
        return tail >= rungTail ? tail - rungTail : tail + entries - rungTail;
    }

    /** Writes the tail doorbell if commands were added since it was last written. */
    void ring() {
        if (rungTail != tail) {
            // The commands must be visible to the controller before the doorbell.
            VarHandle.fullFence();
            rungTail = tail;
            doorbell.ring(tail);
        }
    }

    /** Empties the ring, as the controller assumes when the queue is created. */
    void reset() {
        tail = 0;
        rungTail = 0;
    }
}
