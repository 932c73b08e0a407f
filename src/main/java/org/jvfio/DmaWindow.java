package org.jvfio;

import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_TCE_REMOVE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_iommu_spapr_tce_remove;

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
    private boolean closed;

    DmaWindow(Container container, IovaRange range, PageSize page, int levels, long tableBytes, boolean isDefault) {
        this.container = container;
        this.range = range;
        this.page = page;
        this.levels = levels;
        this.tableBytes = tableBytes;
        this.isDefault = isDefault;
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
            IovaRange at = new IovaRange(lowestFree(asked, size), size);
            return mapped(DmaMapping.of(this, memory, offset, at, direction));
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
            return mapped(DmaMapping.of(this, memory, offset, new IovaRange(iova, size), direction));
        } finally {
            container.lock().unlock();
        }
    }

    /**
     * Prepares a part of a memory to be mapped, and unmapped, again and again: it gets its addresses now, as from {@link
     * #map(DmaMemory, long, long, DmaDirection)}, and keeps them until it is closed. {@link DmaMapping#map} and {@link
     * DmaMapping#unmap} then cost one system call each, and allocate nothing.
     *
     * @param offset where the part begins in the memory, in bytes; the memory's address plus it is a multiple of {@link
     *     #page}
     * @param size bytes, a multiple of {@link #page}, at least one
     * @return a mapping that is not mapped yet
     * @throws VfioException if the part cannot be mapped, or no addresses are free
     * @throws IllegalStateException if the window or the memory is closed
     */
    public DmaMapping prepare(DmaMemory memory, long offset, long size, DmaDirection direction) {
        container.lock().lock();
        try {
            String asked = "prepare %s in window %s".formatted(ByteSize.format(size), range);
            requireMappable(asked, memory, offset, size);
            IovaRange at = new IovaRange(lowestFree(asked, size), size);
            return opened(DmaMapping.prepared(this, memory, offset, at, direction));
        } finally {
            container.lock().unlock();
        }
    }

    /**
     * Prepares a part of a memory as {@link #prepare}, at an address of the caller's choice as {@link #mapAt}.
     *
     * @throws VfioException if the part cannot be mapped, or the addresses are not in the window or not free
     * @throws IllegalStateException if the window or the memory is closed
     */
    public DmaMapping prepareAt(long iova, DmaMemory memory, long offset, long size, DmaDirection direction) {
        container.lock().lock();
        try {
            String asked = "prepare %s at 0x%x of window %s".formatted(ByteSize.format(size), iova, range);
            requireMappable(asked, memory, offset, size);
            requireFree(asked, iova, size);
            return opened(DmaMapping.prepared(this, memory, offset, new IovaRange(iova, size), direction));
        } finally {
            container.lock().unlock();
        }
    }

    /**
     * Maps several parts of memory, each at the lowest free addresses: all of them, or none.
     *
     * @param ranges as {@code offset} and {@code size} of {@link #map(DmaMemory, long, long, DmaDirection)}
     * @return a mapping for each, in the same order
     * @throws VfioException if one cannot be mapped, or the kernel refuses one; nothing is mapped then
     * @throws IllegalStateException if the window or a memory is closed
     */
    public List<DmaMapping> mapAll(List<MemoryRange> ranges, DmaDirection direction) {
        container.lock().lock();
        try {
            List<DmaMapping> opened = new ArrayList<>();
            return mapped(opened, () -> {
                for (MemoryRange part : ranges) {
                    String asked = "map %s in window %s".formatted(part, range);
                    requireMappable(asked, part.memory(), part.offset(), part.size());
                    IovaRange at = new IovaRange(lowestFree(asked, part.size()), part.size());
                    opened.add(opened(DmaMapping.of(this, part.memory(), part.offset(), at, direction)));
                }
            });
        } finally {
            container.lock().unlock();
        }
    }

    /**
     * Maps parts of memory one behind the other, at the lowest free addresses that take them all, so that a device sees
     * them as one piece: all of them, or none.
     *
     * @param ranges as {@code offset} and {@code size} of {@link #map(DmaMemory, long, long, DmaDirection)}; at least one
     * @return a mapping for each, in the same order, at ascending addresses without gaps
     * @throws VfioException if one cannot be mapped, or the kernel refuses one; nothing is mapped then
     * @throws IllegalStateException if the window or a memory is closed
     */
    public List<DmaMapping> mapScattered(List<MemoryRange> ranges, DmaDirection direction) {
        container.lock().lock();
        try {
            List<DmaMapping> opened = new ArrayList<>();
            return mapped(opened, () -> {
                String asked = "map %d parts of memory in window %s".formatted(ranges.size(), range);
                long size = 0;
                for (MemoryRange part : ranges) {
                    requireMappable(asked, part.memory(), part.offset(), part.size());
                    size += part.size();
                }
                if (size <= 0) {
                    throw new VfioException(asked, "they have no bytes", "map at least one page");
                }
                long iova = lowestFree(asked, size);
                for (MemoryRange part : ranges) {
                    IovaRange at = new IovaRange(iova, part.size());
                    opened.add(opened(DmaMapping.of(this, part.memory(), part.offset(), at, direction)));
                    iova += part.size();
                }
            });
        } finally {
            container.lock().unlock();
        }
    }

    /** Maps what was given its addresses; if one fails, or was not given any, all are closed again. */
    private List<DmaMapping> mapped(List<DmaMapping> opened, Runnable open) {
        try {
            open.run();
            opened.forEach(DmaMapping::map);
            return List.copyOf(opened);
        } catch (RuntimeException e) {
            for (DmaMapping mapping : opened) {
                try {
                    mapping.close();
                } catch (VfioException suppressed) {
                    e.addSuppressed(suppressed);
                }
            }
            throw e;
        }
    }

    /** Refuses memory that the window cannot show. */
    void requireMappable(String asked, DmaMemory memory, long offset, long size) {
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
                    "%s is mapped already, or prepared".formatted(before.getValue()),
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

    private DmaMapping mapped(DmaMapping mapping) {
        mapping.map();
        return opened(mapping);
    }

    DmaMapping opened(DmaMapping mapping) {
        mappings.put(mapping.iova(), mapping);
        mapping.memory().opened(mapping);
        return mapping;
    }

    void closed(DmaMapping mapping) {
        mappings.remove(mapping.iova(), mapping);
    }

    /** Why the kernel may have refused to map or unmap. */
    Cause mapCause(int answer) {
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
            if (!container.registersMemory()) {
                throw new VfioException(
                        "remove window " + range,
                        "version 1 of the SPAPR TCE IOMMU keeps its only window",
                        "close its mappings, or the container");
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

    IommuState.Window state(boolean pending) {
        long mapped = mappings.values().stream()
                .mapToLong(mapping -> mapping.range().size())
                .sum();
        return new IommuState.Window(range, page, levels, isDefault, pending, tableBytes, mapped);
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
