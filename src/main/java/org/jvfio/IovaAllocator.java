package org.jvfio;

import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.jvfio.VfioException.Kind;

/**
 * The free bus addresses of a window: gives the lowest that fit, or {@linkplain #randomize random ones}, never bus
 * address 0 unless the caller names it, and takes back any part of what it gave. Addresses and sizes are in bytes here,
 * and in pages in the {@link FreePages}.
 *
 * <p>Not safe for use by several threads.
 */
final class IovaAllocator {
    /** No bus address: the result where none fits. */
    static final long NONE = -1;

    private static final int MIN_PAGE_SHIFT = 12;
    private static final int ATTEMPTS = 64;

    private final IovaRange window;
    private final PageSize pageSize;
    private final int shift;
    private final FreePages free;
    /** Chooses the addresses, which then have free pages on both sides; null to give the lowest. */
    private @Nullable SplittableRandom random;

    /**
     * All of a window is free.
     *
     * @param window whole pages
     * @param page at least 4K; addresses and sizes are multiples of it
     */
    IovaAllocator(IovaRange window, PageSize page) {
        if (page.shift() < MIN_PAGE_SHIFT || !page.isAligned(window.start()) || !page.isAligned(window.size())) {
            throw new IllegalArgumentException("%s is no window of pages of %s".formatted(window, page));
        }
        this.window = window;
        this.pageSize = page;
        shift = page.shift();
        long first = window.start() >>> shift;
        free = new FreePages(first, first + (window.size() >>> shift));
    }

    /**
     * From now on gives random addresses, with a free page before and after.
     *
     * @param seed the same one gives the same addresses
     */
    void randomize(long seed) {
        random = new SplittableRandom(seed);
    }

    /** The free bytes. */
    long freeBytes() {
        return free.pages() << shift;
    }

    /** The number of pieces that the free addresses are in. */
    long pieces() {
        return free.pieces();
    }

    /** The bytes of the largest free piece, without bus address 0. */
    long largestPiece() {
        return free.best(0) << shift;
    }

    /**
     * The bytes of the largest piece that {@link #allocate} can give.
     *
     * @param alignment bytes, a power of two
     * @param mask the highest address that the device can use
     */
    long largestPiece(long alignment, long mask) {
        return free.bestBelow(pagesBelow(mask), alignment(alignment)) << shift;
    }

    /**
     * Takes the lowest free addresses, or random ones, but never bus address 0.
     *
     * @param size bytes, whole pages, at least one
     * @param alignment bytes, a power of two: the address is a multiple of it, and of the page
     * @param mask the highest address that the device can use
     * @return the first address, or {@link #NONE} if there is no such piece below the mask
     */
    long allocate(long size, long alignment, long mask) {
        SplittableRandom chooser = random;
        int k = alignment(alignment);
        long first = chooser == null
                ? free.takeLowest(pages(size), k, pagesBelow(mask))
                : takeBetweenGaps(chooser, pages(size), Math.max(1, alignment >>> shift), pagesBelow(mask));
        return first == FreePages.NONE ? NONE : first << shift;
    }

    /**
     * Takes random pages between two that are free. All pages given so lie between free pages, so no bookkeeping keeps
     * the gaps. Falls back to the lowest place with such gaps.
     */
    private long takeBetweenGaps(SplittableRandom chooser, long pages, long step, long end) {
        long begin = window.start() >>> shift;
        long last = Math.min(end, begin + (window.size() >>> shift)) - 1 - pages;
        long lowest = Math.ceilDiv(begin + 1, step);
        long choices = last < begin + 1 ? 0 : Math.max(0, last / step - lowest + 1);
        for (int attempt = 0; choices > 0 && attempt < ATTEMPTS; attempt++) {
            long first = (lowest + chooser.nextLong(choices)) * step;
            if (free.contains(first - 1, first + pages + 1) && free.take(first, first + pages)) {
                return first;
            }
        }
        // A piece of so many more pages has the pages at a multiple of the step, after one page at least.
        long lead = free.takeLowest(pages + step + 1, free.alignment(step), end);
        if (lead == FreePages.NONE) {
            return FreePages.NONE;
        }
        long first = lead + step;
        free.free(lead, first);
        free.free(first + pages, lead + pages + step + 1);
        return first;
    }

