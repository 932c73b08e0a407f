package org.jvfio.emulator.nvme;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.DeviceBus;

/**
 * A submission queue in the host's memory: the host writes entries at its tail, the controller fetches them at its
 * head.
 */
final class SubmissionQueue {
    /** The maximum number of entries fetched at once. */
    private static final int FETCHED = 16;

    private final int id;
    private final long address;
    private final int size;
    private final CompletionQueue completions;
    private final List<Command> inFlight = new ArrayList<>();
    private final long[] entries = new long[FETCHED * Command.ENTRY_BYTES / Long.BYTES];
    private final MemorySegment fetched = MemorySegment.ofArray(entries);
    private final Command command = new Command(this, entries);
    private int head;
    private int tail;
    private boolean stalled;
    private boolean settling;
    private long settledNanos;

    /**
     * An empty queue.
     *
     * @param address the bus address of its memory, page aligned
     * @param size how many entries it has; one always stays free
     */
    SubmissionQueue(int id, long address, int size, CompletionQueue completions) {
        this.id = id;
        this.address = address;
        this.size = size;
        this.completions = completions;
    }

    int id() {
        return id;
    }

    boolean isAdmin() {
        return id == 0;
    }

    CompletionQueue completions() {
        return completions;
    }

    int head() {
        return head;
    }

    /** Stops execution of its commands. */
    void stall() {
        stalled = true;
    }

    /** Whether it was created so recently that it takes no commands. */
    boolean isSettling() {
        return settling && System.nanoTime() - settledNanos < 0;
    }

    void settleUntil(long nanos) {
        settling = true;
        settledNanos = nanos;
    }

    void settled() {
        settling = false;
    }

    /** Whether a command can be fetched and completed. */
    boolean canStart() {
        return !stalled && head != tail && completions.hasRoom();
    }

    private int used() {
        return tail >= head ? tail - head : tail + size - head;
    }

    /**
     * The host has added entries.
     *
     * @return false if there are not enough free slots
     */
    boolean submit(int newTail) {
        if (newTail >= size) {
            return false;
        }
        int added = newTail >= tail ? newTail - tail : newTail + size - tail;
        if (added > size - 1 - used()) {
            return false;
        }
        tail = newTail;
        return true;
    }

    /**
     * Fetches entries at the head; the queue is not empty.
     *
     * @return the number of entries, at least 1; 0 if memory could not be read
     */
    int fetch(DeviceBus bus) {
        int contiguous = (tail >= head ? tail : size) - head;
        int count = Math.min(contiguous, FETCHED);
        long at = address + ((long) head << Command.ENTRY_SHIFT);
        return bus.readMemory(at, fetched, 0, (long) count << Command.ENTRY_SHIFT) ? count : 0;
    }

    /** A fetched entry that stays in the queue, valid until the next call. */
    Command peek(int index) {
        command.moveTo(index);
        return command;
    }

    /**
     * Removes the entry at the head. The host may reuse it once it sees the new head.
     *
     * @param index the index of the entry among the fetched ones
     * @return the command, valid until the next call
     */
    Command take(int index) {
        head = head + 1 == size ? 0 : head + 1;
        return peek(index);
    }

    /** The commands in flight. */
    List<Command> inFlight() {
        return inFlight;
    }

    @Nullable
    Command inFlight(int commandId) {
        if (inFlight.isEmpty()) {
            return null;
        }
        for (Command each : inFlight) {
            if (each.id() == commandId) {
                return each;
            }
        }
        return null;
    }
}
