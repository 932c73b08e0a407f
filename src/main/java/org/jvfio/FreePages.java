package org.jvfio;

import java.util.Arrays;

/**
 * A set of free pages as intervals of page numbers ("pieces"), in a B+ tree by address. Beside each child an inner node
 * has the most pages that a piece below it can give, so the lowest fit is found, taken and given back in O(log n) of
 * the pieces. That number depends on the alignment; the tree keeps it for each alignment that was ever asked for, 52 at
 * most. All nodes are in a few arrays, so that nothing is allocated except when these grow.
 *
 * <p>Operations move a path from the root to a leaf, and change the nodes along it. Not safe for use by several
 * threads.
 */
final class FreePages {
    /** No page: the result where none fits. */
    static final long NONE = -1;

    private static final int FANOUT = 32;
    // Less than a node holds, or the next insertion would split it again.
    private static final int FULL_AFTER_MERGE = FANOUT * 3 / 4;
    // 32^10 pieces are more than a window can have.
    private static final int MAX_HEIGHT = 24;

    // The entries of node n begin at slot n * FANOUT. A piece is two longs: its first page, and the page after its last
    // one. An entry for a child is two longs, too: the first page of the first piece below it, and the most pages that
    // a piece below it can give. The child's number, and the most pages at the other alignments, are in arrays of their
    // own.
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

    // The path: where the last search ended, by level; leaves are level 0.
    private final int[] pathNode = new int[MAX_HEIGHT];
    private final int[] pathAt = new int[MAX_HEIGHT];

    /** @param end the page after the last one */
    FreePages(long first, long end) {
        root = newNode();
        freePages = end - first;
        pathNode[0] = root;
        insert(first, end);
    }

    /** The number of free pages. */
    long pages() {
        return freePages;
    }

    /** The number of pieces that the free pages are in. */
    long pieces() {
        return pieces;
    }

    /** The most pages that a piece below a page can give at alignment k. */
    long bestBelow(long limit, int k) {
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
        return most;
    }

    /** Takes the lowest pages at alignment k that end at or below a limit: the first page, or {@link #NONE}. */
    long takeLowest(long wanted, int k, long limit) {
        long begin = lowestFit(wanted, k);
        if (begin == NONE || begin + wanted > limit) {
            return NONE;
        }
        carve(begin, begin + wanted);
        return begin;
    }

    /** Whether all of these pages are free. */
    boolean contains(long begin, long end) {
        seek(begin);
        int at = pathAt[0];
        return at >= 0 && end <= end(slot(pathNode[0], at));
    }

    /** Takes these pages if all of them are free. */
    boolean take(long begin, long end) {
        if (!contains(begin, end)) {
            return false;
        }
        carve(begin, end);
        return true;
    }

    /** Gives pages back: false, and nothing has changed, if some of them are free already. */
    boolean free(long begin, long end) {
        seek(begin);
        int leaf = pathNode[0];
        int before = pathAt[0];
        long after = keyAfter();
        if ((before >= 0 && end(slot(leaf, before)) > begin) || (after != NONE && after < end)) {
            return false;
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
        return true;
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

    /** The index of an alignment in pages, which is kept in all nodes from its first use on. */
    int alignment(long wanted) {
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

    /** The first page of a piece at an alignment; page 0 is never given. */
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

    /** The pages of the largest piece at alignment k. */
    long best(int k) {
        return best(height - 1, root, k);
    }

    /** Moves the path to the lowest piece that has that many pages at alignment k; returns where in it they begin. */
    long lowestFit(long wanted, int k) {
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

    /** Moves the path to the last piece that does not begin after a page; to -1, before the first, if there is none. */
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
        // Linear: the processor prefetches while it compares, and a node is short.
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

    /** Removes pages from the piece of the path. */
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

    /**
     * Updates the nodes of the path, from a level upwards, after the most pages of an entry below them have changed.
     */
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

    /** Updates the nodes of the path, from a level upwards, after the lowest key below them may have changed. */
    private void lowered(int level) {
        for (int above = level; above < height; above++) {
            entries[2 * slot(pathNode[above], pathAt[above])] = first(slot(pathNode[above - 1], 0));
        }
    }

    /** Recomputes an entry from its child. */
    private void refresh(int level, int node, int at) {
        int slot = slot(node, at);
        entries[2 * slot] = first(slot(child[slot], 0));
        for (int k = 0; k < alignments.length; k++) {
            setMost(slot, k, best(level - 1, child[slot], k));
        }
    }

    /** Inserts an entry into a node of the path, which is split if it is full; returns the lowest unchanged level. */
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
     * Removes the entry of the path at a level; a node that becomes small is merged with a neighbour. Returns the
     * lowest unchanged level.
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
