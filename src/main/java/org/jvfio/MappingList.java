package org.jvfio;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Mappings in the order in which they were added. The links are fields of the mappings, so that adding and removing one
 * takes constant time and allocates nothing, however many there are. Guarded by the container's lock.
 */
abstract sealed class MappingList {
    private @Nullable DmaMapping first;
    private @Nullable DmaMapping last;

    abstract @Nullable DmaMapping next(DmaMapping mapping);

    abstract @Nullable DmaMapping previous(DmaMapping mapping);

    abstract void link(DmaMapping mapping, @Nullable DmaMapping previous, @Nullable DmaMapping next);

    /** The mappings in a window. */
    static final class OfWindow extends MappingList {
        @Override
        @Nullable
        DmaMapping next(DmaMapping mapping) {
            return mapping.nextInWindow;
        }

        @Override
        @Nullable
        DmaMapping previous(DmaMapping mapping) {
            return mapping.previousInWindow;
        }

        @Override
        void link(DmaMapping mapping, @Nullable DmaMapping previous, @Nullable DmaMapping next) {
            mapping.previousInWindow = previous;
            mapping.nextInWindow = next;
        }
    }

    /** The mappings of a memory. */
    static final class OfMemory extends MappingList {
        @Override
        @Nullable
        DmaMapping next(DmaMapping mapping) {
            return mapping.nextInMemory;
        }

        @Override
        @Nullable
        DmaMapping previous(DmaMapping mapping) {
            return mapping.previousInMemory;
        }

        @Override
        void link(DmaMapping mapping, @Nullable DmaMapping previous, @Nullable DmaMapping next) {
            mapping.previousInMemory = previous;
            mapping.nextInMemory = next;
        }
    }

    boolean isEmpty() {
        return first == null;
    }

    /** Adds a mapping that is not in the list. */
    void add(DmaMapping mapping) {
        DmaMapping before = last;
        link(mapping, before, null);
        if (before == null) {
            first = mapping;
        } else {
            link(before, previous(before), mapping);
        }
        last = mapping;
    }

    /** Removes a mapping. */
    boolean remove(DmaMapping mapping) {
        DmaMapping before = previous(mapping);
        DmaMapping after = next(mapping);
        if (before == null && first != mapping) {
            return false;
        }
        if (before == null) {
            first = after;
        } else {
            link(before, previous(before), after);
        }
        if (after == null) {
            last = before;
        } else {
            link(after, before, next(after));
        }
        // A mapping that its user keeps must not keep the others.
        link(mapping, null, null);
        return true;
    }

    /** The mappings of this moment; the list may change while the result is read. */
    List<DmaMapping> copy() {
        List<DmaMapping> all = new ArrayList<>();
        for (DmaMapping mapping = first; mapping != null; mapping = next(mapping)) {
            all.add(mapping);
        }
        return all;
    }

    void clear() {
        copy().forEach(mapping -> link(mapping, null, null));
        first = null;
        last = null;
    }
}
