package org.jvfio.cli.map;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.jvfio.DmaDirection;
import org.jvfio.IovaRange;
import org.jvfio.PageSize;

class DmaSpaceTest {
    private static final long PAGE = 4096;
    private static final long HIGH = 1L << 59;

    private final DmaSpace space = new DmaSpace();

    @BeforeEach
    void aWindowOf16Pages() {
        space.take(new DmaEvent.Owner("the test", true));
        space.take(new DmaEvent.WindowCreated(0, new IovaRange(0, 16 * PAGE), PageSize.SIZE_4K));
    }

    private void map(long firstPage, long pages) {
        space.take(new DmaEvent.Mapped(range(firstPage, pages), DmaDirection.TO_DEVICE));
    }

    private static IovaRange range(long firstPage, long pages) {
        return new IovaRange(firstPage * PAGE, pages * PAGE);
    }

    private DmaMoment.Window window() {
        return space.moment("now").windows().getFirst();
    }

    private List<IovaRange> mapped() {
        return window().mappings().stream().map(DmaMoment.Mapping::range).toList();
    }

    @Test
    void take_mapped_givesHolesAroundIt() {
        map(1, 2);
        map(3, 1);
        assertEquals(List.of(range(0, 1), range(4, 12)), window().holes());
        assertEquals(3 * PAGE, window().mappedBytes());
        map(0, 1);
        map(4, 12);
        assertEquals(List.of(), window().holes());
    }

    @Test
    void take_unmappedInsideAMapping_leavesBothEnds() {
        map(2, 6);
        space.take(new DmaEvent.Unmapped(range(4, 1)));
        assertEquals(List.of(range(2, 2), range(5, 3)), mapped());
    }

    @Test
    void take_unmappedOverSeveralMappings_leavesWhatIsOutside() {
        map(0, 2);
        map(2, 2);
        map(6, 4);
        space.take(new DmaEvent.Unmapped(range(1, 6)));
        assertEquals(List.of(range(0, 1), range(7, 3)), mapped());
        space.take(new DmaEvent.Unmapped(range(12, 2)));
        assertEquals(List.of(range(0, 1), range(7, 3)), mapped());
        space.take(new DmaEvent.Unmapped(new IovaRange(0, -1)));
        assertEquals(List.of(), mapped());
    }

    @Test
    void take_whatCannotHappen_isRefusedAndChangesNothing() {
        map(4, 4);
        for (DmaEvent wrong : List.of(
                new DmaEvent.WindowCreated(0, new IovaRange(HIGH, PAGE), PageSize.SIZE_4K),
                new DmaEvent.WindowCreated(1, range(15, 4), PageSize.SIZE_4K),
                new DmaEvent.WindowRemoved(1),
                new DmaEvent.Mapped(range(15, 2), DmaDirection.TO_DEVICE),
                new DmaEvent.Mapped(range(7, 2), DmaDirection.TO_DEVICE),
                new DmaEvent.Mapped(range(3, 2), DmaDirection.TO_DEVICE),
                new DmaEvent.Mapped(range(5, 1), DmaDirection.TO_DEVICE),
                new DmaEvent.Mapped(new IovaRange(HIGH, PAGE), DmaDirection.TO_DEVICE))) {
            assertThrows(IllegalArgumentException.class, () -> space.take(wrong), wrong.toString());
        }
        assertEquals(List.of(range(4, 4)), mapped());
    }

    @Test
    void moment_windowsCreatedInAnyOrder_areByAddressAndStayAsTheyWere() {
        space.take(new DmaEvent.WindowCreated(1, new IovaRange(-PAGE, PAGE), PageSize.SIZE_4K));
        space.take(new DmaEvent.WindowCreated(2, new IovaRange(HIGH, PAGE), PageSize.SIZE_4K));
        space.take(new DmaEvent.Bypass(true));
        DmaMoment before = space.moment("before");
        space.take(new DmaEvent.WindowRemoved(1));
        space.take(new DmaEvent.Bypass(false));
        assertEquals(
                List.of(0, 2, 1),
                before.windows().stream().map(DmaMoment.Window::number).toList());
        assertEquals(Optional.of(true), before.bypass());
        assertEquals(2, space.moment("after").windows().size());
    }

