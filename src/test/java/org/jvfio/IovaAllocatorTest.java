package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class IovaAllocatorTest {
    private static final long PAGE = 1L << 16;
    private static final long MIB = 1L << 20;
    private static final long GIB = 1L << 30;
    private static final long HIGH = 1L << 59;
    private static final long ANYWHERE = -1;

    private final IovaAllocator low = new IovaAllocator(new IovaRange(0, 4 * GIB), PageSize.SIZE_64K);
    private final IovaAllocator high = new IovaAllocator(new IovaRange(HIGH, GIB), PageSize.SIZE_64K);

    @Test
    void allocate_freshWindowAtZero_neverAddressZero() {
        assertEquals(PAGE, low.allocate(PAGE, 1, ANYWHERE));
        assertEquals(2 * PAGE, low.allocate(PAGE, 1, ANYWHERE));
        assertTrue(low.take(0, PAGE));
        low.free(0, 3 * PAGE);
        assertEquals(1, low.pieces());
        assertEquals(4 * GIB - PAGE, low.largestPiece());
        assertEquals(4 * GIB, low.freeBytes());
    }

    @ParameterizedTest
    @CsvSource({"1", "65536", "1048576"})
    void allocate_randomized_alignedWithFreePagesAround(long alignment) {
        low.randomize(42);
        List<Long> taken = new ArrayList<>();
        for (int each = 0; each < 500; each++) {
            long size = (each % 3 + 1) * PAGE;
            long iova = low.allocate(size, alignment, 2 * GIB - 1);
            assertEquals(0, iova % Math.max(alignment, PAGE));
            assertTrue(iova > 0 && iova + size <= 2 * GIB);
            assertTrue(low.isFree(iova - PAGE, PAGE) && low.isFree(iova + size, PAGE));
            taken.add(iova);
        }
        assertNotEquals(taken.stream().sorted().toList(), taken);
        for (int each = 0; each < 500; each++) {
            low.free(taken.get(each), (each % 3 + 1) * PAGE);
        }
        assertEquals(1, low.pieces());
    }

    @Test
    void allocate_randomizedSmallWindow_fullWithGapsOnly() {
        IovaAllocator small = new IovaAllocator(new IovaRange(HIGH, 9 * PAGE), PageSize.SIZE_64K);
        small.randomize(1);
        int count = 0;
        while (small.allocate(PAGE, 1, ANYWHERE) != IovaAllocator.NONE) {
            count++;
        }
        assertTrue(count >= 2 && count <= 4, count + " pages");
        assertFalse(small.isFree(HIGH, 9 * PAGE));
        assertEquals((9 - count) * PAGE, small.freeBytes());
    }

    @Test
    void allocate_sameSeed_sameAddresses() {
        low.randomize(7);
        IovaAllocator other = new IovaAllocator(new IovaRange(0, 4 * GIB), PageSize.SIZE_64K);
        other.randomize(7);
        for (int each = 0; each < 10; each++) {
            assertEquals(low.allocate(PAGE, 1, ANYWHERE), other.allocate(PAGE, 1, ANYWHERE));
        }
    }

    @Test
    void allocate_windowAboveZero_wholeWindow() {
        assertEquals(HIGH, high.allocate(GIB, 1, ANYWHERE));
        assertEquals(0, high.freeBytes());
        assertEquals(0, high.pieces());
        assertEquals(0, high.largestPiece());
        high.free(HIGH, GIB);
        assertEquals(HIGH, high.allocate(PAGE, 1, ANYWHERE));
    }

    @Test
    void allocate_windowAtTopOfAddresses_works() {
        IovaAllocator top = new IovaAllocator(new IovaRange(-MIB, MIB), PageSize.SIZE_64K);
        assertEquals(-MIB, top.allocate(MIB - PAGE, 1, ANYWHERE));
        assertEquals(-PAGE, top.allocate(PAGE, 1, ANYWHERE));
        assertEquals(IovaAllocator.NONE, top.allocate(PAGE, 1, ANYWHERE));
        top.free(-MIB, MIB);
        assertEquals(MIB, top.freeBytes());
    }

    @Test
    void allocate_alignment_ofTheBusAddress() {
        IovaAllocator askew = new IovaAllocator(new IovaRange(HIGH + PAGE, GIB), PageSize.SIZE_64K);
        assertEquals(HIGH + MIB, askew.allocate(PAGE, MIB, ANYWHERE));
        assertEquals(HIGH + PAGE, askew.allocate(PAGE, 4096, ANYWHERE));
        assertEquals(HIGH + 2 * MIB, askew.allocate(MIB, MIB, ANYWHERE));
    }

    @Test
    void allocate_mask_nothingBeyond() {
        assertEquals(PAGE, low.allocate(GIB, 1, 0xffffffffL));
        assertEquals(IovaAllocator.NONE, low.allocate(GIB, 1, GIB - 1));
        assertEquals(IovaAllocator.NONE, low.allocate(GIB, 1, 2 * GIB + PAGE - 2));
        assertEquals(GIB + PAGE, low.allocate(GIB, 1, 2 * GIB + PAGE - 1));
        assertEquals(IovaAllocator.NONE, high.allocate(PAGE, 1, 0xffffffffL));
    }

    @Test
    void take_takenAddresses_false() {
        assertTrue(low.take(GIB, 2 * PAGE));
        assertFalse(low.take(GIB, PAGE));
        assertFalse(low.take(GIB + PAGE, 2 * PAGE));
        assertFalse(low.take(GIB - PAGE, 2 * PAGE));
        assertFalse(low.take(4 * GIB, PAGE));
        assertFalse(low.take(4 * GIB - PAGE, 2 * PAGE));
        assertEquals(4 * GIB - 2 * PAGE, low.freeBytes());
    }

    @Test
    void free_freeAddresses_illegalArgument() {
        assertTrue(low.take(GIB, 4 * PAGE));
        assertThrows(IllegalArgumentException.class, () -> low.free(GIB - PAGE, 2 * PAGE));
        assertThrows(IllegalArgumentException.class, () -> low.free(GIB + 3 * PAGE, 2 * PAGE));
        assertThrows(IllegalArgumentException.class, () -> low.free(0, PAGE));
        assertThrows(IllegalArgumentException.class, () -> low.free(4 * GIB, PAGE));
        assertThrows(IllegalArgumentException.class, () -> low.free(GIB, 4 * GIB));
        low.free(GIB, 4 * PAGE);
        assertEquals(1, low.pieces());
    }

    @Test
    void anyCall_partsOfPages_illegalArgument() {
        assertThrows(IllegalArgumentException.class, () -> low.allocate(4096, 1, ANYWHERE));
        assertThrows(IllegalArgumentException.class, () -> low.allocate(0, 1, ANYWHERE));
        assertThrows(IllegalArgumentException.class, () -> low.allocate(PAGE, 3, ANYWHERE));
        assertThrows(IllegalArgumentException.class, () -> low.allocate(PAGE, 0, ANYWHERE));
        assertThrows(IllegalArgumentException.class, () -> low.take(4096, PAGE));
        assertThrows(IllegalArgumentException.class, () -> low.free(PAGE, 4096));
        assertThrows(
                IllegalArgumentException.class, () -> new IovaAllocator(new IovaRange(4096, PAGE), PageSize.SIZE_64K));
        assertThrows(
                IllegalArgumentException.class, () -> new IovaAllocator(new IovaRange(0, 4096), PageSize.ofShift(11)));
        assertEquals(4 * GIB, low.freeBytes());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "0x200000000 | 0x10000 | -1 | the window has only 4G | create a larger window",
                "0x100000000 | 0x10000 | -1 | only 2G of its 4G are free | close mappings, or create a larger window",
                "0x80000000 | 0x10000 | -1 | 2G are free in 4 pieces, the largest of 512M"
                        + " | map less at a time, close mappings, or create a larger window",
                "0x1ff00000 | 0x40000000 | -1 | 2G are free in 4 pieces, the largest of 512M, but none has 511M at a"
                        + " multiple of 1G | ask for a smaller alignment, close mappings, or create a larger window",
                "0x20000000 | 0x10000 | 0x2fffffff | 2G are free in 4 pieces, the largest of 512M, and the lowest that"
                        + " fits ends at 0x3fffffff, beyond the device's mask 0x2fffffff | close mappings at lower addresses",
            })
    void shortage_requestTooLarge_reasonAndHint(
            String size, String alignment, String mask, String reason, String hint) {
        for (long at = 0; at < 4 * GIB; at += GIB) {
            assertTrue(low.take(at, GIB / 2));
        }
        long bytes = Long.decode(size);
        assertEquals(IovaAllocator.NONE, low.allocate(bytes, Long.decode(alignment), Long.decode(mask)));
        assertEquals(
                new Cause(VfioException.Kind.EXHAUSTED, reason, hint),
                low.shortage(bytes, Long.decode(alignment), Long.decode(mask)));
    }

    @Test
    void allocate_freeRangeAtZero_onePageLess() {
        assertTrue(low.take(GIB, 3 * GIB));
        assertEquals(IovaAllocator.NONE, low.allocate(GIB, 1, ANYWHERE));
        assertEquals(
                "1G are free in 1 piece, the largest of 1G-64K (bus address 0 is not given)",
                low.shortage(GIB, 1, ANYWHERE).reason());
    }
}
