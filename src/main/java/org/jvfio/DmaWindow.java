package org.jvfio;

import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_TCE_REMOVE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import org.jvfio.uapi.vfio_iommu_spapr_tce_remove;

/**
 * A range of bus addresses that a TCE table translates, page by page: {@link Container#defaultWindow} or one from {@link
 * Container#createWindow}. It knows which of its addresses are free: mapping, preparing and reserving take some, the lowest
 * that fit or those that the caller names, in O(log n) of what is in use; closing gives them back.
 *
 * <p>What a real host would not survive never reaches the kernel: mappings of no bytes, of parts of pages, past the
 * window's end, over another mapping, of memory that is closed or made of too small pages.
 */
public final class DmaWindow implements AutoCloseable {
    private final Container container;
    private final IovaRange range;
    private final PageSize pageSize;
    private final int levels;
    private final long tableBytes;
    private final boolean isDefault;
    private final IovaAllocator free;
    private final TreeMap<Long, DmaMapping> mappings = new TreeMap<>(Long::compareUnsigned);
    private final TreeMap<Long, IovaReservation> reservations = new TreeMap<>(Long::compareUnsigned);
    private boolean closed;

    DmaWindow(Container container, IovaRange range, PageSize page, int levels, long tableBytes, boolean isDefault) {
        this.container = container;
        this.range = range;
        this.pageSize = page;
        this.levels = levels;
        this.tableBytes = tableBytes;
        this.isDefault = isDefault;
        this.free = new IovaAllocator(range, page);
    }

    /** The bus addresses that it translates. */
    public IovaRange range() {
        return range;
    }

