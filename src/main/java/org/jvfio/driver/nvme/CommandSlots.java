package org.jvfio.driver.nvme;

import org.jspecify.annotations.Nullable;

/**
 * The commands in flight in a queue, by slot. Guarded by the lock of its {@link NvmeQueue}.
 *
 * <p>A command identifier holds the slot in its low bits and the number of uses of the slot above them, so that a
 * duplicate or stale completion is not taken for that of the slot's next command.
 */
final class CommandSlots {
    /** No command identifier. */
    static final int NONE = -1;

    private static final int IDENTIFIERS = 1 << 16;

    private final @Nullable NvmeRequest[] requests;
    private final int[] identifiers;
    private final int[] free;
    private final int slotMask;
    private int freeCount;

    CommandSlots(int capacity) {
        requests = new @Nullable NvmeRequest[capacity];
        identifiers = new int[capacity];
        free = new int[capacity];
        slotMask = Integer.highestOneBit(capacity) * 2 - 1;
        for (int slot = 0; slot < capacity; slot++) {
            identifiers[slot] = slot;
        }
        reset();
    }

    int capacity() {
        return requests.length;
    }

    int inFlight() {
        return requests.length - freeCount;
    }

    boolean isFull() {
        return freeCount == 0;
    }

    /** Allocates a slot and a command identifier for a request; not while {@link #isFull}. */
    int allocate(NvmeRequest request) {
        int slot = free[--freeCount];
        requests[slot] = request;
        request.identifier = identifiers[slot];
        request.isTimed = false;
        return slot;
    }

    /** The request in flight with a command identifier; null if there is none. */
    @Nullable
    NvmeRequest get(int identifier) {
        int slot = identifier & slotMask;
        return slot < requests.length && identifiers[slot] == identifier ? requests[slot] : null;
    }

    /** Frees the slot of a command in flight. */
    void release(int identifier) {
        releaseSlot(identifier & slotMask);
    }

    private void releaseSlot(int slot) {
        requests[slot] = null;
        int following = identifiers[slot] + slotMask + 1;
        identifiers[slot] = following < IDENTIFIERS ? following : slot;
        free[freeCount++] = slot;
    }

    /**
     * The identifier of a command in flight for longer than a limit; {@link #NONE} if there is none. The time of a
     * command begins with the first call that finds it, so that submitting it need not read the clock.
     */
    int timedOut(long nowNanos, long limitNanos) {
        for (NvmeRequest request : requests) {
            if (request == null || !request.hasDeadline) {
                continue;
            }
            if (!request.isTimed) {
                request.isTimed = true;
                request.timedSince = nowNanos;
            } else if (nowNanos - request.timedSince > limitNanos) {
                return request.identifier;
            }
        }
        return NONE;
    }

    /**
     * Fails all commands in flight and frees their slots.
     *
     * @param failed a list to put them in front of
     * @return the list, to be delivered
     */
    @Nullable
    NvmeRequest failAll(@Nullable NvmeRequest failed, CommandFailure why) {
        NvmeRequest list = failed;
        for (int slot = 0; slot < requests.length; slot++) {
            NvmeRequest request = requests[slot];
            if (request != null) {
                releaseSlot(slot);
                request.fail(why);
                request.next = list;
                list = request;
            }
        }
        return list;
    }

    /**
     * Keeps the commands that can be repeated, with new identifiers, and fails the others.
     *
     * @param maxRepeats how often a command is repeated
     */
    void end(EndedCommands ended, CommandFailure why, int maxRepeats) {
        for (int slot = 0; slot < requests.length; slot++) {
            NvmeRequest request = requests[slot];
            if (request == null) {
                continue;
            }
            releaseSlot(slot);
            if (request.isRepeatable() && request.repeats < maxRepeats) {
                request.repeats++;
                requests[slot] = request;
                request.identifier = identifiers[slot];
                ended.kept();
            } else {
                request.fail(why);
                ended.failed(request);
            }
        }
        reset();
    }

    /** The request in a slot; null if the slot is free. */
    @Nullable
    NvmeRequest inSlot(int slot) {
        return requests[slot];
    }

    /** Orders the free slots as they are at first. */
    void reset() {
        freeCount = 0;
        for (int slot = requests.length - 1; slot >= 0; slot--) {
            if (requests[slot] == null) {
                free[freeCount++] = slot;
            }
        }
    }
}
