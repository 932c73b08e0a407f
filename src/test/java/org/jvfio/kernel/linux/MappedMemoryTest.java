package org.jvfio.kernel.linux;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class MappedMemoryTest {
    private final MappedMemory memory = new MappedMemory();

    @Test
    void contains_nothingAdded_false() {
        assertFalse(memory.contains(0x10000, 1));
        assertFalse(memory.remove(0x10000, 1));
    }

    @Test
    void contains_pastLastByte_false() {
        memory.add(0x10000, 0x2000);
        assertTrue(memory.contains(0x10000, 0x2000));
        assertTrue(memory.contains(0x11fff, 1));
        assertFalse(memory.contains(0x12000, 1));
        assertFalse(memory.contains(0xffff, 1));
        assertFalse(memory.contains(0xffff, 2));
        assertFalse(memory.contains(0x11fff, 2));
    }

    @Test
    void contains_acrossNeighbours_true() {
        memory.add(0x10000, 0x1000);
        memory.add(0x11000, 0x1000);
        memory.add(0x13000, 0x1000);
        assertTrue(memory.contains(0x10800, 0x1000));
        assertFalse(memory.contains(0x10000, 0x4000));
    }

    @Test
    void remove_middle_endsStay() {
        memory.add(0x10000, 0x3000);
        assertTrue(memory.remove(0x11000, 0x1000));
        assertTrue(memory.contains(0x10000, 0x1000));
        assertFalse(memory.contains(0x11000, 1));
        assertTrue(memory.contains(0x12000, 0x1000));
    }

    @Test
    void remove_acrossNeighbours_outerPartsStay() {
        memory.add(0x10000, 0x2000);
        memory.add(0x12000, 0x2000);
        assertTrue(memory.remove(0x11000, 0x2000));
        assertTrue(memory.contains(0x10000, 0x1000));
        assertFalse(memory.contains(0x11000, 1));
        assertFalse(memory.contains(0x12fff, 1));
        assertTrue(memory.contains(0x13000, 0x1000));
    }

    @Test
    void remove_partlyMapped_nothingRemoved() {
        memory.add(0x10000, 0x1000);
        assertFalse(memory.remove(0x10000, 0x2000));
        assertTrue(memory.contains(0x10000, 0x1000));
    }

    @Test
    void contains_negativeOrWrappingLength_false() {
        memory.add(0x10000, 0x1000);
        assertFalse(memory.contains(0x10000, -1));
        assertFalse(memory.contains(-0x1000, 0x2000));
        assertFalse(memory.contains(0x10000, Long.MAX_VALUE));
    }
}
