package org.jvfio;

import java.util.Arrays;
import org.jvfio.VfioException.Kind;

/**
 * Which bus addresses of a window are free: always gives the lowest that fit, and takes back any part of what it gave.
 *
 * <p>It knows the free pieces only, as intervals of page numbers, in a B+ tree by address. Beside each child an inner node
 * has the most pages that a piece below it can give, so the lowest fit is found, taken and given back in O(log n) of the
 * pieces. That number depends on the alignment that is asked for; the tree keeps it for each alignment that was ever
 * asked for, 52 at most. All nodes lie in a few arrays, so that nothing is allocated but when these grow.
 *
 * <p>It is not safe for use by several threads at a time.
 */
final class IovaAllocator {
    /** No bus address: the answer where none fits. */
    static final long NONE = -1;

    private static final int FANOUT = 32;
    // Not all of a node, or the next insertion would split it again.
    private static final int FULL_AFTER_MERGE = FANOUT * 3 / 4;
    // 32^10 pieces are more than a window can have.
    private static final int MAX_HEIGHT = 24;
    private static final int MIN_PAGE_SHIFT = 12;

    private final IovaRange window;
    private final PageSize pageSize;
    private final int shift;

    // The entries of node n begin at slot n * FANOUT. A piece is two longs: its first page and the page after its last
    // one.
    // An entry for a child is two longs, too: the first page of the first piece below, and the most pages that a piece
    // below can give; with the child's number, and the most pages at the other alignments, in arrays of their own.
    private long[] entries = new long[0];
    private int[] child = new int[0];
    private long[][] mostAligned = {};
    private int[] count = new int[0];
    private int nodes;
    private int freeNode = -1;

    private int root;
    private int height = 1;
    private long[] alignments = {1};
    private long freePages;
    private long pieces;

    // Where the last search ended, by level: leaves are level 0.
    private final int[] pathNode = new int[MAX_HEIGHT];
    private final int[] pathAt = new int[MAX_HEIGHT];

    /**
     * All of a window is free.
     *
     * @param window whole pages
     * @param page what addresses and sizes are multiples of, at least 4K
     */
    IovaAllocator(IovaRange window, PageSize page) {
        if (page.shift() < MIN_PAGE_SHIFT || !page.isAligned(window.start()) || !page.isAligned(window.size())) {
            throw new IllegalArgumentException("%s is no window of pages of %s".formatted(window, page));
        }
        this.window = window;
        this.pageSize = page;
        shift = page.shift();
        root = newNode();
        long first = window.start() >>> shift;
        freePages = window.size() >>> shift;
        pathNode[0] = root;
        insert(first, first + freePages);
    }

    /** Bytes that are free. */
    long freeBytes() {
        return freePages << shift;
    }

    /** How many pieces the free addresses are in. */
    long pieces() {
        return pieces;
    }

    /** Bytes of the largest free piece, without bus address 0. */
    long largestPiece() {
        return best(0) << shift;
    }

    /**
     * Bytes of the largest piece that {@link #allocate} can give.
     *
     * @param alignment bytes, a power of two
     * @param mask the highest address that the device can use
     */
    long largestPiece(long alignment, long mask) {
        int k = alignment(alignment);
        long limit = pagesBelow(mask);
        seek(limit - 1);
        int leaf = pathNode[0];
        long most = 0;
        for (int at = 0; at <= pathAt[0]; at++) {
            most = Math.max(most, fit(first(slot(leaf, at)), Math.min(end(slot(leaf, at)), limit), k));
        }
        for (int level = height - 1; level > 0; level--) {
            for (int at = 0; at < pathAt[level]; at++) {
                most = Math.max(most, most(slot(pathNode[level], at), k));
            }
        }
        return most << shift;
    }

    /**
     * Takes the lowest free addresses, but never bus address 0.
     *
     * @param size bytes, whole pages, at least one
     * @param alignment bytes, a power of two: what the address is a multiple of, in addition to the page
     * @param mask the highest address that the device can use
     * @return the first address, or {@link #NONE} if there is no such piece below the mask
     */
    long allocate(long size, long alignment, long mask) {
        long wanted = pages(size);
        int k = alignment(alignment);
        long begin = lowestFit(wanted, k);
        if (begin == NONE || begin + wanted > pagesBelow(mask)) {
            return NONE;
        }
        carve(begin, begin + wanted);
        return begin << shift;
    }

    /**
     * Takes addresses of the caller's choice, bus address 0 included.
     *
     * @param iova a multiple of the page
     * @param size bytes, whole pages, at least one
     * @return whether they were free; if not, nothing is taken
     */
    boolean take(long iova, long size) {
        if (!isFree(iova, size)) {
            return false;
        }
        carve(iova >>> shift, (iova >>> shift) + (size >>> shift));
        return true;
    }

