package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

/** Which bus addresses a mapping gets: those that the device reaches, that are free, and the lowest of them. */
class BusAddressTest {
    private static final long HIGH = 1L << 59;
    private static final long PAGE = 1L << 16;
    private static final long G = 1L << 30;
    private static final DmaDirection DIRECTION = DmaDirection.BIDIRECTIONAL;

    private final TestHost host = new TestHost();
    private final Container container = Container.open(host.kernel());
    private DmaWindow high;
    private DmaWindow low;
    private DmaMemory memory;

    @BeforeEach
    void makeWindowAndMemory() {
        container.attach(TestHost.EDU);
        high = container.createWindow(PageSize.SIZE_64K, G, 1);
        low = container.defaultWindow();
        memory = container.allocate(16 * PAGE);
    }

    @AfterEach
    void giveBack() {
        container.close();
        host.assertAllGivenBack();
    }

    private DmaMapping map(long pages, DmaConstraints limits) {
        return container.map(memory.range(0, pages * PAGE), DIRECTION, limits);
    }

    private VfioException assertRefused(Executable call, String... reasons) {
        int calls = host.observed().calls();
        VfioException e = assertThrows(VfioException.class, call);
        for (String reason : reasons) {
            assertTrue(e.reason().contains(reason), e.getMessage());
        }
        assertEquals(calls, host.observed().calls(), "system calls");
        assertEquals(Optional.empty(), e.call());
        return e;
    }

    @Test
    void map_allAddressBits_windowWithLargestPages() {
        DmaMapping mapping = map(1, DmaConstraints.NONE);
        assertSame(high, mapping.window());
        assertEquals(HIGH, mapping.iova());
        assertSame(high, map(1, DmaConstraints.ofMaskBits(60)).window());
    }

    @Test
    void map_fewAddressBits_reachableWindow() {
        DmaMapping mapping = map(2, DmaConstraints.ofMaskBits(32));
        assertSame(low, mapping.window());
        assertEquals(4096, mapping.iova());
        assertSame(low, map(2, DmaConstraints.ofMaskBits(59)).window());
        DmaMapping prepared = container.prepare(memory.range(), DIRECTION, DmaConstraints.ofMaskBits(32));
        prepared.map();
        assertSame(low, prepared.window());
    }

    @Test
    void map_partOfALargePage_windowWithSmallPages() {
        DmaMapping mapping = container.map(memory.range(4096, 8192), DIRECTION, DmaConstraints.NONE);
        assertSame(low, mapping.window());
        assertRefused(
                () -> container.map(memory.range(100, 4096), DIRECTION, DmaConstraints.NONE),
                "in window 0x800000000000000..0x80000003fffffff 0x1000 bytes at",
                "in window 0x0..0x7fffffff 0x1000 bytes at",
                "are not whole pages of 4K");
    }

    @Test
    void map_oneWindowFull_otherWindow() {
        IovaReservation rest = high.reserve(new IovaRange(HIGH + PAGE, G - PAGE));
        assertEquals(PAGE, high.freeBytes());
        assertSame(low, map(2, DmaConstraints.NONE).window());
        assertSame(high, map(1, DmaConstraints.NONE).window());
        assertSame(low, map(1, DmaConstraints.NONE).window());
        rest.close();
        assertSame(high, map(1, DmaConstraints.NONE).window());
    }

    @Test
    void map_noWindowFits_reasonOfEachWindow() {
        VfioException e = assertRefused(
                () -> map(16, DmaConstraints.ofMaskBits(20)),
                "in window 0x800000000000000..0x80000003fffffff 1G are free in 1 piece, the largest of 1G, and the lowest"
                        + " that fits ends at 0x8000000000fffff, beyond the device's mask 0xfffff; in window"
                        + " 0x0..0x7fffffff 2G are free in 1 piece, the largest of 2G-4K (bus address 0 is not given),"
                        + " and the lowest that fits ends at 0x100fff, beyond the device's mask 0xfffff");
        assertEquals("map %s for a device with 20 address bits".formatted(memory.range()), e.operation());
        assertEquals("close mappings at lower addresses", e.hint());
        low.close();
        high.close();
        assertRefused(() -> map(1, DmaConstraints.NONE), "the container has no window");
    }

