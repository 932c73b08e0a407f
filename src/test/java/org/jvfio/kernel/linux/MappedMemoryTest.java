package org.jvfio.kernel.linux;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator;
import org.junit.jupiter.api.Test;

@DisplayNameGeneration(DisplayNameGenerator.ReplaceUnderscores.class)
class MappedMemoryTest {
    private final MappedMemory memory = new MappedMemory();

    @Test
    void nothing_is_mapped_at_first() {
        assertFalse(memory.contains(0x10000, 1));
        assertFalse(memory.remove(0x10000, 1));
    }

    @Test
    void a_range_is_mapped_up_to_its_last_byte() {
        memory.add(0x10000, 0x2000);
        assertTrue(memory.contains(0x10000, 0x2000));
        assertTrue(memory.contains(0x11fff, 1));
        assertFalse(memory.contains(0x12000, 1));
        assertFalse(memory.contains(0xffff, 1));
        assertFalse(memory.contains(0xffff, 2));
        assertFalse(memory.contains(0x11fff, 2));
    }

    @Test
    void neighbours_make_one_range_and_a_gap_parts_it() {
        memory.add(0x10000, 0x1000);
        memory.add(0x11000, 0x1000);
        memory.add(0x13000, 0x1000);
        assertTrue(memory.contains(0x10800, 0x1000));
        assertFalse(memory.contains(0x10000, 0x4000));
    }

    @Test
    void what_is_removed_from_the_middle_leaves_both_ends() {
        memory.add(0x10000, 0x3000);
        assertTrue(memory.remove(0x11000, 0x1000));
        assertTrue(memory.contains(0x10000, 0x1000));
        assertFalse(memory.contains(0x11000, 1));
        assertTrue(memory.contains(0x12000, 0x1000));
    }

    @Test
    void what_is_removed_across_neighbours_leaves_their_outer_parts() {
        memory.add(0x10000, 0x2000);
        memory.add(0x12000, 0x2000);
        assertTrue(memory.remove(0x11000, 0x2000));
        assertTrue(memory.contains(0x10000, 0x1000));
        assertFalse(memory.contains(0x11000, 1));
        assertFalse(memory.contains(0x12fff, 1));
        assertTrue(memory.contains(0x13000, 0x1000));
    }

    @Test
    void a_range_that_is_not_all_mapped_is_not_removed_in_part() {
        memory.add(0x10000, 0x1000);
        assertFalse(memory.remove(0x10000, 0x2000));
        assertTrue(memory.contains(0x10000, 0x1000));
    }

    @Test
    void a_length_that_is_negative_or_wraps_around_is_not_mapped() {
        memory.add(0x10000, 0x1000);
        assertFalse(memory.contains(0x10000, -1));
        assertFalse(memory.contains(-0x1000, 0x2000));
        assertFalse(memory.contains(0x10000, Long.MAX_VALUE));
    }
}
