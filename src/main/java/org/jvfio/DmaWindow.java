package org.jvfio;

import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_MAP_DMA;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_TCE_REMOVE;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_UNMAP_DMA;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_iommu_spapr_tce_remove;
import org.jvfio.uapi.vfio_iommu_type1_dma_map;
import org.jvfio.uapi.vfio_iommu_type1_dma_unmap;

/**
 * A range of bus addresses that a TCE table translates, page by page: {@link Container#defaultWindow} or one from {@link
 * Container#createWindow}.
 *
 * <p>What a real host would not survive never reaches the kernel: mappings of no bytes, of parts of pages, past the
 * window's end, over another mapping, of memory that is closed or made of too small pages.
 */
public final class DmaWindow implements AutoCloseable {
    private final Container container;
    private final IovaRange range;
    private final PageSize page;
    private final int levels;
    private final long tableBytes;
    private final boolean isDefault;
    private final TreeMap<Long, DmaMapping> mappings = new TreeMap<>(Long::compareUnsigned);
    private boolean made;
    private boolean closed;

    DmaWindow(Container container, IovaRange range, PageSize page, int levels, long tableBytes, boolean isDefault) {
        this.container = container;
        this.range = range;
        this.page = page;
        this.levels = levels;
        this.tableBytes = tableBytes;
        this.isDefault = isDefault;
        this.made = !isDefault;
    }

    /** The bus addresses that it translates. */
    public IovaRange range() {
        return range;
    }

    /** The size of an IOMMU page: what addresses, and sizes, of mappings are multiples of. */
    public PageSize page() {
        return page;
    }

    /** The levels of its TCE table. */
    public int levels() {
        return levels;
    }

    /** The bytes that its table adds to the locked memory of the process. */
    public long tableBytes() {
        return tableBytes;
    }

    /** Whether it is the one that the container began with. */
    public boolean isDefault() {
        return isDefault;
    }

    /**
     * Maps a whole memory at the lowest free addresses.
     *
     * @throws VfioException as {@link #map(DmaMemory, long, long, DmaDirection)}
     * @throws IllegalStateException if the window or the memory is closed
     */
    public DmaMapping map(DmaMemory memory, DmaDirection direction) {
        return map(memory, 0, memory.size(), direction);
    }

    /**
     * Maps a part of a memory at the lowest free addresses, but never at bus address 0, which many devices take for none.
     *
     * @param offset where the part begins in the memory, in bytes; the memory's address plus it is a multiple of {@link
     *     #page}
     * @param size bytes, a multiple of {@link #page}, at least one
     * @throws VfioException if the part cannot be mapped, no addresses are free, or the kernel refuses; nothing is mapped
     *     then
     * @throws IllegalStateException if the window or the memory is closed
     */
    public DmaMapping map(DmaMemory memory, long offset, long size, DmaDirection direction) {
        container.lock().lock();
        try {
            String asked = "map %s in window %s".formatted(ByteSize.format(size), range);
            requireMappable(asked, memory, offset, size);
            return mapAt(asked, new IovaRange(lowestFree(asked, size), size), memory, offset, direction);
        } finally {
            container.lock().unlock();
        }
    }

    /**
     * Maps a part of a memory at an address of the caller's choice.
     *
     * @param iova the bus address, a multiple of {@link #page}; 0 is possible in a window that begins there
     * @param offset where the part begins in the memory, in bytes; the memory's address plus it is a multiple of {@link
     *     #page}
     * @param size bytes, a multiple of {@link #page}, at least one
     * @throws VfioException if the part cannot be mapped, the addresses are not in the window or not free, or the kernel
     *     refuses; nothing is mapped then
     * @throws IllegalStateException if the window or the memory is closed
     */
    public DmaMapping mapAt(long iova, DmaMemory memory, long offset, long size, DmaDirection direction) {
        container.lock().lock();
        try {
            String asked = "map %s at 0x%x of window %s".formatted(ByteSize.format(size), iova, range);
            requireMappable(asked, memory, offset, size);
            requireFree(asked, iova, size);
            return mapAt(asked, new IovaRange(iova, size), memory, offset, direction);
        } finally {
            container.lock().unlock();
        }
    }

