package org.jvfio;

import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_REGISTER_MEMORY;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_iommu_spapr_register_memory;

/**
 * What a container has registered, and for whom. The kernel refuses a range that overlaps another one, and takes one back
 * only as it was given; so memory that overlaps what is registered already shares it, and only the gaps between are
 * registered anew. A mapping may run across neighbours, as the kernel looks for each page by itself.
 *
 * <p>It is guarded by the container's lock.
 */
final class RegisteredMemory {
    /** A range as the kernel was given it. */
    private static final class Registration {
        private final MemorySegment range;
        private final Set<DmaMemory> users = new LinkedHashSet<>();

        private Registration(MemorySegment range) {
            this.range = range;
        }

        private long start() {
            return range.address();
        }

        private long end() {
            return range.address() + range.byteSize();
        }

        private boolean overlaps(long start, long end) {
            return Long.compareUnsigned(start(), end) < 0 && Long.compareUnsigned(start, end()) < 0;
        }
    }

    private final Kernel kernel;
    private final Container container;
    private final TreeMap<Long, Registration> registrations = new TreeMap<>(Long::compareUnsigned);
    private final Map<Long, MemorySegment> kept;

    /**
     * @param kept where it holds the memory that is registered, by address, so that nobody but its owner frees it
     */
    RegisteredMemory(Kernel kernel, Container container, Map<Long, MemorySegment> kept) {
        this.kernel = kernel;
        this.container = container;
        this.kept = kept;
    }

    /** Has all of a memory registered; if that fails, nothing of it is. */
    void register(DmaMemory memory, MemorySegment segment, String asked) {
        unregisterUnused();
        long start = segment.address();
        long end = start + segment.byteSize();
        List<Registration> shared = overlapping(start, end);
        shared.forEach(registration -> requireShareable(asked, registration, start, end));
        List<MemorySegment> gaps = gaps(segment, shared);
        if (container.registersMemory()) {
            container.requireLockable(
                    asked, gaps.stream().mapToLong(MemorySegment::byteSize).sum());
        }
        List<Registration> added = new ArrayList<>();
        try {
            gaps.forEach(gap -> added.add(register(gap, asked)));
        } catch (RuntimeException e) {
            for (Registration registration : added) {
                try {
                    unregister(registration);
                } catch (VfioException suppressed) {
                    e.addSuppressed(suppressed);
                }
            }
            throw e;
        }
        shared.forEach(registration -> registration.users.add(memory));
        added.forEach(registration -> registration.users.add(memory));
    }

    /** Ends a memory's part in what is registered, and unregisters what nobody else has a part in. */
    void unregister(DmaMemory memory) {
        Teardown teardown = new Teardown();
        for (Registration registration : List.copyOf(registrations.values())) {
            if (registration.users.remove(memory)
                    && registration.users.isEmpty()
                    && !teardown.step(() -> unregister(registration))) {
                registration.users.add(memory);
            }
        }
        teardown.end();
    }

    /** Whether other memory has a part in what is registered for this one. */
    boolean isShared(DmaMemory memory) {
        return registrations.values().stream()
                .anyMatch(registration -> registration.users.contains(memory) && registration.users.size() > 1);
    }

    /** Follows a container that the kernel has emptied. */
    void gone() {
        registrations.values().forEach(registration -> disown(registration.range));
        registrations.clear();
    }

    /** What could not be unregistered when it should have been is tried again. */
    private void unregisterUnused() {
        List.copyOf(registrations.values()).stream()
                .filter(registration -> registration.users.isEmpty())
                .forEach(this::unregister);
    }

    private List<Registration> overlapping(long start, long end) {
        Map.Entry<Long, Registration> before = registrations.floorEntry(start);
        return registrations.tailMap(before == null ? start : before.getKey()).values().stream()
                .takeWhile(registration -> Long.compareUnsigned(registration.start(), end) < 0)
                .filter(registration -> registration.overlaps(start, end))
                .toList();
    }

    private static List<MemorySegment> gaps(MemorySegment segment, List<Registration> shared) {
        List<MemorySegment> gaps = new ArrayList<>();
        long from = 0;
        for (Registration registration : shared) {
            long begin = registration.start() - segment.address();
            if (begin > from) {
                gaps.add(segment.asSlice(from, begin - from));
            }
            from = registration.end() - segment.address();
        }
        if (from < segment.byteSize()) {
            gaps.add(segment.asSlice(from));
        }
        return gaps;
    }

    /**
     * What is registered holds the pages that were there at that time. Where none of its users is left, or what there are
     * have been freed, other memory may be at the same addresses by now, and a device would not see that.
     */
    private static void requireShareable(String asked, Registration registration, long start, long end) {
        long at = Math.max(start, registration.start());
        long last = Math.min(end, registration.end());
        while (at < last) {
            long reached = at;
            for (DmaMemory user : registration.users) {
                if (user.isAlive() && user.address() <= at && user.address() + user.size() > reached) {
                    reached = user.address() + user.size();
                }
            }
            if (reached == at) {
                throw new VfioException(
                        asked,
                        "0x%x..0x%x is still registered, with what was at these addresses before, as %s shares it"
                                .formatted(
                                        registration.start(),
                                        registration.end() - 1,
                                        registration.users.iterator().next()),
                        "close that first");
            }
            at = reached;
        }
    }

    private Registration register(MemorySegment range, String asked) {
        kernel.adopt(range);
        kept.put(range.address(), range);
        int answer = container.registersMemory() ? call(VFIO_IOMMU_SPAPR_REGISTER_MEMORY, range) : 0;
        if (answer != 0) {
            disown(range);
            throw VfioException.failed(
                    asked, describe("VFIO_IOMMU_SPAPR_REGISTER_MEMORY", range), answer, causeOf(answer, range));
        }
        Registration registration = new Registration(range);
        registrations.put(registration.start(), registration);
        return registration;
    }

    private Cause causeOf(int answer, MemorySegment range) {
        if (answer > 0) {
            return new Cause(
                    "the kernel could pin only %d of %d pages"
                            .formatted(
                                    answer,
                                    range.byteSize() / container.systemPage().bytes()),
                    "use memory that is mapped and writable as a whole");
        }
        Errno errno = VfioException.errnoOf(answer).orElse(null);
        if (errno == Errno.ENOMEM) {
            return container.lockedMemoryCause(range.byteSize());
        }
        return errno == null ? Cause.unknown() : KnownCauses.register(errno);
    }

    private void unregister(Registration registration) {
        int answer = container.registersMemory() ? call(VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, registration.range) : 0;
        if (answer != 0) {
            throw VfioException.failed(
                    "unregister %s at 0x%x"
                            .formatted(ByteSize.format(registration.range.byteSize()), registration.start()),
                    describe("VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY", registration.range),
                    answer,
                    VfioException.errnoOf(answer).map(KnownCauses::unregister).orElseGet(Cause::unknown));
        }
        registrations.remove(registration.start());
        disown(registration.range);
    }

    private void disown(MemorySegment range) {
        kernel.disown(range);
        kept.remove(range.address());
    }

    private int call(int request, MemorySegment range) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = vfio_iommu_spapr_register_memory.allocate(arena);
            vfio_iommu_spapr_register_memory.argsz(struct, (int) struct.byteSize());
            vfio_iommu_spapr_register_memory.vaddr(struct, range.address());
            vfio_iommu_spapr_register_memory.size(struct, range.byteSize());
            return container.descriptor().ioctl(request, struct);
        }
    }

    private static String describe(String call, MemorySegment range) {
        return "%s(vaddr 0x%x, size 0x%x)".formatted(call, range.address(), range.byteSize());
    }
}
