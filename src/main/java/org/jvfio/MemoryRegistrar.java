package org.jvfio;

import static org.jvfio.uapi.vfio_h.MAP_ANONYMOUS;
import static org.jvfio.uapi.vfio_h.MAP_HUGETLB;
import static org.jvfio.uapi.vfio_h.MAP_HUGE_SHIFT;
import static org.jvfio.uapi.vfio_h.MAP_PRIVATE;
import static org.jvfio.uapi.vfio_h.MAP_SHARED;
import static org.jvfio.uapi.vfio_h.PROT_READ;
import static org.jvfio.uapi.vfio_h.PROT_WRITE;

import java.lang.foreign.MemorySegment;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;

/** The memory of a container: allocated or brought by the user, and registered. Guarded by the container's lock. */
final class MemoryRegistrar {
    // The largest system page of POWER, so that the memory suits a kernel with either page size.
    private static final PageSize ALIGNMENT = PageSize.SIZE_64K;
    // User addresses end at 2^47. With this limit no sum below overflows.
    private static final long MAX_BYTES = 1L << 47;
    // Never runs: what it may access, every thread may access.
    private static final Thread OTHER_THREAD = Thread.ofVirtual().unstarted(() -> {});

    private final Kernel kernel;
    private final Container container;
    private final PageSize systemPage;
    private final RegisteredMemory registered;
    private final LinkedHashSet<DmaMemory> memories = new LinkedHashSet<>();

    /** @param kept gets the memory that is registered, by address, so that it stays reachable */
    MemoryRegistrar(Kernel kernel, Container container, PageSize systemPage, Map<Long, MemorySegment> kept) {
        this.kernel = kernel;
        this.container = container;
        this.systemPage = systemPage;
        this.registered = new RegisteredMemory(kernel, container, kept);
    }

    DmaMemory allocate(long bytes, PageSize page) {
        if (bytes <= 0 || bytes > MAX_BYTES || page.bytes() > MAX_BYTES) {
            throw new IllegalArgumentException("%s of memory in pages of %s: ask for 1 byte to 128T"
                    .formatted(ByteSize.formatSigned(bytes), page));
        }
        if (page.compareTo(systemPage) < 0) {
            throw new IllegalArgumentException(
                    "memory in pages of %s: the system's pages of %s are the smallest".formatted(page, systemPage));
        }
        boolean huge = !page.equals(systemPage);
        String operation =
                "allocate " + ByteSize.format(bytes) + " of DMA memory" + (huge ? " in pages of " + page : "");
        long size = page.roundUp(bytes);
        long spare = huge ? 0 : Math.max(0, ALIGNMENT.bytes() - systemPage.bytes());
        long address = mmap(operation, size + spare, page, huge);
        long start = huge ? address : ALIGNMENT.roundUp(address);
        RegisteredRanges.Allocation allocation =
                new RegisteredRanges.Allocation(kernel.memory(start, size), address, size + spare);
        DmaMemory memory = new DmaMemory(container, allocation.segment(), page, allocation);
        try {
            register(memory, () -> operation);
        } catch (RuntimeException e) {
            Teardown.after(e, () -> registered.free(allocation));
            throw e;
        }
        return memory;
    }

    private long mmap(String operation, long bytes, PageSize page, boolean huge) {
        // With system pages of 4K, Linux 6.11 and newer of POWER8 never finish pinning private memory in huge pages.
        int flags = MAP_ANONYMOUS | (huge ? MAP_SHARED | MAP_HUGETLB | page.shift() << MAP_HUGE_SHIFT : MAP_PRIVATE);
        long address = kernel.mmap(bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
        if (Errno.isError(address)) {
            throw VfioException.failed(
                    operation,
                    "mmap(0x%x bytes%s)".formatted(bytes, huge ? ", MAP_HUGETLB " + page : ""),
                    address,
                    Cause.of(address, errno -> KnownCauses.mmap(errno, bytes, page, huge)));
        }
        return address;
    }

    DmaMemory register(MemorySegment segment) {
        requireRegistrable(segment);
        DmaMemory memory = new DmaMemory(container, segment, systemPage, null);
        register(memory, () -> "register %s at 0x%x".formatted(ByteSize.format(segment.byteSize()), segment.address()));
        return memory;
    }

    private void requireRegistrable(MemorySegment segment) {
        if (!segment.isNative()) {
            throw invalid(segment, "is in the Java heap, where objects move; use an Arena, or Container.allocate");
        }
        if (segment.isReadOnly()) {
            throw invalid(segment, "is read-only, and the kernel pins writable memory only");
        }
        // An arena is confined if another thread than this one has no access.
        if (!segment.isAccessibleBy(OTHER_THREAD)) {
            throw invalid(
                    segment,
                    "belongs to a single thread, and devices and closing threads use it too; use Arena.ofShared() or"
                            + " Arena.ofAuto()");
        }
        if (segment.byteSize() == 0
                || !systemPage.isAligned(segment.address())
                || !systemPage.isAligned(segment.byteSize())) {
            throw invalid(
                    segment,
                    "is not whole system pages of %s; use arena.allocate(bytes, %d)"
                            .formatted(systemPage, systemPage.bytes()));
        }
    }

    private static IllegalArgumentException invalid(MemorySegment segment, String why) {
        return new IllegalArgumentException(
                "memory of 0x%x bytes at 0x%x %s".formatted(segment.byteSize(), segment.address(), why));
    }

    private void register(DmaMemory memory, Supplier<String> operation) {
        registered.register(memory, memory.segment(), operation);
        memories.add(memory);
    }

    /** The memory that nothing maps. */
    List<IommuState.Unmapped> unmapped() {
        return memories.stream()
                .filter(memory -> !memory.hasMappings())
                .map(memory -> new IommuState.Unmapped(memory.segment().byteSize(), memory.pageSize()))
                .toList();
    }

    RegisteredMemory registered() {
        return registered;
    }

    boolean hasMappings() {
        return memories.stream().anyMatch(DmaMemory::hasMappings);
    }

    void closeUnmapped() {
        memories.forEach(DmaMemory::closeUnmapped);
    }

    /**
     * Releases the memory, last registered first; or, if the devices could not be stopped, that part of it which none
     * of them can access.
     */
    void release(boolean stopped, Teardown teardown) {
        memories.reversed().stream()
                .filter(memory -> stopped || !memory.hasMappings())
                .toList()
                .forEach(memory -> teardown.step(memory::release));
    }

    /** Closes the memory that could not be freed when the container was closed. */
    void closeAll(Teardown teardown) {
        List.copyOf(memories.reversed()).forEach(memory -> teardown.step(memory::close));
    }

    /** The last group has left, and all registrations with it. */
    void detached(Teardown teardown) {
        registered.gone();
        List.copyOf(memories).forEach(memory -> teardown.step(memory::gone));
    }

    void closed(DmaMemory memory) {
        memories.remove(memory);
    }
}
