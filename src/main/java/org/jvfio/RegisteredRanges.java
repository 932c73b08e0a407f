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
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.jvfio.VfioException.Kind;
import org.jvfio.kernel.Kernel;

/**
 * The ranges that this process has registered with a kernel, through any of its containers. The kernel has one list of
 * them for a process ({@code mm_iommu_table_group_mem_t}), and each container can map what another has registered. Two
 * ranges are equal or disjoint, so that containers can share them.
 *
 * <p>Guarded by its lock, the process-wide registration lock, which is acquired after the container lock. It refers
 * neither to a container nor to the kernel, so that forgotten ones become unreachable.
 *
 * <p>Loops rather than streams: most programs register too rarely for streams to be compiled.
 */
final class RegisteredRanges {
    private static final Map<Kernel, RegisteredRanges> OF_KERNELS = new WeakHashMap<>();

    /** Memory that uses registered ranges of its container. */
    static final class User {
        private final Object container;
        private final MemorySegment segment;

        /** @param container a token that stands for the container */
        User(Object container, MemorySegment segment) {
            this.container = container;
            this.segment = segment;
        }

        /** Its size and address. */
        @Override
        public String toString() {
            return DmaMemory.describe(segment);
        }
    }

    /** A range as it was registered, by one container or more. */
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
            return RegisteredRanges.overlap(segment, other);
        }

        boolean isHeldBy(Object container) {
            return containers.contains(container);
        }

        /** Whether any container has registered it. */
        boolean isHeld() {
            return !containers.isEmpty();
        }

        boolean isUsedBy(Object container) {
            for (User user : users) {
                if (user.container.equals(container)) {
                    return true;
                }
            }
            return false;
        }

        void add(User user) {
            users.add(user);
        }

        boolean remove(User user) {
            return users.remove(user);
        }

        /** The failure where it is still registered for freed memory. */
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

    /**
     * Memory that a container has allocated.
     *
     * @param segment what it is used for
     * @param address the address that {@code mmap} returned; the segment is in that memory
     * @param bytes the size of that memory
     */
    record Allocation(MemorySegment segment, long address, long bytes) {
        // No two that are not freed have one address. The methods that the compiler makes are linked at run time.
        @Override
        public boolean equals(@Nullable Object other) {
            return other instanceof Allocation allocation && allocation.address == address;
        }

        @Override
        public int hashCode() {
            return Long.hashCode(address);
        }
    }

    private final ReentrantLock lock = new ReentrantLock();
    // What its owners have closed, but is not freed yet.
    private final Set<Allocation> closed = new LinkedHashSet<>();
    private final TreeMap<Long, Range> ranges = new TreeMap<>(Long::compareUnsigned);

    /** The ranges that are registered with a kernel. */
    static RegisteredRanges of(Kernel kernel) {
        synchronized (OF_KERNELS) {
            return OF_KERNELS.computeIfAbsent(kernel, _ -> new RegisteredRanges());
        }
    }

    ReentrantLock lock() {
        return lock;
    }

    /**
     * Rejects a segment that may not share a range. The registration pins the pages that backed these addresses when it
     * was made. Where neither a user nor a closed allocation is left, or a user's memory was freed, other pages may
     * back them by now, and devices would still access the old ones.
     */
    void requireShareable(Range range, Supplier<String> asked, MemorySegment other) {
        List<MemorySegment> alive = Stream.concat(
                        range.users.stream().map(user -> user.segment),
                        closed.stream().map(Allocation::segment))
                .filter(segment -> segment.scope().isAlive())
                .toList();
        long at = Math.max(other.address(), range.start());
        long last = Math.min(other.address() + other.byteSize(), range.end());
        while (at < last) {
            long reached = at;
            for (MemorySegment segment : alive) {
                if (segment.address() <= at) {
                    reached = Math.max(reached, segment.address() + segment.byteSize());
                }
            }
            if (reached == at) {
                throw range.stale(asked.get());
            }
            at = reached;
        }
    }

    private static boolean overlap(MemorySegment one, MemorySegment other) {
        return overlap(
                one.address(), one.address() + one.byteSize(), other.address(), other.address() + other.byteSize());
    }

    private static boolean overlap(long start, long end, long otherStart, long otherEnd) {
        return Long.compareUnsigned(start, otherEnd) < 0 && Long.compareUnsigned(otherStart, end) < 0;
    }

    /** The ranges that overlap a segment, by address. */
    List<Range> overlapping(MemorySegment segment) {
        long end = segment.address() + segment.byteSize();
        List<Range> overlapping = new ArrayList<>();
        Map.Entry<Long, Range> each = ranges.floorEntry(segment.address());
        if (each == null) {
            each = ranges.higherEntry(segment.address());
        }
        while (each != null && Long.compareUnsigned(each.getValue().start(), end) < 0) {
            if (each.getValue().overlaps(segment)) {
                overlapping.add(each.getValue());
            }
            each = ranges.higherEntry(each.getKey());
        }
        return overlapping;
    }

    /** The parts of a segment that are in none of the ranges that overlap it, by address. */
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

    /** Takes memory that its owner has closed, to be freed when nothing uses it any more. */
    void add(Allocation allocation) {
        closed.add(allocation);
    }

    /** Removes memory that was freed. */
    void remove(Allocation allocation) {
        closed.remove(allocation);
    }

    /** Closed memory that overlaps a segment, and that no user overlaps. */
    List<Allocation> unused(MemorySegment segment) {
        List<Allocation> unused = new ArrayList<>();
        for (Allocation allocation : closed) {
            if (overlap(allocation.segment, segment) && !isUsed(allocation)) {
                unused.add(allocation);
            }
        }
        return unused;
    }

    private boolean isUsed(Allocation allocation) {
        for (Range range : overlapping(allocation.segment)) {
            for (User user : range.users) {
                if (overlap(user.segment, allocation.segment)) {
                    return true;
                }
            }
        }
        return false;
    }

    /** The ranges that a container has registered. */
    List<Range> heldBy(Object container) {
        return ranges.values().stream()
                .filter(range -> range.isHeldBy(container))
                .toList();
    }

    /** Adds a container to those that have registered a range. */
    void hold(Range range, Object container) {
        range.containers.add(container);
        ranges.put(range.start(), range);
    }

    /** Removes a container, and the users of its memory, from a range. */
    void drop(Range range, Object container) {
        range.containers.remove(container);
        range.users.removeIf(user -> user.container.equals(container));
        if (!range.isHeld()) {
            ranges.remove(range.start());
        }
    }
}