    @Test
    void occupancy_ofMappings_isTheShareOfEachCell() {
        map(0, 1);
        map(3, 5);
        DmaMoment.Window window = window();
        assertArrayEquals(new double[] {0.5, 1, 0, 0}, window.occupancy(window.range(), 4), 1e-9);
        assertArrayEquals(new double[] {1, 0, 0, 1, 1, 1, 1, 1}, window.occupancy(range(0, 8), 8), 1e-9);
        assertArrayEquals(new double[] {1, 0.5}, window.occupancy(range(6, 3), 2), 0.2);
    }

    @Test
    void occupancy_ofAnyMappings_addsUpToWhatIsMapped() {
        Random random = new Random(1);
        for (int round = 0; round < 200; round++) {
            DmaSpace any = new DmaSpace();
            long start = round % 2 == 0 ? 0 : HIGH;
            any.take(new DmaEvent.WindowCreated(0, new IovaRange(start, 1L << 40), PageSize.SIZE_4K));
            long next = start;
            while (Long.compareUnsigned(next, start + (1L << 39)) < 0) {
                long hole = random.nextInt(1 << 20) * PAGE * random.nextInt(64);
                long bytes = (1 + random.nextInt(1 << 20)) * PAGE * (1 + random.nextInt(64));
                any.take(new DmaEvent.Mapped(new IovaRange(next + hole, bytes), DmaDirection.BIDIRECTIONAL));
                next += hole + bytes;
            }
            DmaMoment.Window window = any.moment("").windows().getFirst();
            int cells = 1 + random.nextInt(200);
            double sum = 0;
            for (double share : window.occupancy(window.range(), cells)) {
                assertTrue(share >= 0 && share <= 1, "share " + share);
                sum += share * (1L << 40) / cells;
            }
            assertEquals((double) window.mappedBytes(), sum, 1e-6 * window.mappedBytes());
            long holes = window.holes().stream().mapToLong(IovaRange::size).sum();
            assertEquals(1L << 40, holes + window.mappedBytes());
        }
    }

    @Test
    void detail_ofASmallPart_hasAllMappingsAndIsAligned() {
        DmaSpace large = new DmaSpace();
        large.take(new DmaEvent.WindowCreated(0, new IovaRange(HIGH, 1L << 40), PageSize.SIZE_64K));
        assertEquals(Optional.empty(), large.moment("").windows().getFirst().detail());
        large.take(new DmaEvent.Mapped(new IovaRange(HIGH + (3L << 20), 1 << 16), DmaDirection.TO_DEVICE));
        large.take(new DmaEvent.Mapped(new IovaRange(HIGH + (5L << 20), 1 << 16), DmaDirection.TO_DEVICE));
        assertEquals(
                Optional.of(new IovaRange(HIGH, 8 << 20)),
                large.moment("").windows().getFirst().detail());
        large.take(new DmaEvent.Mapped(new IovaRange(HIGH + (1L << 39), 1 << 16), DmaDirection.TO_DEVICE));
        assertEquals(Optional.empty(), large.moment("").windows().getFirst().detail());
    }

    @ParameterizedTest
    @ValueSource(ints = {40, 80, 120})
    void picture_ofManyMappings_fitsTheWidthAndListsAFew(int width) {
        DmaSpace many = new DmaSpace();
        many.take(new DmaEvent.Owner("the test", true));
        many.take(new DmaEvent.WindowCreated(0, new IovaRange(0, 1L << 31), PageSize.SIZE_4K));
        for (long page = 0; page < 5000; page++) {
            many.take(new DmaEvent.Mapped(range(2 * page, 1), DmaDirection.TO_DEVICE));
        }
        DmaMoment moment = many.moment("");
        MapText text = new MapText(StandardCharsets.UTF_8, width);
        List<String> lines = text.picture(moment, false);
        assertTrue(
                lines.stream().filter(line -> line.contains("▕")).allMatch(line -> line.length() <= width),
                lines.toString());
        assertTrue(lines.contains("    ... and 9984 more (--all lists them)"), lines.toString());
        assertEquals(
                10000,
                text.picture(moment, true).stream()
                        .filter(line -> line.startsWith("    0x"))
                        .count());
        assertTrue(new MapText(StandardCharsets.US_ASCII, width)
                .picture(moment, true).stream().allMatch(line -> line.chars().allMatch(c -> c < 128)));
        String image = MapSvg.picture("many", moment);
        assertTrue(image.length() < 300_000, "" + image.length());
    }
}
