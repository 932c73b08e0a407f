package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class IovaRangeTest {
    private static final IovaRange HIGH = new IovaRange(1L << 59, 1L << 30);
    private static final IovaRange LAST = new IovaRange(-4096, 4096);

    @Test
    void toString_window_asTheKernelLogsIt() {
        assertEquals("0x800000000000000..0x80000003fffffff", HIGH.toString());
    }

    @Test
    void contains_rangeUpToLastAddress_noOverflow() {
        assertEquals(-1, LAST.last());
        assertTrue(LAST.contains(-1));
        assertFalse(LAST.contains(0));
    }

    @Test
    void new_emptyOrWrapping_illegalArgument() {
        assertThrows(IllegalArgumentException.class, () -> new IovaRange(0, 0));
        assertThrows(IllegalArgumentException.class, () -> new IovaRange(-4096, 4097));
    }

    @Test
    void contains_range_onlyWithBothEnds() {
        assertTrue(HIGH.contains(HIGH));
        assertTrue(HIGH.contains(new IovaRange(HIGH.last(), 1)));
        assertFalse(HIGH.contains(new IovaRange(HIGH.last(), 2)));
        assertFalse(HIGH.contains(new IovaRange(HIGH.start() - 1, 2)));
        assertFalse(HIGH.contains(new IovaRange(0, -1)));
    }

    @Test
    void overlaps_sharedAddress_true() {
        assertTrue(HIGH.overlaps(new IovaRange(HIGH.start() - 1, 2)));
        assertTrue(HIGH.overlaps(new IovaRange(0, -1)));
        assertFalse(HIGH.overlaps(new IovaRange(HIGH.start() - 1, 1)));
        assertFalse(HIGH.overlaps(new IovaRange(HIGH.last() + 1, 1)));
        assertFalse(HIGH.overlaps(LAST));
    }
}