    /**
     * Takes addresses of the caller's choice, bus address 0 included.
     *
     * @param iova a multiple of the page
     * @param size bytes, whole pages, at least one
     * @return whether they were free; if not, nothing is taken
     */
    boolean take(long iova, long size) {
        long first = pageNumber(iova);
        return free.take(first, first + pages(size));
    }

    /** Whether all of these addresses, whole pages, are in the window and free. */
    boolean isFree(long iova, long size) {
        long first = pageNumber(iova);
        return free.contains(first, first + pages(size));
    }

    /**
     * Gives addresses back: all or a part of what was taken, or several neighbours of it at once.
     *
     * @param iova a multiple of the page
     * @param size bytes, whole pages, at least one
     * @throws IllegalArgumentException if some of them are free already, or not in the window
     */
    void free(long iova, long size) {
        long begin = pageNumber(iova);
        long end = begin + pages(size);
        if (!window.contains(iova) || !window.contains((end << shift) - 1)) {
            throw new IllegalArgumentException("0x%x bytes at 0x%x are not in %s".formatted(size, iova, window));
        }
        if (!free.free(begin, end)) {
            throw new IllegalArgumentException("0x%x bytes at 0x%x are free already".formatted(size, iova));
        }
    }

    /** Why {@link #allocate} finds nothing now, and what helps. */
    Cause shortage(long size, long alignment, long mask) {
        long wanted = pages(size);
        String text = ByteSize.format(size);
        if (wanted > window.size() >>> shift) {
            return new Cause(
                    Kind.EXHAUSTED, "the window has only " + ByteSize.format(window.size()), "create a larger window");
        }
        if (wanted > free.pages()) {
            String some = free.pages() == 0 ? "none" : "only " + ByteSize.format(freeBytes());
            return new Cause(
                    Kind.EXHAUSTED,
                    "%s of its %s %s free"
                            .formatted(some, ByteSize.format(window.size()), free.pages() == 0 ? "is" : "are"),
                    "close mappings, or create a larger window");
        }
        String pieces = "%s are free in %d piece%s, the largest of %s%s"
                .formatted(
                        ByteSize.format(freeBytes()),
                        pieces(),
                        pieces() == 1 ? "" : "s",
                        ByteSize.format(largestPiece()),
                        isFree(0, pageSize.bytes()) ? " (bus address 0 is not given)" : "");
        if (wanted > free.best(0)) {
            return new Cause(Kind.EXHAUSTED, pieces, "map less at a time, close mappings, or create a larger window");
        }
        int k = alignment(alignment);
        if (wanted > free.best(k)) {
            return new Cause(
                    Kind.EXHAUSTED,
                    "%s, but none has %s at a multiple of %s".formatted(pieces, text, ByteSize.format(alignment)),
                    "ask for a smaller alignment, close mappings, or create a larger window");
        }
        return new Cause(
                Kind.EXHAUSTED,
                "%s, and the lowest that fits ends at 0x%x, beyond the device's mask 0x%x"
                        .formatted(pieces, ((free.lowestFit(wanted, k) + wanted) << shift) - 1, mask),
                "close mappings at lower addresses");
    }

    private long pages(long size) {
        if (size == 0 || !pageSize.isAligned(size)) {
            throw new IllegalArgumentException("0x%x bytes are not whole pages of %s".formatted(size, pageSize));
        }
        return size >>> shift;
    }

    private long pageNumber(long iova) {
        if (!pageSize.isAligned(iova)) {
            throw new IllegalArgumentException("0x%x is not a multiple of %s".formatted(iova, pageSize));
        }
        return iova >>> shift;
    }

    /** How many whole pages there are from bus address 0 up to a mask. */
    private long pagesBelow(long mask) {
        return mask == -1 ? 1L << (Long.SIZE - shift) : (mask + 1) >>> shift;
    }

    /** The index of an alignment in bytes. */
    private int alignment(long bytes) {
        if (Long.bitCount(bytes) != 1) {
            throw new IllegalArgumentException("an alignment of 0x%x: not a power of two".formatted(bytes));
        }
        return free.alignment(Math.max(1, bytes >>> shift));
    }
}
