package org.jvfio.driver.nvme;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/**
 * The ring of completion queue entries and its head doorbell. Guarded by the lock of its {@link NvmeQueue}.
 *
 * <p>The controller can change an entry at any time, so each of its words is read once, by {@link #next}.
 */
final class CompletionQueue {
    private static final ValueLayout.OfInt INT = JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle SHARED_INT = INT.varHandle();

    private final ControllerRegisters registers;
    private final int number;
    private final long doorbell;
    private final MemorySegment ring;
    private final long iova;
    private final int entries;
    private int head;
    private int phase = 1;
    /** Entries that were consumed since the doorbell was written. */
    private int unreleased;

    private int result;
    private int queues;
    private int status;

    CompletionQueue(ControllerRegisters registers, int number, QueueLayout layout, NvmeBuffer memory) {
        this.registers = registers;
        this.number = number;
        doorbell = registers.completionDoorbell(number);
        ring = memory.segment();
        iova = memory.iova();
        entries = layout.entries();
    }

    /** The bus address of the first entry. */
    long iova() {
        return iova;
    }

    /** Reads the entry at the head; false if the controller has not written it yet. */
    boolean next() {
        long at = (long) head * QueueLayout.COMPLETION_BYTES;
        int last = (int) SHARED_INT.getOpaque(ring, at + 12);
        if ((last >>> 16 & 1) != phase) {
            return false;
        }
        // Neither the rest of the entry nor the data of the command may be read before the phase tag.
        VarHandle.fullFence();
        result = ring.get(INT, at);
        queues = ring.get(INT, at + 8);
        status = last;
        return true;
    }

    /** The command identifier of the entry that {@link #next} read. */
    int identifier() {
        return status & 0xffff;
    }

    /** Its status field, without the phase tag. */
    int statusField() {
        return status >>> 17;
    }

    /** Its dword 0. */
    int result() {
        return result;
    }

    /** What is wrong with its submission queue identifier or head pointer; null if they are valid. */
    @Nullable
    String defect() {
        if (queues >>> 16 != number) {
            return "the completion names submission queue %d".formatted(queues >>> 16);
        }
        if ((queues & 0xffff) >= entries) {
            return "the completion reports submission queue head %d of %d entries".formatted(queues & 0xffff, entries);
        }
        return null;
    }

    /** Moves the head past the entry; the controller may reuse it after {@link #ring}. */
    void advance() {
        head++;
        unreleased++;
        if (head == entries) {
            head = 0;
            phase ^= 1;
        }
    }

    /**
     * Writes the head doorbell: at once where the controller sends interrupts, which depend on it; otherwise when a
     * quarter of the entries is to be released. A controller that has no free entry waits, and has then written so many
     * that the next call releases them.
     */
    void ring(boolean atOnce) {
        if (!atOnce && unreleased < entries / 4) {
            return;
        }
        // All reads of the entries must precede the doorbell, which returns them to the controller.
        VarHandle.fullFence();
        unreleased = 0;
        registers.ring(doorbell, head);
    }

    /** Empties the ring, as the controller assumes when the queue is created. */
    void reset() {
        head = 0;
        phase = 1;
        unreleased = 0;
        ring.fill((byte) 0);
        VarHandle.fullFence();
    }
}
