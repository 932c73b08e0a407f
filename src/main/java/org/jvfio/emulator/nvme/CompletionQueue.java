package org.jvfio.emulator.nvme;

import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.function.LongSupplier;
import org.jvfio.emulator.device.DeviceBus;

/**
 * A completion queue in the host's memory: the controller writes entries at its tail, the host consumes them at its
 * head.
 */
final class CompletionQueue {
    /** The size of an entry, as a shift and in bytes. */
    static final int ENTRY_SHIFT = 4;

    static final int ENTRY_BYTES = 1 << ENTRY_SHIFT;

    /** A completion that waits for a free slot. */
    private record Waiting(SubmissionQueue from, int command, int result, int status) {}

    private final int id;
    private final long address;
    private final int size;
    private final int vector;
    private final boolean interrupts;
    private final long[] halves = new long[ENTRY_BYTES / Long.BYTES];
    private final MemorySegment entry = MemorySegment.ofArray(halves);
    private final ArrayDeque<Waiting> waiting = new ArrayDeque<>();
    private int head;
    private int tail;
    private int phase = 1;
    private int submissionQueues;
    private long flippedFirst;
    private long flippedSecond;
    private boolean quiet;
    private boolean posted;
    private boolean asserts;

    /**
     * An empty queue.
     *
     * @param address the bus address of its memory, page aligned
     * @param size how many entries it has; one always stays free
     */
    CompletionQueue(int id, long address, int size, int vector, boolean interrupts) {
        this.id = id;
        this.address = address;
        this.size = size;
        this.vector = vector;
        this.interrupts = interrupts;
    }

    int id() {
        return id;
    }

    int size() {
        return size;
    }

    int vector() {
        return vector;
    }

    boolean interrupts() {
        return interrupts;
    }

    /** The number of submission queues that use this completion queue. */
    int submissionQueues() {
        return submissionQueues;
    }

    void attach(int change) {
        submissionQueues += change;
    }

    /** The number of entries that the host has not consumed. */
    int used() {
        return distance(head, tail);
    }

    boolean isEmpty() {
        return head == tail;
    }

    /** Whether there is a slot for a command that completes at once. */
    boolean hasRoom() {
        return used() < size - 1 && waiting.isEmpty();
    }

    /**
     * The host has consumed entries.
     *
     * @return false if there are not so many
     */
    boolean consume(int newHead) {
        if (newHead >= size || distance(head, newHead) > used()) {
            return false;
        }
        head = newHead;
        return true;
    }

    private int distance(int from, int to) {
        return to >= from ? to - from : to + size - from;
    }

    /**
     * Posts a completion, or keeps it until there is a free slot.
     *
     * @return false if the entry could not be written
     */
    boolean post(DeviceBus bus, SubmissionQueue from, int command, int result, int status) {
        if (!hasRoom()) {
            waiting.add(new Waiting(from, command, result, status));
            return true;
        }
        return write(bus, from, command, result, status);
    }

    /**
     * Posts waiting completions, as far as there are free slots.
     *
     * @return false if an entry could not be written
     */
    boolean postWaiting(DeviceBus bus) {
        while (!waiting.isEmpty() && used() < size - 1) {
            Waiting next = waiting.remove();
            if (!write(bus, next.from(), next.command(), next.result(), next.status())) {
                return false;
            }
        }
        return true;
    }

    /** Flips a bit of the next entry, 0 to 127. */
    void flipNext(int bit) {
        if (bit < Long.SIZE) {
            flippedFirst ^= 1L << bit;
        } else {
            flippedSecond ^= 1L << bit;
        }
    }

    /** Suppresses the interrupt of the next entry. */
    void quietNext() {
        quiet = true;
    }

    /**
     * Overwrites entries, from the next one on that a completion is written to.
     *
     * @return false if they could not be written
     */
    boolean scribble(DeviceBus bus, int entries, LongSupplier source) {
        for (int count = 0; count < Math.min(entries, size); count++) {
            halves[0] = Command.littleEndian(source.getAsLong());
            halves[1] = Command.littleEndian(source.getAsLong());
            if (!bus.writeMemory(address + ((long) ((tail + count) % size) << ENTRY_SHIFT), entry)) {
                return false;
            }
        }
        return true;
    }

    private boolean write(DeviceBus bus, SubmissionQueue from, int command, int result, int status) {
        long first = Integer.toUnsignedLong(result) ^ flippedFirst;
        long queue = Integer.toUnsignedLong(from.id() << 16 | from.head());
        long last = (long) (status << 17 | phase << 16 | command) << Integer.SIZE;
        halves[0] = Command.littleEndian(first);
        halves[1] = Command.littleEndian((queue | last) ^ flippedSecond);
        flippedFirst = 0;
        flippedSecond = 0;
        // The host may poll: the bus writes the half with the phase bit last.
        if (!bus.writeMemory(address + ((long) tail << ENTRY_SHIFT), entry)) {
            return false;
        }
        tail++;
        if (tail == size) {
            tail = 0;
            phase ^= 1;
        }
        posted |= !quiet;
        quiet = false;
        return true;
    }

    /** Whether entries were posted since the last interrupt. */
    boolean isPosted() {
        return posted;
    }

    void interruptRaised() {
        posted = false;
    }

    /** Whether it is counted among the queues that assert INTx. */
    boolean asserts() {
        return asserts;
    }

    void asserts(boolean counted) {
        asserts = counted;
    }
}