    @Test
    void map_alignment_alignedAddress() {
        map(1, DmaConstraints.NONE);
        assertEquals(
                HIGH + 16 * PAGE, map(1, DmaConstraints.NONE.alignedTo(1 << 20)).iova());
        assertEquals(HIGH + PAGE, map(1, DmaConstraints.NONE.alignedTo(8)).iova());
        assertEquals(PAGE, map(1, DmaConstraints.ofMaskBits(32).alignedTo(PAGE)).iova());
        assertEquals(
                HIGH + 32 * PAGE,
                high.prepare(memory.range(), DIRECTION, DmaConstraints.NONE.alignedTo(1 << 20))
                        .iova());
        assertEquals(
                HIGH + 48 * PAGE,
                high.mapContiguous(
                                List.of(memory.range(PAGE, PAGE), memory.range(0, PAGE)),
                                DIRECTION,
                                DmaConstraints.NONE.alignedTo(1 << 20))
                        .getFirst()
                        .iova());
        VfioException e = assertRefused(
                () -> high.map(memory.range(), DIRECTION, DmaConstraints.NONE.alignedTo(1L << 60)),
                "none has 1M at a multiple of 1152921504606846976".replace("1152921504606846976", "1E"));
        assertEquals(
                "map 1M in window 0x800000000000000..0x80000003fffffff for a device with 64 address bits, at a multiple of 1E",
                e.operation());
    }

    @Test
    void dmaConstraints_outOfRange_illegalArgument() {
        assertThrows(IllegalArgumentException.class, () -> DmaConstraints.ofMaskBits(0));
        assertThrows(IllegalArgumentException.class, () -> DmaConstraints.ofMaskBits(65));
        assertThrows(IllegalArgumentException.class, () -> DmaConstraints.NONE.alignedTo(0));
        assertThrows(IllegalArgumentException.class, () -> DmaConstraints.NONE.alignedTo(3));
        assertThrows(IllegalArgumentException.class, () -> DmaConstraints.NONE.alignedTo(Long.MIN_VALUE));
        assertEquals(-1, DmaConstraints.NONE.mask());
        assertEquals(1, DmaConstraints.ofMaskBits(1).mask());
        assertEquals("for a device with 64 address bits", DmaConstraints.NONE.toString());
    }

    @Test
    void map_reservedAddresses_skipped() {
        try (IovaReservation reservation = high.reserve(new IovaRange(HIGH + PAGE + 5, PAGE))) {
            assertEquals(new IovaRange(HIGH + PAGE, 2 * PAGE), reservation.range(), "all pages that it touches");
            assertSame(high, reservation.window());
            assertEquals(List.of(reservation), high.reservations());
            assertEquals(HIGH, map(1, DmaConstraints.NONE).iova());
            assertEquals(HIGH + 3 * PAGE, map(1, DmaConstraints.NONE).iova());
            assertRefused(
                    () -> high.mapAt(HIGH + 2 * PAGE, memory.range(0, PAGE), DIRECTION),
                    "0x800000000010000..0x80000000002ffff is reserved already");
            assertRefused(
                    () -> high.prepareAt(HIGH + 2 * PAGE, memory.range(0, PAGE), DIRECTION), "is reserved already");
        }
        assertEquals(List.of(), high.reservations());
        assertEquals(HIGH + PAGE, map(2, DmaConstraints.NONE).iova());
    }

    @Test
    void reserve_usedOrOutsideAddresses_refused() {
        DmaMapping mapping = map(1, DmaConstraints.NONE);
        DmaMapping prepared = high.prepare(memory.range(0, PAGE), DIRECTION, DmaConstraints.NONE);
        IovaReservation reservation = high.reserve(new IovaRange(HIGH + 4 * PAGE, 1));
        assertRefused(() -> high.reserve(new IovaRange(HIGH, 1)), mapping + " is mapped already");
        assertRefused(() -> high.reserve(new IovaRange(HIGH, 3 * PAGE)), prepared + " is prepared already");
        assertRefused(
                () -> high.reserve(new IovaRange(HIGH + 3 * PAGE, 2 * PAGE)), reservation + " is reserved already");
        assertThrows(IndexOutOfBoundsException.class, () -> high.reserve(new IovaRange(HIGH + G, 1)));
        assertThrows(IndexOutOfBoundsException.class, () -> high.reserve(new IovaRange(HIGH + G - 1, 2)));
        assertThrows(IndexOutOfBoundsException.class, () -> high.reserve(new IovaRange(0, 1)));
        high.reserve(new IovaRange(HIGH + G - 1, 1));
        assertEquals(G - 4 * PAGE, high.freeBytes());
    }

