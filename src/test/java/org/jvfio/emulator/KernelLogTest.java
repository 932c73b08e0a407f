package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

class KernelLogTest {
    private final KernelLog log = new KernelLog();

    private void add(long from, long to) {
        for (long number = from; number < to; number++) {
            log.add("message " + number);
        }
    }

    @Test
    void rewind_lastMessages_removed() {
        add(0, 5);
        log.rewind(3);
        assertEquals(List.of("message 0", "message 1", "message 2"), log.messages());
        log.add("another");
        assertEquals(List.of("message 0", "message 1", "message 2", "another"), log.messages());
    }

    @Test
    void rewind_overwrittenMessages_stayLost() {
        long all = KernelLog.CAPACITY + 10;
        add(0, all);
        log.rewind(all - 4);
        assertEquals(KernelLog.CAPACITY - 4, log.messages().size());
        assertEquals("message 10", log.messages().getFirst());
        assertEquals("message " + (all - 5), log.messages().getLast());
        add(all - 4, all + 2);
        assertEquals(KernelLog.CAPACITY, log.messages().size());
        assertEquals("message 12", log.messages().getFirst());
    }

    @Test
    void warnOnce_sameText_onceLogged() {
        log.warnOnce("here");
        log.warnOnce("here");
        log.warnOnce("there");
        assertEquals(List.of("WARNING: here", "WARNING: there"), log.messages());
    }
}
