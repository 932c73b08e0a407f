package org.jvfio;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Mappings in the order in which they were added. Each knows its place in the list, so that adding and removing one
 * takes constant time on average and mostly allocates nothing, however many there are. Guarded by the container's lock.
 *
 * <p>The places are an array, not links between the mappings: garbage collectors note references from old objects to
 * young ones, which is one of the array, and several with links.
 */
abstract sealed class MappingList {
    /** The place of a mapping that is not in the list. */
    static final int NONE = -1;

    private static final int MIN_PLACES = 8;

    private @Nullable DmaMapping[] places = {};
    // The place after the last mapping, and the free places before it.
    private int end;
    private int gaps;
    // With fewer places in use, the array is replaced.
    private int least;

    abstract int place(DmaMapping mapping);

    abstract void place(DmaMapping mapping, int place);

    /** The mappings in a window. */
    static final class OfWindow extends MappingList {
        @Override
        int place(DmaMapping mapping) {
            return mapping.placeInWindow;
        }

        @Override
        void place(DmaMapping mapping, int place) {
            mapping.placeInWindow = place;
        }
    }

    /** The mappings of a memory. */
    static final class OfMemory extends MappingList {
        @Override
        int place(DmaMapping mapping) {
            return mapping.placeInMemory;
        }

        @Override
        void place(DmaMapping mapping, int place) {
            mapping.placeInMemory = place;
        }
    }

    boolean isEmpty() {
        return end == 0;
    }

    /** Adds a mapping that is not in the list. */
    void add(DmaMapping mapping) {
        if (end == places.length) {
            resize(Math.max(MIN_PLACES, end + end / 2));
        }
        places[end] = mapping;
        place(mapping, end);
        end++;
    }

    /** Removes a mapping; false if it is not in the list. */
    boolean remove(DmaMapping mapping) {
        int at = place(mapping);
        if (at == NONE) {
            return false;
        }
        places[at] = null;
        place(mapping, NONE);
        if (at + 1 < end) {
            gaps++;
        } else {
            end = at;
            while (gaps > 0 && places[end - 1] == null) {
                end--;
                gaps--;
            }
        }
        if ((gaps > MIN_PLACES && gaps > end / 2) || end < least) {
            closeGaps();
        }
        return true;
    }

    /** Called once as many were removed as it moves, about. */
    private void closeGaps() {
        List<DmaMapping> left = copy();
        end = 0;
        gaps = 0;
        resize(left.size() + left.size() / 2);
        left.forEach(this::add);
    }

    /** Keeps what is before the end. */
    private void resize(int length) {
        @Nullable DmaMapping[] resized = new @Nullable DmaMapping[length];
        System.arraycopy(places, 0, resized, 0, end);
        places = resized;
        least = length / 4 - MIN_PLACES;
    }

    /** The mappings of this moment; the list may change while the result is read. */
    List<DmaMapping> copy() {
        List<DmaMapping> all = new ArrayList<>(end - gaps);
        for (int at = 0; at < end; at++) {
            DmaMapping mapping = places[at];
            if (mapping != null) {
                all.add(mapping);
            }
        }
        return all;
    }

    void clear() {
        copy().forEach(mapping -> place(mapping, NONE));
        end = 0;
        gaps = 0;
        resize(0);
    }
}