    private void requireMappable(String asked, DmaMemory memory, long offset, long size) {
        requireOpen();
        memory.requireOpen();
        if (!memory.belongsTo(container)) {
            throw new VfioException(asked, "the memory belongs to another container", "allocate it from this one");
        }
        if (page.compareTo(memory.page()) > 0) {
            throw new VfioException(
                    asked,
                    "the memory is made of pages of %s, the window of pages of %s".formatted(memory.page(), page),
                    "create a window with pages of at most " + memory.page());
        }
        if (size <= 0 || offset < 0 || offset > memory.size() - size) {
            throw new VfioException(
                    asked,
                    "0x%x bytes at offset 0x%x are no part of %s".formatted(size, offset, memory),
                    "map at least one page, inside the memory");
        }
        if (!page.isAligned(size) || !page.isAligned(memory.address() + offset)) {
            throw new VfioException(
                    asked,
                    "0x%x bytes at 0x%x are not whole pages of %s".formatted(size, memory.address() + offset, page),
                    "use a size, and an offset in the memory, that are multiples of " + page);
        }
    }

    private void requireFree(String asked, long iova, long size) {
        if (!page.isAligned(iova)) {
            throw new VfioException(
                    asked, "the address is not a multiple of the window's pages", "use a multiple of " + page);
        }
        if (!range.contains(iova) || Long.compareUnsigned(size, range.size() - (iova - range.start())) > 0) {
            throw new VfioException(asked, "the addresses are not all in the window", "stay inside " + range);
        }
        Map.Entry<Long, DmaMapping> before = mappings.floorEntry(iova + (size - 1));
        if (before != null && before.getValue().range().overlaps(new IovaRange(iova, size))) {
            throw new VfioException(
                    asked,
                    "%s is mapped already".formatted(before.getValue()),
                    "close that mapping first, or use free addresses");
        }
    }

    private long lowestFree(String asked, long size) {
        long candidate = range.start() == 0 ? page.bytes() : 0;
        for (DmaMapping mapping : mappings.values()) {
            long begin = mapping.iova() - range.start();
            if (begin >= candidate && begin - candidate >= size) {
                return range.start() + candidate;
            }
            candidate = Math.max(candidate, begin + mapping.range().size());
        }
        if (range.size() - candidate < size) {
            throw new VfioException(
                    asked,
                    "it has no such piece free, with %d mappings in it".formatted(mappings.size()),
                    "close mappings, or create a larger window");
        }
        return range.start() + candidate;
    }

