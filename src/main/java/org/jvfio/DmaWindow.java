package org.jvfio;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.jvfio.VfioException.Kind;
import org.jvfio.ioctl.TceRemove;

/**
 * A range of bus addresses that a TCE table translates, page by page: {@link Container#defaultWindow} or one from
 * {@link Container#createWindow}. It keeps account of its free addresses: mapping, preparing and reserving take the
 * lowest that fit, or those that the caller names, in O(log n) of the free ranges; closing frees them.
 *
 * <p>Rejected before the ioctl, because they can hang or corrupt a real host: mappings that are empty, unaligned, out
 * of range or overlapping, and of memory that is closed, freed or backed by smaller pages.
 *
 * <p>All methods may be called by any thread. They hold the container's lock, also while they make system calls.
 */
public final class DmaWindow implements AutoCloseable {
    private static final Comparator<DmaMapping> BY_ADDRESS =
            (one, other) -> Long.compareUnsigned(one.iova(), other.iova());

    private final Container container;
    private final IovaRange range;
    private final PageSize pageSize;
    private final int levels;
    private final long tableBytes;
    private final boolean isDefault;
    // What follows is guarded by the container's lock.
    private final IovaAllocator free;
    private final MappingList mappings = new MappingList.OfWindow();
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

    /** The size of an IOMMU page: addresses and sizes of mappings are multiples of it. */
    public PageSize pageSize() {
        return pageSize;
    }

    /** The number of levels of its TCE table. */
    public int levels() {
        return levels;
    }

    /** The bytes that its table adds to the locked memory of the process. */
    public long tableBytes() {
        return tableBytes;
    }

    /** Whether it is the window that the container began with. */
    public boolean isDefault() {
        return isDefault;
    }

    /**
     * How many bus addresses are free: nothing is mapped, prepared or reserved there.
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
     * For tests of drivers: from now on mappings and prepared mappings get random bus addresses, with an unmapped page
     * before and after each, instead of the lowest free ones. So a DMA past the end of its mapping, or to an address
     * that the driver has computed from another one, fails and freezes the PE instead of reaching another mapping.
     * Addresses that the caller chooses stay as chosen, and may be neighbours of others. A window needs more room for
     * the same mappings: if there is none with the gaps, mapping fails as in a full window.
     *
     * @param seed the same one gives the same addresses for the same calls
     * @throws IllegalStateException if the window is closed
     */
    public void randomizeAddresses(long seed) {
        container.lock().lock();
        try {
            requireOpen();
            free.randomize(seed);
        } finally {
            container.lock().unlock();
        }
    }

    /**
     * The size of the largest mapping that can be made for a device now.
     *
     * @return bytes, without the page at bus address 0; 0 if there is none
     * @throws IllegalStateException if the window is closed
     */
    public long largestFree(DmaConstraints constraints) {
        container.lock().lock();
        try {
            requireOpen();
            return free.largestPiece(constraints.alignment(), constraints.mask());
        } finally {
            container.lock().unlock();
        }
    }

    /**
     * Maps a whole memory at the lowest free addresses.
     *
     * @throws IllegalArgumentException as {@link #map(MemoryRange, DmaDirection, DmaConstraints)}
     * @throws VfioException as {@link #map(MemoryRange, DmaDirection, DmaConstraints)}
     * @throws IllegalStateException if the window or the memory is closed
     */
    public DmaMapping map(DmaMemory memory, DmaDirection direction) {
        return map(memory.range(), direction, DmaConstraints.NONE);
    }

    /**
     * Maps a part of a memory at the lowest free addresses.
     *
     * @throws IllegalArgumentException as {@link #map(MemoryRange, DmaDirection, DmaConstraints)}
     * @throws VfioException as {@link #map(MemoryRange, DmaDirection, DmaConstraints)}
     * @throws IllegalStateException if the window or the memory is closed
     */
    public DmaMapping map(MemoryRange part, DmaDirection direction) {
        return map(part, direction, DmaConstraints.NONE);
    }

