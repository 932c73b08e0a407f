package org.jvfio;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.WeakHashMap;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.jvfio.VfioException.Kind;
import org.jvfio.kernel.Kernel;

/**
 * What this process has registered with a kernel, through whichever of its containers: the kernel has one list of it, and
 * any of them can map what another one has registered. Two ranges are the same or apart, so that containers can share
 * them.
 *
 * <p>It is guarded by its lock, which is taken after that of a container. It refers to no container, and to no kernel, so
 * that it keeps none of them from being found when it is forgotten.
 */
final class RegisteredRanges {
    private static final Map<Kernel, RegisteredRanges> OF_KERNELS = new WeakHashMap<>();

    /** Memory that has a part in what its container has registered. */
    static final class User {
        private final Object container;
        private final MemorySegment segment;

        /** @param container stands for it */
        User(Object container, MemorySegment segment) {
            this.container = container;
            this.segment = segment;
        }

        private long start() {
            return segment.address();
        }

        private long end() {
            return segment.address() + segment.byteSize();
        }

        /** Its size and address. */
        @Override
        public String toString() {
            return DmaMemory.describe(segment);
        }
    }

    /** A range as the kernel was given it, by one container or more. */
    static final class Range {
        private final MemorySegment segment;
        private final Set<Object> containers = new LinkedHashSet<>();
        private final Set<User> users = new LinkedHashSet<>();

        Range(MemorySegment segment) {
            this.segment = segment;
        }

        MemorySegment segment() {
            return segment;
        }

        long start() {
            return segment.address();
        }

        long end() {
            return segment.address() + segment.byteSize();
        }

        boolean overlaps(MemorySegment other) {
            return RegisteredRanges.overlap(start(), end(), other.address(), other.address() + other.byteSize());
        }

        boolean isHeldBy(Object container) {
            return containers.contains(container);
        }

        /** Whether any container has it. */
        boolean isHeld() {
            return !containers.isEmpty();
        }

        boolean isUsedBy(Object container) {
            return users.stream().anyMatch(user -> user.container.equals(container));
        }

        void add(User user) {
            users.add(user);
        }

        boolean remove(User user) {
            return users.remove(user);
        }

        /**
         * Refuses to share it with a segment. It holds the pages that were there when it was registered. Where none of its
         * users is left, or what there are have been freed, other memory may be at the same addresses by now, and a device
         * would not see that.
         */
        void requireShareable(String asked, MemorySegment other) {
            long at = Math.max(other.address(), start());
            long last = Math.min(other.address() + other.byteSize(), end());
            while (at < last) {
                long reached = at;
                for (User user : users) {
                    if (user.segment.scope().isAlive() && user.start() <= at && user.end() > reached) {
                        reached = user.end();
                    }
                }
                if (reached == at) {
                    throw stale(asked);
                }
                at = reached;
            }
        }

        /** What has to be said where it is still registered. */
        VfioException stale(String asked) {
            String why = users.isEmpty()
                    ? "the kernel did not unregister it"
                    : users.iterator().next() + " shares it";
            return new VfioException(
                    Kind.CONFLICT,
                    asked,
                    "0x%x..0x%x is still registered, with what was at these addresses before, as %s"
                            .formatted(start(), end() - 1, why),
                    users.isEmpty() ? "close the container that has it" : "close that first");
        }
    }

    private final ReentrantLock lock = new ReentrantLock();
    private final TreeMap<Long, Range> ranges = new TreeMap<>(Long::compareUnsigned);

    /** What is registered with a kernel. */
    static RegisteredRanges of(Kernel kernel) {
        synchronized (OF_KERNELS) {
            return OF_KERNELS.computeIfAbsent(kernel, _ -> new RegisteredRanges());
        }
    }

    ReentrantLock lock() {
        return lock;
    }

    private static boolean overlap(long start, long end, long otherStart, long otherEnd) {
        return Long.compareUnsigned(start, otherEnd) < 0 && Long.compareUnsigned(otherStart, end) < 0;
    }

    /** The ranges that have bytes of a segment, by address. */
    List<Range> overlapping(MemorySegment segment) {
        long end = segment.address() + segment.byteSize();
        Map.Entry<Long, Range> before = ranges.floorEntry(segment.address());
        return ranges.tailMap(before == null ? segment.address() : before.getKey()).values().stream()
                .takeWhile(range -> Long.compareUnsigned(range.start(), end) < 0)
                .filter(range -> range.overlaps(segment))
                .toList();
    }

    /** The pieces of a segment that are between given ranges, which overlap it, by address. */
    static List<MemorySegment> gaps(MemorySegment segment, List<Range> overlapping) {
        List<MemorySegment> gaps = new ArrayList<>();
        long from = 0;
        for (Range range : overlapping) {
            long begin = range.start() - segment.address();
            if (begin > from) {
                gaps.add(segment.asSlice(from, begin - from));
            }
            from = range.end() - segment.address();
        }
        if (from < segment.byteSize()) {
            gaps.add(segment.asSlice(from));
        }
        return gaps;
    }

    /** Whether any user has bytes of a segment, but for one if that is given. */
    boolean isShared(MemorySegment segment, @Nullable User self) {
        long end = segment.address() + segment.byteSize();
        return overlapping(segment).stream()
                .flatMap(range -> range.users.stream())
                .anyMatch(user -> !user.equals(self) && overlap(user.start(), user.end(), segment.address(), end));
    }

    /** The ranges that a container has. */
    List<Range> heldBy(Object container) {
        return ranges.values().stream()
                .filter(range -> range.isHeldBy(container))
                .toList();
    }

    /** Notes that a container has a range. */
    void hold(Range range, Object container) {
        range.containers.add(container);
        ranges.put(range.start(), range);
    }

    /** Notes that a container no longer has a range, nor its memory a part in it. */
    void drop(Range range, Object container) {
        range.containers.remove(container);
        range.users.removeIf(user -> user.container.equals(container));
        if (!range.isHeld()) {
            ranges.remove(range.start());
        }
    }
}