    private DmaMapping mapAt(String asked, IovaRange at, DmaMemory memory, long offset, DmaDirection direction) {
        long vaddr = memory.address() + offset;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = vfio_iommu_type1_dma_map.allocate(arena);
            vfio_iommu_type1_dma_map.argsz(struct, (int) struct.byteSize());
            vfio_iommu_type1_dma_map.flags(struct, direction.flags());
            vfio_iommu_type1_dma_map.vaddr(struct, vaddr);
            vfio_iommu_type1_dma_map.iova(struct, at.start());
            vfio_iommu_type1_dma_map.size(struct, at.size());
            int answer = container.descriptor().ioctl(VFIO_IOMMU_MAP_DMA, struct);
            if (answer != 0) {
                throw VfioException.failed(
                        asked,
                        "VFIO_IOMMU_MAP_DMA(flags %d, vaddr 0x%x, iova 0x%x, size 0x%x)"
                                .formatted(direction.flags(), vaddr, at.start(), at.size()),
                        answer,
                        mapCause(answer));
            }
        }
        DmaMapping mapping = new DmaMapping(this, memory, offset, at, direction);
        mappings.put(at.start(), mapping);
        container.windowUsed();
        memory.mapped(mapping);
        return mapping;
    }

    private Cause mapCause(int answer) {
        if (answer > 0) {
            return new Cause(
                    "the kernel found the address misaligned, and answers so", "use a multiple of the window's pages");
        }
        Errno errno = VfioException.errnoOf(answer).orElse(null);
        if (errno == Errno.ENOMEM) {
            // The first mapping in a container makes the kernel create the default window.
            return container.lockedMemoryCause(tableBytes);
        }
        return errno == null ? Cause.unknown() : KnownCauses.map(errno);
    }

    void unmap(DmaMapping mapping) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = vfio_iommu_type1_dma_unmap.allocate(arena);
            vfio_iommu_type1_dma_unmap.argsz(struct, (int) struct.byteSize());
            vfio_iommu_type1_dma_unmap.iova(struct, mapping.iova());
            vfio_iommu_type1_dma_unmap.size(struct, mapping.range().size());
            int answer = container.descriptor().ioctl(VFIO_IOMMU_UNMAP_DMA, struct);
            if (answer != 0) {
                throw VfioException.failed(
                        "unmap " + mapping,
                        "VFIO_IOMMU_UNMAP_DMA(iova 0x%x, size 0x%x)"
                                .formatted(mapping.iova(), mapping.range().size()),
                        answer,
                        mapCause(answer));
            }
        }
        mappings.remove(mapping.iova());
    }

    /** The mappings in it, by address. */
    public List<DmaMapping> mappings() {
        container.lock().lock();
        try {
            return List.copyOf(mappings.values());
        } finally {
            container.lock().unlock();
        }
    }

    /**
     * Closes its mappings, with bus mastering turned off first in all devices of the container if it has any, and removes
     * it ({@code VFIO_IOMMU_SPAPR_TCE_REMOVE}).
     *
     * @throws VfioException if the kernel refuses; the window then stays, until its container is closed
     */
    @Override
    public void close() {
        container.lock().lock();
        try {
            if (closed) {
                return;
            }
            if (!mappings.isEmpty()) {
                container.disableBusMastering();
            }
            Teardown teardown = new Teardown();
            List.copyOf(mappings.values()).forEach(mapping -> teardown.step(mapping::close));
            teardown.end();
            remove();
            gone();
        } finally {
            container.lock().unlock();
        }
    }

    private void remove() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = vfio_iommu_spapr_tce_remove.allocate(arena);
            vfio_iommu_spapr_tce_remove.argsz(struct, (int) struct.byteSize());
            vfio_iommu_spapr_tce_remove.start_addr(struct, range.start());
            int answer = container.descriptor().ioctl(VFIO_IOMMU_SPAPR_TCE_REMOVE, struct);
            if (answer != 0) {
                throw VfioException.failed(
                        "remove window " + range,
                        "VFIO_IOMMU_SPAPR_TCE_REMOVE(start_addr 0x%x)".formatted(range.start()),
                        answer,
                        VfioException.errnoOf(answer)
                                .map(KnownCauses::removeWindow)
                                .orElseGet(Cause::unknown));
            }
        }
    }

    /** Follows a container that the kernel has emptied, or its own removal. */
    void gone() {
        closed = true;
        List.copyOf(mappings.values()).forEach(DmaMapping::gone);
        mappings.clear();
        container.closed(this);
    }

    Container container() {
        return container;
    }

    /** The kernel has it now, and has locked memory for its table. */
    void made() {
        made = true;
    }

    IommuState.Window state() {
        long mapped = mappings.values().stream()
                .mapToLong(mapping -> mapping.range().size())
                .sum();
        return new IommuState.Window(range, page, levels, isDefault, !made, tableBytes, mapped);
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the window " + range + " is closed");
        }
    }

    /** Its addresses and page size. */
    @Override
    public String toString() {
        return "%s with %s pages".formatted(range, page);
    }
}
