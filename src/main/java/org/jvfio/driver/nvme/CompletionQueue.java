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
 * <p>The controller can change an entry at any time, so {@link #next} reads each of its words once. The phase tags of
 * all entries that the controller has written are read before that, so that one fence serves all of them.
 */
final class CompletionQueue {
    private static final ValueLayout.OfInt INT = JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle SHARED_INT = INT.varHandle();

    private final Doorbell doorbell;
    private final int number;
    private final MemorySegment ring;
    private final long iova;
    private final int entries;
    private int head;
    private int phase = 1;
    /** Entries from the head on whose phase tag was seen before the last fence. */
    private int visible;
    /** Entries that were consumed since the doorbell was written. */
    private int unreleased;

    private int result;
    private int queues;
    private int status;

    CompletionQueue(ControllerRegisters registers, int number, QueueLayout layout, NvmeBuffer memory) {
        this(registers.completionDoorbell(number), number, layout.entries(), memory.segment(), memory.iova());
    }

    CompletionQueue(Doorbell doorbell, int number, int entries, MemorySegment ring, long iova) {
        this.doorbell = doorbell;
        this.number = number;
        this.entries = entries;
        this.ring = ring;
        this.iova = iova;
    }

    /** The bus address of the first entry. */
    long iova() {
        return iova;
    }

    /** Whether the controller has not written the entry at the head yet. */
    boolean isEmpty() {
        return visible == 0 && !findWritten();
    }

    /** Reads the entry at the head; false if the controller has not written it yet. */
    boolean next() {
        if (isEmpty()) {
            return false;
        }
        long at = (long) head * QueueLayout.COMPLETION_BYTES;
        result = ring.get(INT, at);
        queues = ring.get(INT, at + 8);
        status = ring.get(INT, at + 12);
        return true;
    }

    /** Counts the entries that the controller has written; false if there is none. */
    private boolean findWritten() {
        int count = 0;
        int expected = phase;
        for (int at = head; count < entries && phaseAt(at) == expected; count++) {
            at++;
            if (at == entries) {
                at = 0;
                expected ^= 1;
            }
        }
        if (count == 0) {
            return false;
        }
        // Neither the rest of an entry nor the data of its command may be read before the phase tag.
        VarHandle.fullFence();
        visible = count;
        return true;
    }

    private int phaseAt(int entry) {
        return (int) SHARED_INT.getOpaque(ring, (long) entry * QueueLayout.COMPLETION_BYTES + 12) >>> 16 & 1;
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
        visible--;
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
        doorbell.ring(head);
    }

    /** Empties the ring, as the controller assumes when the queue is created. */
    void reset() {
        head = 0;
        phase = 1;
        visible = 0;
        unreleased = 0;
        ring.fill((byte) 0);
        VarHandle.fullFence();
    }
}