    /** Whether all of these addresses, whole pages, are in the window and free. */
    boolean isFree(long iova, long size) {
        long begin = pageNumber(iova);
        seek(begin);
        int at = pathAt[0];
        return at >= 0 && begin + pages(size) <= end(slot(pathNode[0], at));
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
        seek(begin);
        int leaf = pathNode[0];
        int before = pathAt[0];
        long after = keyAfter();
        if ((before >= 0 && end(slot(leaf, before)) > begin) || (after != NONE && after < end)) {
            throw new IllegalArgumentException("0x%x bytes at 0x%x are free already".formatted(size, iova));
        }
        boolean joinsBefore = before >= 0 && end(slot(leaf, before)) == begin;
        if (after == end) {
            freeBeforePiece(begin, end, joinsBefore);
        } else if (joinsBefore) {
            resize(first(slot(leaf, before)), end);
        } else {
            pathAt[0] = before + 1;
            insert(begin, end);
        }
        freePages += end - begin;
    }

    /** Joins pages to the piece that follows them, and to the one before them if they join that, too. */
    private void freeBeforePiece(long begin, long end, boolean joinsBefore) {
        if (pathAt[0] + 1 < count[pathNode[0]]) {
            pathAt[0]++;
        } else {
            seek(end);
        }
        long last = end(slot(pathNode[0], pathAt[0]));
        if (!joinsBefore) {
            resize(begin, last);
            return;
        }
        remove();
        seek(begin);
        resize(first(slot(pathNode[0], pathAt[0])), last);
    }

