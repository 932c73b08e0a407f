package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** The commands in flight in a queue. */
class CommandSlotsTest {
    private static final long LIMIT = 1000;

    private final CommandSlots slots = new CommandSlots(3);

    private static NvmeRequest request() {
        return new NvmeRequest().admin("test", 0, 0, 0, 0);
    }

    @Test
    void timedOut_longAfterTheFirstCheckOfACommand_findsIt() {
        NvmeRequest request = request();
        slots.allocate(request);
        // The first check begins its time, whatever the clock is.
        assertEquals(CommandSlots.NONE, slots.timedOut(5 * LIMIT, LIMIT));
        assertEquals(CommandSlots.NONE, slots.timedOut(6 * LIMIT, LIMIT));
        assertEquals(request.identifier, slots.timedOut(6 * LIMIT + 1, LIMIT));
    }

    @Test
    void timedOut_requestSubmittedAgain_beginsAnew() {
        NvmeRequest request = request();
        slots.allocate(request);
        assertEquals(CommandSlots.NONE, slots.timedOut(0, LIMIT));
        slots.release(request.identifier);
        slots.allocate(request);
        assertEquals(CommandSlots.NONE, slots.timedOut(2 * LIMIT, LIMIT));
        assertEquals(request.identifier, slots.timedOut(3 * LIMIT + 1, LIMIT));
    }

    @Test
    void timedOut_commandWithoutDeadline_isNeverFound() {
        slots.allocate(request().withoutDeadline());
        assertEquals(CommandSlots.NONE, slots.timedOut(0, LIMIT));
        assertEquals(CommandSlots.NONE, slots.timedOut(9 * LIMIT, LIMIT));
    }

    @Test
    void get_identifierOfAnEarlierUseOfTheSlot_isNotInFlight() {
        NvmeRequest request = request();
        slots.allocate(request);
        int stale = request.identifier;
        slots.release(stale);
        slots.allocate(request);
        assertNull(slots.get(stale));
        assertSame(request, slots.get(request.identifier));
    }

    @Test
    void allocate_allSlots_isFullUntilOneIsReleased() {
        NvmeRequest last = request();
        slots.allocate(request());
        slots.allocate(request());
        slots.allocate(last);
        assertTrue(slots.isFull());
        slots.release(last.identifier);
        assertEquals(2, slots.inFlight());
    }
}
