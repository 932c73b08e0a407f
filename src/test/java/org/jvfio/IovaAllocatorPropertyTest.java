package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;

/** The allocator does what a plain map of the pages does, whatever is asked of it in whatever order. */
class IovaAllocatorPropertyTest {
    private static final int PAGES = 4096;

    /** Where a window lies, and how large its pages are. */
    record Window(long start, PageSize page) {
        IovaAllocator allocator() {
            return new IovaAllocator(new IovaRange(start, PAGES * page.bytes()), page);
        }

        long address(long number) {
            return start + number * page.bytes();
        }
    }

    /** Something asked of the allocator, in pages. */
    sealed interface Step {}

    /** @param reach how many pages of the window the device's mask reaches */
    record Allocate(int pages, int alignmentShift, int reach) implements Step {}

    record Take(int first, int pages) implements Step {}

    /** A part of what was taken, the which-th of all pieces. */
    record Free(int which, int skip, int pages) implements Step {}

    /** The pages of a window, each free or not, and the pieces that were taken. */
    private static final class Model {
        private final Window window;
        private final BitSet free = new BitSet(PAGES);
        private final List<int[]> taken = new ArrayList<>();

        Model(Window window) {
            this.window = window;
            free.set(0, PAGES);
        }

        long lowest(Allocate request) {
            long alignment = window.page().bytes() << request.alignmentShift();
            for (int first = 0; first + request.pages() <= request.reach(); first++) {
                long address = window.address(first);
                if (address != 0 && address % alignment == 0 && isFree(first, request.pages())) {
                    return first;
                }
            }
            return -1;
        }

        /** The most pages that a request of this alignment and reach could have. */
        long most(Allocate request) {
            long alignment = window.page().bytes() << request.alignmentShift();
            long most = 0;
            for (int first = 0; first < request.reach(); first++) {
                long address = window.address(first);
                if (address != 0 && address % alignment == 0 && free.get(first)) {
                    most = Math.max(most, Math.min(free.nextClearBit(first), request.reach()) - first);
                }
            }
            return most;
        }

        boolean isFree(int first, int pages) {
            return first + pages <= PAGES && free.nextClearBit(first) >= first + pages;
        }

        void take(int first, int pages) {
            free.clear(first, first + pages);
            taken.add(new int[] {first, pages});
        }

        void assertSame(IovaAllocator allocator) {
            long page = window.page().bytes();
            long pieces = 0;
            long largest = 0;
            for (int at = free.nextSetBit(0); at >= 0; at = free.nextSetBit(at)) {
                int end = free.nextClearBit(at);
                pieces++;
                largest = Math.max(largest, end - at - (window.address(at) == 0 ? 1 : 0));
                at = end;
            }
            assertEquals(free.cardinality() * page, allocator.freeBytes(), "bytes free");
            assertEquals(pieces, allocator.pieces(), "pieces");
            assertEquals(largest * page, allocator.largestPiece(), "largest piece");
            for (int number = 0; number < PAGES; number++) {
                assertEquals(
                        free.get(number),
                        allocator.isFree(window.address(number), page),
                        "page " + number + " is free");
            }
        }
    }

    @Provide
    Arbitrary<Window> windows() {
        Arbitrary<PageSize> pages = Arbitraries.of(PageSize.SIZE_4K, PageSize.SIZE_64K, PageSize.SIZE_16M);
        return Combinators.combine(pages, Arbitraries.of("at 0", "at 1<<59", "at the top", "askew"))
                .as((page, place) -> new Window(
                        switch (place) {
                            case "at 0" -> 0;
                            case "at 1<<59" -> 1L << 59;
                            case "at the top" -> -PAGES * page.bytes();
                            default -> 3 * page.bytes();
                        },
                        page));
    }

    @Provide
    Arbitrary<List<Step>> steps() {
        Arbitrary<Integer> sizes = Arbitraries.frequencyOf(
                Tuple.of(8, Arbitraries.integers().between(1, 8)),
                Tuple.of(1, Arbitraries.integers().between(1, PAGES)));
        Arbitrary<Integer> numbers = Arbitraries.integers().between(0, PAGES - 1);
        Arbitrary<Step> allocate = Combinators.combine(
                        sizes,
                        Arbitraries.frequencyOf(
                                Tuple.of(4, Arbitraries.just(0)),
                                Tuple.of(1, Arbitraries.integers().between(0, 12))),
                        Arbitraries.frequencyOf(
                                Tuple.of(4, Arbitraries.just(PAGES)),
                                Tuple.of(1, Arbitraries.integers().between(1, PAGES))))
                .as(Allocate::new);
        Arbitrary<Step> take = Combinators.combine(numbers, sizes).as(Take::new);
        Arbitrary<Step> free = Combinators.combine(
                        numbers, Arbitraries.integers().between(0, 8), sizes)
                .as(Free::new);
        return Arbitraries.frequencyOf(Tuple.of(4, allocate), Tuple.of(1, take), Tuple.of(4, free))
                .list()
                .ofMaxSize(300);
    }

    @Property(tries = 300, edgeCases = EdgeCasesMode.NONE)
    void allocateAndFree_random_lowestFitAndNoneLost(
            @ForAll("windows") Window window, @ForAll("steps") List<Step> steps, @ForAll boolean fragmented) {
        IovaAllocator allocator = window.allocator();
        Model model = new Model(window);
        for (int number = 1; fragmented && number < PAGES; number += 2) {
            assertTrue(allocator.take(window.address(number), window.page().bytes()));
            model.take(number, 1);
        }
        for (Step step : steps) {
            long page = window.page().bytes();
            switch (step) {
                case Allocate request -> {
                    long lowest = model.lowest(request);
                    long alignment = page << request.alignmentShift();
                    long mask = window.address(request.reach()) - 1;
                    assertEquals(
                            model.most(request) * page, allocator.largestPiece(alignment, mask), request::toString);
                    assertEquals(
                            lowest < 0 ? IovaAllocator.NONE : window.address(lowest),
                            allocator.allocate(request.pages() * page, alignment, mask),
                            request::toString);
                    if (lowest >= 0) {
                        model.take((int) lowest, request.pages());
                    }
                }
                case Take(int first, int pages) -> {
                    boolean isFree = model.isFree(first, pages);
                    assertEquals(isFree, allocator.take(window.address(first), pages * page), step::toString);
                    if (isFree) {
                        model.take(first, pages);
                    }
                }
                case Free(int which, int skip, int pages) -> {
                    if (!model.taken.isEmpty()) {
                        int[] piece = model.taken.remove(which % model.taken.size());
                        int first = piece[0] + skip % piece[1];
                        int count = Math.min(pages, piece[0] + piece[1] - first);
                        allocator.free(window.address(first), count * page);
                        model.free.set(first, first + count);
                        if (first > piece[0]) {
                            model.taken.add(new int[] {piece[0], first - piece[0]});
                        }
                        if (first + count < piece[0] + piece[1]) {
                            model.taken.add(new int[] {first + count, piece[0] + piece[1] - first - count});
                        }
                    }
                }
            }
        }
        model.assertSame(allocator);
        for (int[] piece : model.taken) {
            allocator.free(window.address(piece[0]), piece[1] * window.page().bytes());
        }
        assertEquals(1, allocator.pieces());
        assertEquals(PAGES * window.page().bytes(), allocator.freeBytes());
        assertTrue(allocator.isFree(window.start(), PAGES * window.page().bytes()));
    }
}