    /**
     * Maps a part of a memory at the lowest free addresses that a device can use, but never at bus address 0, which
     * many devices take for none.
     *
     * @param part its size, and its memory's address plus its offset, are multiples of {@link #pageSize}
     * @param constraints what the device demands of the addresses
     * @throws IllegalArgumentException if the part is not whole pages of the window, or of another container's memory
     * @throws VfioException if the memory is backed by smaller pages than the window's ({@code UNSUPPORTED}) or was
     *     freed by its owner ({@code GONE}), no such addresses are free ({@code EXHAUSTED}), or the kernel refuses;
     *     nothing is mapped then
     * @throws IllegalStateException if the window or the memory is closed
     */
    public DmaMapping map(MemoryRange part, DmaDirection direction, DmaConstraints constraints) {
        ReentrantLock lock = container.lock();
        lock.lock();
        try {
            return mapNew(part, allocate("map", part, direction, constraints), direction);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Maps a part of a memory at an address of the caller's choice.
     *
     * @param iova the bus address, a multiple of {@link #pageSize}; 0 is possible in a window that begins there
     * @param part its size, and its memory's address plus its offset, are multiples of {@link #pageSize}
     * @throws IllegalArgumentException as {@link #map(MemoryRange, DmaDirection, DmaConstraints)}, or if the bus
     *     address is not a multiple of the window's page
     * @throws IndexOutOfBoundsException if the addresses are not all in the window
     * @throws VfioException as {@link #map(MemoryRange, DmaDirection, DmaConstraints)}, or if the addresses are not
     *     free ({@code CONFLICT})
     * @throws IllegalStateException if the window or the memory is closed
     */
    public DmaMapping mapAt(long iova, MemoryRange part, DmaDirection direction) {
        container.lock().lock();
        try {
            takeAt("map", iova, part, direction);
            return mapNew(part, iova, direction);
        } finally {
            container.lock().unlock();
        }
    }

    /**
     * Prepares a part of a memory, to be mapped and unmapped repeatedly.
     *
     * @return a mapping that is not mapped yet
     * @throws IllegalArgumentException as {@link #map(MemoryRange, DmaDirection, DmaConstraints)}
     * @throws VfioException as {@link #prepare(MemoryRange, DmaDirection, DmaConstraints)}
     * @throws IllegalStateException if the window or the memory is closed
     */
    public DmaMapping prepare(MemoryRange part, DmaDirection direction) {
        return prepare(part, direction, DmaConstraints.NONE);
    }

    /**
     * Prepares a part of a memory, to be mapped and unmapped repeatedly: it gets its addresses now, as from {@link
     * #map(MemoryRange, DmaDirection, DmaConstraints)}, and keeps them until it is closed. {@link DmaMapping#map} and
     * {@link DmaMapping#unmap} then cost one system call each, and allocate nothing.
     *
     * @return a mapping that is not mapped yet
     * @throws IllegalArgumentException as {@link #map(MemoryRange, DmaDirection, DmaConstraints)}
     * @throws VfioException as {@link #map(MemoryRange, DmaDirection, DmaConstraints)}, but for the kernel, which is
     *     not called
     * @throws IllegalStateException if the window or the memory is closed
     */
    public DmaMapping prepare(MemoryRange part, DmaDirection direction, DmaConstraints constraints) {
        container.lock().lock();
        try {
            long iova = allocate("prepare", part, direction, constraints);
            return opened(DmaMapping.prepared(this, part, iova, direction));
        } finally {
            container.lock().unlock();
        }
    }

    /**
     * Prepares a part of a memory as {@link #prepare(MemoryRange, DmaDirection, DmaConstraints)}, at an address of the
     * caller's choice.
     *
     * @return a mapping that is not mapped yet
     * @throws IllegalArgumentException as {@link #mapAt}
     * @throws IndexOutOfBoundsException as {@link #mapAt}
     * @throws VfioException as {@link #mapAt}, but for the kernel, which is not called
     * @throws IllegalStateException if the window or the memory is closed
     */
    public DmaMapping prepareAt(long iova, MemoryRange part, DmaDirection direction) {
        container.lock().lock();
        try {
            takeAt("prepare", iova, part, direction);
            return opened(DmaMapping.prepared(this, part, iova, direction));
        } finally {
            container.lock().unlock();
        }
    }

    /**
     * Keeps addresses free: nothing is mapped or prepared there until the reservation is closed.
     *
     * @param addresses in the window; all pages that have one of them are reserved
     * @throws IndexOutOfBoundsException if they are not all in the window
     * @throws VfioException if something is mapped, prepared or reserved there ({@code CONFLICT})
     * @throws IllegalStateException if the window is closed
     */
    public IovaReservation reserve(IovaRange addresses) {
        container.lock().lock();
        try {
            requireOpen();
            if (!range.contains(addresses)) {
                throw outside(addresses);
            }
            long start = addresses.start() & -pageSize.bytes();
            IovaRange pages = new IovaRange(start, (addresses.last() | (pageSize.bytes() - 1)) - start + 1);
            if (!free.take(start, pages.size())) {
                throw new VfioException("reserve %s of window %s".formatted(addresses, range), used(pages));
            }
            IovaReservation reservation = new IovaReservation(this, pages);
            reservations.put(start, reservation);
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
     * @param ranges parts as of {@link #map(MemoryRange, DmaDirection, DmaConstraints)}
     * @return a mapping for each, in the same order
     * @throws IllegalArgumentException as {@link #map(MemoryRange, DmaDirection, DmaConstraints)}
     * @throws VfioException if one cannot be mapped, or the kernel refuses one; nothing is mapped then
     * @throws IllegalStateException if the window or a memory is closed
     */
    public List<DmaMapping> mapAll(List<MemoryRange> ranges, DmaDirection direction) {
        container.lock().lock();
        try {
            List<DmaMapping> opened = new ArrayList<>();
            return mapped(opened, () -> {
                for (MemoryRange part : ranges) {
                    long iova = allocate("map", part, direction, DmaConstraints.NONE);
                    opened.add(opened(DmaMapping.of(this, part, iova, direction)));
                }
            });
        } finally {
            container.lock().unlock();
        }
    }

    /**
     * Maps parts of memory one behind the other, at the lowest free addresses that hold them all, so that a device sees
     * one piece: all of them, or none.
     *
     * @param ranges parts as of {@link #map(MemoryRange, DmaDirection, DmaConstraints)}; at least one
     * @return a mapping for each, in the same order, at ascending addresses without gaps
     * @throws IllegalArgumentException as {@link #map(MemoryRange, DmaDirection, DmaConstraints)}, or if there is no
     *     part
     * @throws VfioException if one cannot be mapped, or the kernel refuses one; nothing is mapped then
     * @throws IllegalStateException if the window or a memory is closed
     */
    public List<DmaMapping> mapContiguous(List<MemoryRange> ranges, DmaDirection direction) {
        return mapContiguous(ranges, direction, DmaConstraints.NONE);
    }

    /**
     * Maps parts of memory one behind the other, as {@link #mapContiguous(List, DmaDirection)}, at addresses that a
     * device can use.
     *
     * @param constraints what the device demands of the addresses of the whole
     * @throws IllegalArgumentException as {@link #map(MemoryRange, DmaDirection, DmaConstraints)}, or if there is no
     *     part
     * @throws VfioException if one cannot be mapped, or the kernel refuses one; nothing is mapped then
     * @throws IllegalStateException if the window or a memory is closed
     */
    public List<DmaMapping> mapContiguous(
            List<MemoryRange> ranges, DmaDirection direction, DmaConstraints constraints) {
        if (ranges.isEmpty()) {
            throw new IllegalArgumentException("no parts of memory to map");
        }
        container.lock().lock();
        try {
            long size = 0;
            for (MemoryRange part : ranges) {
                Cause obstacle = mappingObstacle(part, direction);
                if (obstacle != null) {
                    throw new VfioException(operation("map", part, constraints), obstacle);
                }
                size += part.size();
            }
            long first = free.allocate(size, constraints.alignment(), constraints.mask());
            if (first == IovaAllocator.NONE) {
                throw new VfioException(
                        "map %d parts of memory in window %s %s".formatted(ranges.size(), range, constraints),
                        free.shortage(size, constraints.alignment(), constraints.mask()));
            }
            List<DmaMapping> opened = new ArrayList<>();
            return mapped(opened, () -> {
                long iova = first;
                for (MemoryRange part : ranges) {
                    opened.add(opened(DmaMapping.of(this, part, iova, direction)));
                    iova += part.size();
                }
            });
        } finally {
            container.lock().unlock();
        }
    }

    /** Maps what got its addresses; if one fails, or got none, all are closed again. */
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

    /** Maps a part at addresses that were taken for it; if that fails, they are free again. */
    private DmaMapping mapNew(MemoryRange part, long iova, DmaDirection direction) {
        boolean mapped = false;
        try {
            DmaMapping mapping = DmaMapping.of(this, part, iova, direction);
            mapping.mapNew();
            mapped = true;
            return opened(mapping);
        } finally {
            if (!mapped) {
                free.free(iova, part.size());
            }
        }
    }

    /**
     * Why a part of memory cannot be mapped in the window, wherever that would be; null if it can.
     *
     * @throws IllegalArgumentException if the part is not whole pages of the window, or of another container's memory
     */
    @Nullable
    Cause mappingObstacle(MemoryRange part, DmaDirection direction) {
        Objects.requireNonNull(direction, "direction");
        requireOpen();
        DmaMemory memory = part.memory();
        memory.requireOpen();
        container.requireOwn(memory);
        Cause obstacle = memoryObstacle(memory);
        if (obstacle == null && !isAligned(part)) {
            throw new IllegalArgumentException(misaligned(part));
        }
        return obstacle;
    }

    private @Nullable Cause memoryObstacle(DmaMemory memory) {
        if (!memory.isAlive()) {
            return DmaMemory.freed();
        }
        if (pageSize.compareTo(memory.pageSize()) > 0) {
            return new Cause(
                    Kind.UNSUPPORTED,
                    "the memory is backed by pages of %s, the window has pages of %s"
                            .formatted(memory.pageSize(), pageSize),
                    "create a window with pages of at most " + memory.pageSize());
        }
        return null;
    }

    private boolean isAligned(MemoryRange part) {
        return pageSize.isAligned(part.size()) && pageSize.isAligned(part.address());
    }

    private String misaligned(MemoryRange part) {
        return "0x%x bytes at 0x%x are not whole pages of %s".formatted(part.size(), part.address(), pageSize);
    }

    /** Why a part of open memory of the container cannot be mapped in the window for a device; null if it can. */
    @Nullable
    Cause obstacle(MemoryRange part, DmaConstraints constraints) {
        Cause obstacle = memoryObstacle(part.memory());
        if (obstacle != null) {
            return obstacle;
        }
        if (!isAligned(part)) {
            return new Cause(
                    Kind.UNSUPPORTED,
                    misaligned(part),
                    "use a size, and an offset in the memory, that are multiples of " + pageSize);
        }
        return free.largestPiece(constraints.alignment(), constraints.mask()) < part.size()
                ? free.shortage(part.size(), constraints.alignment(), constraints.mask())
                : null;
    }

    /** Takes the lowest free addresses for a part of memory that can be mapped. */
    private long allocate(String verb, MemoryRange part, DmaDirection direction, DmaConstraints constraints) {
        Cause obstacle = mappingObstacle(part, direction);
        if (obstacle != null) {
            throw new VfioException(operation(verb, part, constraints), obstacle);
        }
        long iova = free.allocate(part.size(), constraints.alignment(), constraints.mask());
        if (iova == IovaAllocator.NONE) {
            throw new VfioException(
                    operation(verb, part, constraints),
                    free.shortage(part.size(), constraints.alignment(), constraints.mask()));
        }
        return iova;
    }

    private String operation(String verb, MemoryRange part, DmaConstraints constraints) {
        return "%s %s in window %s %s".formatted(verb, ByteSize.format(part.size()), range, constraints);
    }

    /** Takes addresses of the caller's choice for a part of memory that can be mapped. */
    private void takeAt(String verb, long iova, MemoryRange part, DmaDirection direction) {
        Cause obstacle = mappingObstacle(part, direction);
        if (obstacle == null) {
            if (!pageSize.isAligned(iova)) {
                throw new IllegalArgumentException(
                        "bus address 0x%x is not a multiple of %s, the window's page".formatted(iova, pageSize));
            }
            IovaRange addresses = addresses(iova, part.size());
            if (free.take(iova, part.size())) {
                return;
            }
            obstacle = used(addresses);
        }
        throw new VfioException(
                "%s %s at 0x%x of window %s".formatted(verb, ByteSize.format(part.size()), iova, range), obstacle);
    }

    private IovaRange addresses(long iova, long size) {
        if (!range.contains(iova) || Long.compareUnsigned(size, range.size() - (iova - range.start())) > 0) {
            throw new IndexOutOfBoundsException(
                    "0x%x bytes at bus address 0x%x are not all in window %s".formatted(size, iova, range));
        }
        return new IovaRange(iova, size);
    }

    private IndexOutOfBoundsException outside(IovaRange addresses) {
        return new IndexOutOfBoundsException("%s is not all in window %s".formatted(addresses, range));
    }

    /** Why addresses are not free: the last of those that use some of them. */
    private Cause used(IovaRange addresses) {
        return new Cause(Kind.CONFLICT, user(addresses) + " already", "close that first, or use free addresses");
    }

    private String user(IovaRange addresses) {
        return mappings.copy().stream()
                .filter(mapping -> mapping.range().overlaps(addresses))
                .max(BY_ADDRESS)
                .map(mapping -> mapping + (mapping.isMapped() ? " is mapped" : " is prepared"))
                .orElseGet(() -> Objects.requireNonNull(reservations.floorEntry(addresses.last()))
                                .getValue()
                        + " is reserved");
    }

    /** Adds a mapping, whose addresses are taken, to the lists of the window and of its memory. */
    DmaMapping opened(DmaMapping mapping) {
        mappings.add(mapping);
        mapping.memory().opened(mapping);
        return mapping;
    }

    /** Removes a mapping, and frees a part of its addresses; the others belong to its successors. */
    void closed(DmaMapping mapping, long iova, long size) {
        if (mappings.remove(mapping)) {
            free.free(iova, size);
        }
    }

    /** Adds a mapping in place of another one, at the same addresses. */
    DmaMapping replaced(DmaMapping old, DmaMapping mapping) {
        mappings.remove(old);
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
            return mappings.copy().stream().sorted(BY_ADDRESS).toList();
        } finally {
            container.lock().unlock();
        }
    }

    /**
     * Closes its mappings, and removes it ({@code VFIO_IOMMU_SPAPR_TCE_REMOVE}). No device is stopped: closing it is
     * the caller's word that none uses it any more.
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
                        Kind.UNSUPPORTED,
                        "remove window " + range,
                        "version 1 of the SPAPR TCE IOMMU keeps its only window",
                        "close its mappings, or the container");
            }
            Teardown teardown = new Teardown();
            mappings.copy().forEach(mapping -> teardown.step(mapping::close));
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

    /**
     * Removes it, with nothing mapped in it, and leaves it open for the kernel to create it again, or for {@link
     * #gone}. Caller holds the container's lock.
     */
    void remove() {
        try (Arena arena = Arena.ofConfined()) {
            TceRemove call = TceRemove.of(arena, range.start());
            int result = call.call(container.descriptor());
            if (result != 0) {
                throw VfioException.failed(
                        "remove window " + range, call, result, Cause.of(result, KnownCauses::removeWindow));
            }
        }
    }

    /** Follows a container that lost its last group, or its own removal. Caller holds the container's lock. */
    void gone() {
        closed = true;
        mappings.copy().forEach(DmaMapping::gone);
        mappings.clear();
        reservations.clear();
        container.closed(this);
    }

    Container container() {
        return container;
    }

    /** Its state, for the plan of a device with such a mask. */
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