    /** The size of an IOMMU page: what addresses, and sizes, of mappings are multiples of. */
    public PageSize pageSize() {
        return pageSize;
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
     * How many of its addresses are free: nothing is mapped, prepared or reserved there.
     *
     * @return bytes, bus address 0 included
     * @throws IllegalStateException if the window is closed
     */
    public long freeBytes() {
        container.lock().lock();
        try {
            requireOpen();
            return free.freeBytes();
        } finally {
            container.lock().unlock();
        }
    }

    /**
     * The largest piece of free addresses that a device reaches, which is the most that can be mapped for it at a time.
     *
     * @return bytes, without the page at bus address 0; 0 if there is none
     * @throws IllegalStateException if the window is closed
     */
    public long largestFree(DmaConstraints limits) {
        container.lock().lock();
        try {
            requireOpen();
            return free.largestPiece(limits.alignment(), limits.mask());
        } finally {
            container.lock().unlock();
        }
    }

    /**
     * Maps a whole memory at the lowest free addresses.
     *
     * @throws VfioException as {@link #map(DmaMemory, long, long, DmaDirection)}
     * @throws IllegalStateException if the window or the memory is closed
     */
    public DmaMapping map(DmaMemory memory, DmaDirection direction) {
        return map(memory.range(), direction, DmaConstraints.NONE);
    }

    /**
     * Maps a part of a memory at the lowest free addresses, but never at bus address 0, which many devices take for none.
     *
     * @param offset where the part begins in the memory, in bytes; the memory's address plus it is a multiple of {@link
     *     #pageSize}
     * @param size bytes, a multiple of {@link #pageSize}, at least one
     * @throws VfioException if the part cannot be mapped, no addresses are free, or the kernel refuses; nothing is mapped
     *     then
     * @throws IllegalStateException if the window or the memory is closed
     */
    public DmaMapping map(DmaMemory memory, long offset, long size, DmaDirection direction) {
        return map(memory.range(offset, size), direction, DmaConstraints.NONE);
    }

    /**
     * Maps a part of a memory at the lowest free addresses that a device can use, but never at bus address 0.
     *
     * @param part as {@code offset} and {@code size} of {@link #map(DmaMemory, long, long, DmaDirection)}
     * @param limits what the device demands of the addresses
     * @throws VfioException if the part cannot be mapped, no such addresses are free, or the kernel refuses; nothing is
     *     mapped then
     * @throws IllegalStateException if the window or the memory is closed
     */
    public DmaMapping map(MemoryRange part, DmaDirection direction, DmaConstraints limits) {
        container.lock().lock();
        try {
            String asked = "map %s in window %s %s".formatted(ByteSize.formatSigned(part.size()), range, limits);
            requireMappable(asked, part, direction);
            return mapped(DmaMapping.of(this, part, allocate(asked, part.size(), limits), direction));
        } finally {
            container.lock().unlock();
        }
    }

    /**
     * Maps a part of a memory at an address of the caller's choice.
     *
     * @param iova the bus address, a multiple of {@link #pageSize}; 0 is possible in a window that begins there
     * @param offset where the part begins in the memory, in bytes; the memory's address plus it is a multiple of {@link
     *     #pageSize}
     * @param size bytes, a multiple of {@link #pageSize}, at least one
     * @throws VfioException if the part cannot be mapped, the addresses are not in the window or not free, or the kernel
     *     refuses; nothing is mapped then
     * @throws IllegalStateException if the window or the memory is closed
     */
    public DmaMapping mapAt(long iova, DmaMemory memory, long offset, long size, DmaDirection direction) {
        container.lock().lock();
        try {
            String asked = "map %s at 0x%x of window %s".formatted(ByteSize.formatSigned(size), iova, range);
            MemoryRange part = memory.range(offset, size);
            requireMappable(asked, part, direction);
            return mapped(DmaMapping.of(this, part, take(asked, iova, size), direction));
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
     *     #pageSize}
     * @param size bytes, a multiple of {@link #pageSize}, at least one
     * @return a mapping that is not mapped yet
     * @throws VfioException if the part cannot be mapped, or no addresses are free
     * @throws IllegalStateException if the window or the memory is closed
     */
    public DmaMapping prepare(DmaMemory memory, long offset, long size, DmaDirection direction) {
        return prepare(memory.range(offset, size), direction, DmaConstraints.NONE);
    }

    /**
     * Prepares a part of a memory as {@link #prepare(DmaMemory, long, long, DmaDirection)}, at addresses that a device can
     * use.
     *
     * @param limits what the device demands of the addresses
     * @return a mapping that is not mapped yet
     * @throws VfioException if the part cannot be mapped, or no such addresses are free
     * @throws IllegalStateException if the window or the memory is closed
     */
    public DmaMapping prepare(MemoryRange part, DmaDirection direction, DmaConstraints limits) {
        container.lock().lock();
        try {
            String asked = "prepare %s in window %s %s".formatted(ByteSize.formatSigned(part.size()), range, limits);
            requireMappable(asked, part, direction);
            return opened(DmaMapping.prepared(this, part, allocate(asked, part.size(), limits), direction));
        } finally {
            container.lock().unlock();
        }
    }

    /**
     * Prepares a part of a memory as {@link #prepare(DmaMemory, long, long, DmaDirection)}, at an address of the caller's
     * choice as {@link #mapAt}.
     *
     * @throws VfioException if the part cannot be mapped, or the addresses are not in the window or not free
     * @throws IllegalStateException if the window or the memory is closed
     */
    public DmaMapping prepareAt(long iova, DmaMemory memory, long offset, long size, DmaDirection direction) {
        container.lock().lock();
        try {
            String asked = "prepare %s at 0x%x of window %s".formatted(ByteSize.formatSigned(size), iova, range);
            MemoryRange part = memory.range(offset, size);
            requireMappable(asked, part, direction);
            return opened(DmaMapping.prepared(this, part, take(asked, iova, size), direction));
        } finally {
            container.lock().unlock();
        }
    }

    /**
     * Keeps addresses free: nothing is mapped or prepared there until the reservation is closed.
     *
     * @param addresses in the window; all pages that have one of them are reserved
     * @throws VfioException if they are not in the window, or something is mapped, prepared or reserved there
     * @throws IllegalStateException if the window is closed
     */
    public IovaReservation reserve(IovaRange addresses) {
        container.lock().lock();
        try {
            requireOpen();
            String asked = "reserve %s of window %s".formatted(addresses, range);
            requireInside(asked, addresses);
            long start = addresses.start() & -pageSize.bytes();
            IovaRange pages = take(asked, start, (addresses.last() | (pageSize.bytes() - 1)) - start + 1);
            IovaReservation reservation = new IovaReservation(this, pages);
            reservations.put(pages.start(), reservation);
            return reservation;
        } finally {
            container.lock().unlock();
        }
    }

    /** The reservations in it, by address. */
    public List<IovaReservation> reservations() {
        container.lock().lock();
        try {
            return List.copyOf(reservations.values());
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
                    requireMappable(asked, part, direction);
                    IovaRange at = allocate(asked, part.size(), DmaConstraints.NONE);
                    opened.add(opened(DmaMapping.of(this, part, at, direction)));
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
    public List<DmaMapping> mapContiguous(List<MemoryRange> ranges, DmaDirection direction) {
        return mapContiguous(ranges, direction, DmaConstraints.NONE);
    }

    /**
     * Maps parts of memory one behind the other, as {@link #mapContiguous(List, DmaDirection)}, at addresses that a device
     * can use.
     *
     * @param limits what the device demands of the addresses of the whole
     * @throws VfioException if one cannot be mapped, or the kernel refuses one; nothing is mapped then
     * @throws IllegalStateException if the window or a memory is closed
     */
    public List<DmaMapping> mapContiguous(List<MemoryRange> ranges, DmaDirection direction, DmaConstraints limits) {
        container.lock().lock();
        try {
            List<DmaMapping> opened = new ArrayList<>();
            return mapped(opened, () -> {
                String asked = "map %d parts of memory in window %s %s".formatted(ranges.size(), range, limits);
                long size = 0;
                for (MemoryRange part : ranges) {
                    requireMappable(asked, part, direction);
                    size += part.size();
                }
                if (size <= 0) {
                    throw new VfioException(asked, "they have no bytes", "map at least one page");
                }
                IovaRange whole = allocate(asked, size, limits);
                long iova = whole.start();
                for (MemoryRange part : ranges) {
                    IovaRange at = new IovaRange(iova, part.size());
                    opened.add(opened(DmaMapping.of(this, part, at, direction)));
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
            opened.forEach(mapping -> Teardown.after(e, mapping::close));
            throw e;
        }
    }

    /** Refuses memory that the window cannot show. */
    void requireMappable(String asked, MemoryRange part, DmaDirection direction) {
        Objects.requireNonNull(direction, "direction");
        requireOpen();
        part.memory().requireOpen();
        Optional<Cause> obstacle = mappingObstacle(part);
        if (obstacle.isPresent()) {
            throw new VfioException(
                    asked, obstacle.get().reason(), obstacle.get().hint());
        }
    }

    /** Why the window cannot show a part of memory, if that is so. */
    private Optional<Cause> mappingObstacle(MemoryRange part) {
        DmaMemory memory = part.memory();
        if (!memory.belongsTo(container)) {
            return Cause.of("the memory belongs to another container", "allocate it from this one");
        }
        if (!memory.isAlive()) {
            return Optional.of(DmaMemory.freed());
        }
        if (pageSize.compareTo(memory.pageSize()) > 0) {
            return Cause.of(
                    "the memory is made of pages of %s, the window of pages of %s"
                            .formatted(memory.pageSize(), pageSize),
                    "create a window with pages of at most " + memory.pageSize());
        }
        if (part.size() <= 0 || part.offset() < 0 || part.offset() > memory.size() - part.size()) {
            return Cause.of(
                    "0x%x bytes at offset 0x%x are no part of %s".formatted(part.size(), part.offset(), memory),
                    "map at least one page, inside the memory");
        }
        if (!pageSize.isAligned(part.size()) || !pageSize.isAligned(part.address())) {
            return Cause.of(
                    "0x%x bytes at 0x%x are not whole pages of %s".formatted(part.size(), part.address(), pageSize),
                    "use a size, and an offset in the memory, that are multiples of " + pageSize);
        }
        return Optional.empty();
    }

    /** Why the window cannot show a part of memory to a device, if that is so. */
    Optional<Cause> mappingObstacle(MemoryRange part, DmaConstraints limits) {
        Optional<Cause> obstacle = mappingObstacle(part);
        if (obstacle.isEmpty() && free.largestPiece(limits.alignment(), limits.mask()) < part.size()) {
            return Optional.of(free.shortage(part.size(), limits.alignment(), limits.mask()));
        }
        return obstacle;
    }

    /** Takes the lowest free addresses. */
    private IovaRange allocate(String asked, long size, DmaConstraints limits) {
        long iova = free.allocate(size, limits.alignment(), limits.mask());
        if (iova == IovaAllocator.NONE) {
            Cause shortage = free.shortage(size, limits.alignment(), limits.mask());
            throw new VfioException(asked, shortage.reason(), shortage.hint());
        }
        return new IovaRange(iova, size);
    }

    /** Takes addresses of the caller's choice. */
    private IovaRange take(String asked, long iova, long size) {
        if (!pageSize.isAligned(iova)) {
            throw new VfioException(
                    asked, "the address is not a multiple of the window's pages", "use a multiple of " + pageSize);
        }
        if (!range.contains(iova) || Long.compareUnsigned(size, range.size() - (iova - range.start())) > 0) {
            throw notInside(asked);
        }
        if (!free.take(iova, size)) {
            throw new VfioException(
                    asked, user(new IovaRange(iova, size)) + " already", "close that first, or use free addresses");
        }
        return new IovaRange(iova, size);
    }

    private void requireInside(String asked, IovaRange addresses) {
        if (!range.contains(addresses)) {
            throw notInside(asked);
        }
    }

    private VfioException notInside(String asked) {
        return new VfioException(asked, "the addresses are not all in the window", "stay inside " + range);
    }

    /** What has the last of these addresses that is not free. */
    private String user(IovaRange addresses) {
        Map.Entry<Long, DmaMapping> mapping = mappings.floorEntry(addresses.last());
        if (mapping != null && mapping.getValue().range().overlaps(addresses)) {
            return mapping.getValue() + (mapping.getValue().isMapped() ? " is mapped" : " is prepared");
        }
        return Objects.requireNonNull(reservations.floorEntry(addresses.last())).getValue() + " is reserved";
    }

    private DmaMapping mapped(DmaMapping mapping) {
        List<DmaMapping> opened = new ArrayList<>();
        return mapped(opened, () -> opened.add(opened(mapping))).getFirst();
    }

    /** Notes a mapping, whose addresses are taken. */
    DmaMapping opened(DmaMapping mapping) {
        mappings.put(mapping.iova(), mapping);
        mapping.memory().opened(mapping);
        return mapping;
    }

    /** Forgets a mapping, and has its addresses back. */
    void closed(DmaMapping mapping) {
        closed(mapping, mapping.range());
    }

    /** Forgets a mapping, and has a part of its addresses back; what is left belongs to others. */
    void closed(DmaMapping mapping, IovaRange part) {
        if (mappings.remove(mapping.iova(), mapping)) {
            free.free(part.start(), part.size());
        }
    }

    /** Notes a mapping in place of another one, at the same addresses. */
    DmaMapping replaced(DmaMapping old, DmaMapping mapping) {
        mappings.remove(old.iova(), old);
        return opened(mapping);
    }

    void closed(IovaReservation reservation) {
        if (reservations.remove(reservation.range().start(), reservation)) {
            free.free(reservation.range().start(), reservation.range().size());
        }
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
     * Closes its mappings, with bus mastering turned off first in all devices of the container if one of them is mapped,
     * and removes it ({@code VFIO_IOMMU_SPAPR_TCE_REMOVE}).
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
            List.copyOf(mappings.values()).forEach(DmaMapping::closeUnlessMapped);
            if (hasMappings()) {
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

    /** Whether there are mappings in it, mapped or prepared. */
    boolean hasMappings() {
        return !mappings.isEmpty();
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
        reservations.clear();
        container.closed(this);
    }

    Container container() {
        return container;
    }

    /** What it is to a device with such a mask. */
    IommuState.Window state(boolean pending, long dmaMask) {
        return new IommuState.Window(
                range,
                pageSize,
                levels,
                isDefault,
                pending,
                tableBytes,
                range.size() - free.freeBytes(),
                free.largestPiece(1, dmaMask));
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the window " + range + " is closed");
        }
    }

    /** Its addresses and page size. */
    @Override
    public String toString() {
        return "%s with %s pages".formatted(range, pageSize);
    }
}