    @Test
    void closeWindow_reservation_closed() {
        IovaReservation reservation = high.reserve(new IovaRange(HIGH, 1));
        high.close();
        reservation.close();
        assertEquals(List.of(), high.reservations());
        assertThrows(IllegalStateException.class, () -> high.reserve(new IovaRange(HIGH, 1)));
        assertThrows(IllegalStateException.class, high::freeBytes);
        assertThrows(IllegalStateException.class, () -> high.largestFree(DmaConstraints.NONE));
        low.reserve(new IovaRange(0, 1));
    }

    @Test
    void closeMappings_adjacent_oneFreeRange() {
        List<DmaMapping> mappings = high.mapAll(
                List.of(memory.range(0, PAGE), memory.range(0, 4 * PAGE), memory.range(0, PAGE)), DIRECTION);
        assertEquals(G - 6 * PAGE, high.largestFree(DmaConstraints.NONE));
        List<DmaMapping> pieces = mappings.get(1).unmapRange(PAGE, 2 * PAGE);
        assertEquals(G - 4 * PAGE, high.freeBytes());
        assertEquals(HIGH + 2 * PAGE, map(2, DmaConstraints.NONE).iova());
        pieces.forEach(DmaMapping::close);
        mappings.forEach(DmaMapping::close);
        high.mappings().forEach(DmaMapping::close);
        assertEquals(G, high.freeBytes());
        assertEquals(G, high.largestFree(DmaConstraints.NONE));
        assertEquals(HIGH, map(16, DmaConstraints.NONE).iova());
    }

    @Test
    void map_ioctlFails_addressesFree() {
        host.observed().failRequest(vfio_h.VFIO_IOMMU_MAP_DMA, Errno.EIO.negated());
        assertThrows(VfioException.class, () -> map(1, DmaConstraints.NONE));
        assertThrows(VfioException.class, () -> high.mapAt(HIGH + G - PAGE, memory.range(0, PAGE), DIRECTION));
        assertThrows(VfioException.class, () -> high.mapContiguous(List.of(memory.range(), memory.range()), DIRECTION));
        host.observed().heal();
        assertEquals(G, high.largestFree(DmaConstraints.NONE));
        assertEquals(List.of(), high.mappings());
        assertThrows(
                IllegalArgumentException.class,
                () -> high.mapAll(List.of(memory.range(), memory.range(0, 5)), DIRECTION));
        assertEquals(G, high.largestFree(DmaConstraints.NONE));
    }

    @Test
    void map_fragmentedWindow_freeRangesNamed() {
        for (long at = HIGH; at < HIGH + G; at += 16 * PAGE) {
            high.mapAt(at, memory.range(0, 8 * PAGE), DIRECTION);
        }
        assertRefused(
                () -> high.map(memory.range(0, 9 * PAGE), DIRECTION),
                "512M are free in 1024 pieces, the largest of 512K");
        high.mappings().getFirst().close();
        assertEquals(HIGH, high.map(memory.range(0, 9 * PAGE), DIRECTION).iova());
    }

    @Test
    void mapCalls_nullArguments_nullPointer() {
        assertThrows(NullPointerException.class, () -> high.prepare(memory.range(0, PAGE), absent()));
        assertThrows(NullPointerException.class, () -> high.mapAt(HIGH, memory.range(0, PAGE), absent()));
        assertThrows(NullPointerException.class, () -> high.mapAll(List.of(memory.range()), absent()));
        assertThrows(NullPointerException.class, () -> high.mapContiguous(List.of(memory.range()), absent()));
        assertEquals(G, high.freeBytes());
        assertEquals(List.of(), high.mappings());
    }

    @SuppressWarnings("NullAway") // what a caller without such a check may pass
    private static DmaDirection absent() {
        return null;
    }

    @Test
    void replace_preparedMapping_sameAddressesStillPrepared() {
        DmaMapping prepared = container.prepare(memory.range(0, PAGE), DIRECTION, DmaConstraints.NONE);
        prepared.map();
        int calls = host.observed().calls();
        DmaMapping other = prepared.replace(memory.range(PAGE, prepared.size()), DIRECTION);
        assertEquals(calls + 1, host.observed().calls(), "system calls");
        assertEquals(G - PAGE, high.freeBytes());
        other.unmap();
        other.map();
        assertEquals(calls + 3, host.observed().calls(), "system calls");
        assertThrows(IllegalStateException.class, prepared::map);
        prepared.close();
        assertTrue(other.isMapped());
        other.close();
        assertEquals(G, high.largestFree(DmaConstraints.NONE));
    }
}