    /** Why {@link #allocate} finds nothing now, and what helps. */
    Cause shortage(long size, long alignment, long mask) {
        long wanted = pages(size);
        String text = ByteSize.format(size);
        if (wanted > window.size() >>> shift) {
            return new Cause(
                    Kind.EXHAUSTED, "the window has only " + ByteSize.format(window.size()), "create a larger window");
        }
        if (wanted > freePages) {
            String some = freePages == 0 ? "none" : "only " + ByteSize.format(freeBytes());
            return new Cause(
                    Kind.EXHAUSTED,
                    "%s of its %s %s free"
                            .formatted(some, ByteSize.format(window.size()), freePages == 0 ? "is" : "are"),
                    "close mappings, or create a larger window");
        }
        String free = "%s are free in %d piece%s, the largest of %s%s"
                .formatted(
                        ByteSize.format(freeBytes()),
                        pieces,
                        pieces == 1 ? "" : "s",
                        ByteSize.format(largestPiece()),
                        isFree(0, pageSize.bytes()) ? " (bus address 0 is not given)" : "");
        if (wanted > best(0)) {
            return new Cause(Kind.EXHAUSTED, free, "map less at a time, close mappings, or create a larger window");
        }
        int k = alignment(alignment);
        if (wanted > best(k)) {
            return new Cause(
                    Kind.EXHAUSTED,
                    "%s, but none has %s at a multiple of %s".formatted(free, text, ByteSize.format(alignment)),
                    "ask for a smaller alignment, close mappings, or create a larger window");
        }
        return new Cause(
                Kind.EXHAUSTED,
                "%s, and the lowest that fits ends at 0x%x, beyond the device's mask 0x%x"
                        .formatted(free, ((lowestFit(wanted, k) + wanted) << shift) - 1, mask),
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

    /** The index of an alignment, which from its first use on is kept in all nodes. */
    private int alignment(long bytes) {
        if (Long.bitCount(bytes) != 1) {
            throw new IllegalArgumentException("an alignment of 0x%x: not a power of two".formatted(bytes));
        }
        long wanted = Math.max(1, bytes >>> shift);
        for (int k = 0; k < alignments.length; k++) {
            if (alignments[k] == wanted) {
                return k;
            }
        }
        int k = alignments.length;
        alignments = Arrays.copyOf(alignments, k + 1);
        alignments[k] = wanted;
        mostAligned = Arrays.copyOf(mostAligned, k);
        mostAligned[k - 1] = new long[child.length];
        refreshAll(height - 1, root);
        return k;
    }

    private void refreshAll(int level, int node) {
        for (int at = 0; level > 0 && at < count[node]; at++) {
            refreshAll(level - 1, child[slot(node, at)]);
            refresh(level, node, at);
        }
    }

    private static int slot(int node, int at) {
        return node * FANOUT + at;
    }

    private long first(int slot) {
        return entries[2 * slot];
    }

    private long end(int slot) {
        return entries[2 * slot + 1];
    }

    private void set(int slot, long first, long end) {
        entries[2 * slot] = first;
        entries[2 * slot + 1] = end;
    }

    /** The most pages that a piece below an entry of an inner node can give at alignment k. */
    private long most(int slot, int k) {
        return k == 0 ? entries[2 * slot + 1] : mostAligned[k - 1][slot];
    }

    private void setMost(int slot, int k, long pages) {
        if (k == 0) {
            entries[2 * slot + 1] = pages;
        } else {
            mostAligned[k - 1][slot] = pages;
        }
    }

    /** Where a request that a piece may serve would begin in it; bus address 0 is none. */
    private static long aligned(long first, long alignment) {
        return (Math.max(first, 1) + (alignment - 1)) & -alignment;
    }

    /** The most pages that a piece can give at alignment k. */
    private long fit(long first, long end, int k) {
        return end - aligned(first, alignments[k]);
    }

    /** The most pages that a piece in a node, or below it, can give at alignment k. */
    private long best(int level, int node, int k) {
        long best = 0;
        for (int slot = slot(node, 0), end = slot + count[node]; slot < end; slot++) {
            best = Math.max(best, level > 0 ? most(slot, k) : fit(first(slot), end(slot), k));
        }
        return best;
    }

    private long best(int k) {
        return best(height - 1, root, k);
    }

    /** Goes to the lowest piece that has so many pages at alignment k, and answers where in it they begin. */
    private long lowestFit(long wanted, int k) {
        int node = root;
        for (int level = height - 1; level > 0; level--) {
            int begin = slot(node, 0);
            int end = begin + count[node];
            int slot = begin;
            while (slot < end && most(slot, k) < wanted) {
                slot++;
            }
            if (slot == end) {
                return NONE;
            }
            pathNode[level] = node;
            pathAt[level] = slot - begin;
            node = child[slot];
        }
        int begin = slot(node, 0);
        for (int slot = begin; slot < begin + count[node]; slot++) {
            long first = aligned(first(slot), alignments[k]);
            if (end(slot) - first >= wanted) {
                pathNode[0] = node;
                pathAt[0] = slot - begin;
                return first;
            }
        }
        return NONE;
    }

    /** Goes to the last piece that does not begin after a page; to before the first one, at -1, if there is none. */
    private void seek(long number) {
        int node = root;
        for (int level = height - 1; level > 0; level--) {
            int at = Math.max(0, lastNotAfter(node, number));
            pathNode[level] = node;
            pathAt[level] = at;
            node = child[slot(node, at)];
        }
        pathNode[0] = node;
        pathAt[0] = lastNotAfter(node, number);
    }

    private int lastNotAfter(int node, long number) {
        // Not by halves: the processor loads what comes next while it compares, and a node is short.
        long[] known = entries;
        int begin = 2 * slot(node, 0);
        int end = begin + 2 * count[node];
        int at = begin;
        while (at < end && known[at] <= number) {
            at += 2;
        }
        return (at - begin) / 2 - 1;
    }

    /** The first page of the piece after the one that was sought, or {@link #NONE}. */
    private long keyAfter() {
        for (int level = 0; level < height; level++) {
            if (pathAt[level] + 1 < count[pathNode[level]]) {
                return first(slot(pathNode[level], pathAt[level] + 1));
            }
        }
        return NONE;
    }

    /** Takes pages out of the piece that was found. */
    private void carve(long begin, long end) {
        int slot = slot(pathNode[0], pathAt[0]);
        long first = first(slot);
        long last = end(slot);
        freePages -= end - begin;
        if (first == begin && last == end) {
            remove();
        } else if (first == begin) {
            resize(end, last);
        } else {
            resize(first, begin);
            if (last > end) {
                pathAt[0]++;
                insert(end, last);
            }
        }
    }

    /** Changes the piece of the path, which stays between its neighbours. */
    private void resize(long first, long end) {
        int slot = slot(pathNode[0], pathAt[0]);
        long oldFirst = first(slot);
        long oldEnd = end(slot);
        set(slot, first, end);
        lowered(1);
        for (int k = 0; k < alignments.length; k++) {
            changed(1, k, fit(oldFirst, oldEnd, k), fit(first, end, k));
        }
    }

    /** Inserts a piece at the place of the path. */
    private void insert(long first, long end) {
        pieces++;
        int level = insert(0, pathNode[0], pathAt[0], first, end, 0);
        for (int k = 0; k < alignments.length; k++) {
            changed(level, k, 0, fit(first, end, k));
        }
    }

    /** Removes the piece of the path. */
    private void remove() {
        pieces--;
        int slot = slot(pathNode[0], pathAt[0]);
        long first = first(slot);
        long end = end(slot);
        int level = remove(0);
        for (int k = 0; k < alignments.length; k++) {
            changed(level, k, fit(first, end, k), 0);
        }
    }

    /** Tells the nodes of the path from a level upwards that an entry below them gives another number of pages. */
    private void changed(int level, int k, long was, long is) {
        for (int above = level; above < height && was != is; above++) {
            int slot = slot(pathNode[above], pathAt[above]);
            long best = most(slot, k);
            long now = is;
            if (is < best) {
                now = was == best ? best(above - 1, child[slot], k) : best;
            }
            setMost(slot, k, now);
            was = best;
            is = now;
        }
    }

    /** Tells the nodes of the path from a level upwards that the lowest key below them may be another one. */
    private void lowered(int level) {
        for (int above = level; above < height; above++) {
            entries[2 * slot(pathNode[above], pathAt[above])] = first(slot(pathNode[above - 1], 0));
        }
    }

    /** Computes an entry anew from the child that it is for. */
    private void refresh(int level, int node, int at) {
        int slot = slot(node, at);
        entries[2 * slot] = first(slot(child[slot], 0));
        for (int k = 0; k < alignments.length; k++) {
            setMost(slot, k, best(level - 1, child[slot], k));
        }
    }

    /** Inserts an entry into a node of the path, which is split if it is full; answers the level that is not changed. */
    private int insert(int level, int node, int at, long newFirst, long newEnd, int newChild) {
        if (count[node] < FANOUT) {
            put(level, node, at, newFirst, newEnd, newChild);
            lowered(level + 1);
            return level + 1;
        }
        int half = FANOUT / 2;
        int right = newNode();
        move(level, node, half, right, 0, FANOUT - half);
        count[node] = half;
        count[right] = FANOUT - half;
        if (at <= half) {
            put(level, node, at, newFirst, newEnd, newChild);
        } else {
            put(level, right, at - half, newFirst, newEnd, newChild);
        }
        int above = level + 1;
        if (above == height) {
            root = newNode();
            height++;
            put(above, root, 0, 0, 0, node);
            pathNode[above] = root;
            pathAt[above] = 0;
        } else {
            refresh(above, pathNode[above], pathAt[above]);
        }
        return insert(above, pathNode[above], pathAt[above] + 1, 0, 0, right);
    }

    private void put(int level, int node, int at, long newFirst, long newEnd, int newChild) {
        move(level, node, at, node, at + 1, count[node] - at);
        count[node]++;
        int slot = slot(node, at);
        if (level > 0) {
            child[slot] = newChild;
            refresh(level, node, at);
        } else {
            set(slot, newFirst, newEnd);
        }
    }

    /**
     * Removes the entry of the path at a level; a node that gets small is merged with a neighbour. Answers the level that
     * is not changed.
     */
    private int remove(int level) {
        int node = pathNode[level];
        int at = pathAt[level];
        move(level, node, at + 1, node, at, count[node] - at - 1);
        count[node]--;
        int above = level + 1;
        if (above == height) {
            while (height > 1 && count[root] == 1) {
                int old = root;
                root = child[slot(old, 0)];
                height--;
                freeNode(old);
            }
            return height;
        }
        int parent = pathNode[above];
        int place = pathAt[above];
        if (count[node] == 0) {
            freeNode(node);
            return remove(above);
        }
        if (place > 0 && merge(level, child[slot(parent, place - 1)], node)) {
            refresh(above, parent, place - 1);
            return remove(above);
        }
        if (place + 1 < count[parent] && merge(level, node, child[slot(parent, place + 1)])) {
            refresh(above, parent, place);
            pathAt[above] = place + 1;
            return remove(above);
        }
        lowered(above);
        return above;
    }

    private boolean merge(int level, int left, int right) {
        if (count[left] + count[right] > FULL_AFTER_MERGE) {
            return false;
        }
        move(level, right, 0, left, count[left], count[right]);
        count[left] += count[right];
        freeNode(right);
        return true;
    }

    private void move(int level, int fromNode, int from, int toNode, int to, int length) {
        int source = slot(fromNode, from);
        int target = slot(toNode, to);
        System.arraycopy(entries, 2 * source, entries, 2 * target, 2 * length);
        if (level > 0) {
            System.arraycopy(child, source, child, target, length);
            for (long[] column : mostAligned) {
                System.arraycopy(column, source, column, target, length);
            }
        }
    }

    private int newNode() {
        int node = freeNode;
        if (node >= 0) {
            freeNode = child[slot(node, 0)];
        } else {
            node = nodes++;
            if (nodes > count.length) {
                grow(Math.max(4, 2 * count.length));
            }
        }
        count[node] = 0;
        return node;
    }

    private void grow(int capacity) {
        int slots = Math.multiplyExact(capacity, 2 * FANOUT) / 2;
        count = Arrays.copyOf(count, capacity);
        entries = Arrays.copyOf(entries, 2 * slots);
        child = Arrays.copyOf(child, slots);
        for (int k = 0; k < mostAligned.length; k++) {
            mostAligned[k] = Arrays.copyOf(mostAligned[k], slots);
        }
    }

    private void freeNode(int node) {
        child[slot(node, 0)] = freeNode;
        freeNode = node;
    }
}
