package org.jvfio;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.jvfio.VfioException.Kind;
import org.jvfio.ioctl.MapDma;
import org.jvfio.ioctl.UnmapDma;
import org.jvfio.kernel.Errno;

/**
 * A part of DMA memory at a bus address, made by {@link DmaWindow#map} or {@link Container#map}. Closing it unmaps it;
 * a device that uses the address afterwards freezes its PE. Address and size are multiples of the window's page.
 *
 * <p>It keeps its addresses until it is closed, and can be unmapped and mapped again until then. One that was
 * {@linkplain DmaWindow#prepare prepared} does either with one system call and without allocating anything. Several
 * threads may map and unmap different mappings at the same time.
 */
public sealed class DmaMapping extends MappingState implements AutoCloseable permits DmaMapping.Prepared {
    private final DmaWindow window;
    private final DmaMemory memory;
    private final long offset;
    private final long iova;
    private final long size;
    private final DmaDirection direction;
    private final @Nullable MappingCalls prepared;

    // Of MappingList, guarded by the container's lock.
    int placeInWindow = MappingList.NONE;
    int placeInMemory = MappingList.NONE;

    private DmaMapping(
            DmaWindow window,
            MemoryRange part,
            long iova,
            DmaDirection direction,
            @Nullable MappingCalls prepared,
            int state) {
        super(state);
        this.window = window;
        this.memory = part.memory();
        this.offset = part.offset();
        this.iova = iova;
        this.size = part.size();
        this.direction = direction;
        this.prepared = prepared;
        if (prepared != null) {
            prepared.map().fill(direction.flags(), vaddr(), iova, size);
            prepared.unmap().fill(iova, size);
        }
    }

    /** An unmapped mapping, which is not in the lists of its window and memory yet. */
    static DmaMapping of(DmaWindow window, MemoryRange part, long iova, DmaDirection direction) {
        return new DmaMapping(window, part, iova, direction, null, UNMAPPED);
    }

    /** An unmapped mapping with structs of its own, filled once; they live as long as it is reachable. */
    static DmaMapping prepared(DmaWindow window, MemoryRange part, long iova, DmaDirection direction) {
        return new Prepared(window, part, iova, direction, UNMAPPED);
    }

    /** The first bus address, which a device is told. */
    public long iova() {
        return iova;
    }

    /** The size in bytes. */
    public long size() {
        return size;
    }

    /** All its bus addresses. */
    public IovaRange range() {
        return new IovaRange(iova, size);
    }

    /** The memory that devices access through it. */
    public DmaMemory memory() {
        return memory;
    }

    /** Where it begins in that memory, in bytes. */
    public long offset() {
        return offset;
    }

    /** Which accesses devices may make. */
    public DmaDirection direction() {
        return direction;
    }

    /** The window that it is in. */
    public DmaWindow window() {
        return window;
    }

    private long vaddr() {
        return memory.address() + offset;
    }

    private Container container() {
        return window.container();
    }

    /** Whether devices can access it now. */
    public boolean isMapped() {
        return settled() == MAPPED;
    }

    /**
     * Makes it accessible to devices ({@code VFIO_IOMMU_MAP_DMA}). If the kernel has to create the default window for
     * it, the limit of locked memory is checked before.
     *
     * @throws VfioException if the memory's owner has freed it ({@code GONE}), the table of the default window may not
     *     be locked ({@code LOCK_LIMIT}), or the kernel refuses; it is not mapped then
     * @throws IllegalStateException if it is mapped already, or closed
     */
    public void map() {
        acquire(UNMAPPED);
        int end = UNMAPPED;
        try {
            if (!memory.isAlive()) {
                throw new VfioException("map " + this, DmaMemory.freed());
            }
            if (prepared != null) {
                call(prepared.map());
            } else {
                try (Arena arena = Arena.ofConfined()) {
                    call(MapDma.of(arena, direction.flags(), vaddr(), iova, size));
                }
            }
            end = MAPPED;
        } finally {
            release(end);
        }
    }

    /** Maps what no other thread can see yet, with the container's lock held. */
    void mapNew() {
        call(container().mappingCalls().map().fill(direction.flags(), vaddr(), iova, size));
        release(MAPPED);
    }

    private void call(MapDma call) {
        Container container = container();
        if (container.isDefaultWindowPending()) {
            container.createTables(this::operation, 0, call, this::cause);
            return;
        }
        // A container closes its mappings before its descriptor, so that one stays open while this mapping is held.
        int result = call.call(container.descriptor().keptOpen());
        if (result != 0) {
            throw VfioException.failed(operation(), call, result, cause(result));
        }
    }

    private String operation() {
        return "map %s at %s".formatted(ByteSize.format(size), this);
    }

    /** Why the kernel may have refused to map or unmap. */
    private Cause cause(int result) {
        if (result > 0) {
            return new Cause(
                    Kind.KERNEL_REFUSED,
                    "the kernel found the address misaligned",
                    "use a multiple of the window's pages");
        }
        return Cause.of(
                result,
                errno -> errno == Errno.EPERM && container().sharesLparWindow()
                        ? KnownCauses.SHARED_LPAR_WINDOW
                        : KnownCauses.map(errno));
    }

    /**
     * Makes it inaccessible to devices, and keeps its addresses ({@code VFIO_IOMMU_UNMAP_DMA}). No device may be using
     * it.
     *
     * @throws VfioException if the kernel refuses; it stays mapped then
     * @throws IllegalStateException if it is not mapped, or closed
     */
    public void unmap() {
        acquire(MAPPED);
        int end = MAPPED;
        try {
            if (prepared != null) {
                call(prepared.unmap());
            } else {
                try (Arena arena = Arena.ofConfined()) {
                    call(UnmapDma.of(arena, iova, size));
                }
            }
            end = UNMAPPED;
        } finally {
            release(end);
        }
    }

    private void call(UnmapDma call) {
        int result = call.call(container().descriptor().keptOpen());
        if (result != 0) {
            throw VfioException.failed("unmap " + this, call, result, cause(result));
        }
    }

    /** Unmaps a part with the container's lock held. */
    private void unmapLocked(long from, long bytes) {
        call(container().mappingCalls().unmap().fill(from, bytes));
    }

    /**
     * Unmaps a part of it. It ends; what is left of it, before and after that part, are mappings of their own, at the
     * addresses where they are.
     *
     * @param partOffset where the part begins in this mapping, in bytes, a multiple of the window's page
     * @param partSize bytes, a multiple of the window's page, at least one
     * @return what is left, none to two mappings by address
     * @throws IndexOutOfBoundsException if the part is not inside it
     * @throws IllegalArgumentException if the part is not whole pages
     * @throws VfioException if the kernel refuses; nothing has changed then
     * @throws IllegalStateException if it is not mapped, or closed
     */
    public List<DmaMapping> unmapRange(long partOffset, long partSize) {
        container().lock().lock();
        try {
            acquire(MAPPED);
            int end = MAPPED;
            try {
                requirePart(partOffset, partSize);
                unmapLocked(iova + partOffset, partSize);
                end = CLOSED;
            } finally {
                release(end);
            }
            memory.closed(this);
            window.closed(this, iova + partOffset, partSize);
            List<DmaMapping> left = new ArrayList<>();
            if (partOffset > 0) {
                left.add(piece(0, partOffset));
            }
            if (partOffset + partSize < size) {
                left.add(piece(partOffset + partSize, size - partOffset - partSize));
            }
            return List.copyOf(left);
        } finally {
            container().lock().unlock();
        }
    }

    private void requirePart(long partOffset, long partSize) {
        PageSize page = window.pageSize();
        if (partOffset < 0 || partSize < 0 || partOffset > size - partSize) {
            throw new IndexOutOfBoundsException(
                    "0x%x bytes at offset 0x%x are outside mapping %s".formatted(partSize, partOffset, this));
        }
        if (partSize == 0 || !page.isAligned(partOffset) || !page.isAligned(partSize)) {
            throw new IllegalArgumentException("0x%x bytes at offset 0x%x of mapping %s are not whole pages of %s"
                    .formatted(partSize, partOffset, this, page));
        }
    }

    private DmaMapping piece(long from, long bytes) {
        MemoryRange part = memory.range(offset + from, bytes);
        return window.opened(new DmaMapping(window, part, iova + from, direction, null, MAPPED));
    }

    /**
     * Replaces the memory at the same addresses: a device that uses them meanwhile accesses the old memory or the new,
     * page by page, and never none. It is one system call, and the only way to map over what is mapped. This mapping
     * ends; if it was {@linkplain DmaWindow#prepare prepared}, so is the new one.
     *
     * @param part the new memory, of this mapping's size
     * @return the new mapping
     * @throws IllegalArgumentException if the part has another size, does not begin at a multiple of the window's page,
     *     or belongs to another container
     * @throws VfioException if the memory cannot be mapped there, or the kernel refuses; the old memory is then mapped
     *     again, or, where the kernel refuses that too, or the owner of the old memory has freed it, this mapping is
     *     unmapped
     * @throws IllegalStateException if it is not mapped, or this, the window or the memory is closed
     */
    public DmaMapping replace(MemoryRange part, DmaDirection newDirection) {
        container().lock().lock();
        try {
            acquire(MAPPED);
            int end = MAPPED;
            try {
                if (part.size() != size) {
                    throw new IllegalArgumentException(
                            part + " cannot replace the " + ByteSize.format(size) + " of mapping " + this);
                }
                Cause obstacle = window.mappingObstacle(part, newDirection);
                if (obstacle != null) {
                    throw new VfioException("map %s in place of %s".formatted(ByteSize.format(size), this), obstacle);
                }
                try {
                    call(container().mappingCalls().map().fill(newDirection.flags(), part.address(), iova, size));
                    end = CLOSED;
                } catch (VfioException e) {
                    end = restored(e);
                    throw e;
                }
            } finally {
                release(end);
            }
            memory.closed(this);
            return window.replaced(
                    this,
                    prepared == null
                            ? new DmaMapping(window, part, iova, newDirection, null, MAPPED)
                            : new Prepared(window, part, iova, newDirection, MAPPED));
        } finally {
            container().lock().unlock();
        }
    }

    /**
     * Maps the old memory again, as the kernel clears what it had replaced when a call fails half-way. If its owner has
     * freed it, other memory may be at its addresses by now.
     */
    private int restored(VfioException failure) {
        if (memory.isAlive()) {
            try {
                call(container().mappingCalls().map().fill(direction.flags(), vaddr(), iova, size));
                return MAPPED;
            } catch (VfioException refused) {
                failure.addSuppressed(refused);
            }
        }
        try {
            unmapLocked(iova, size);
            return UNMAPPED;
        } catch (VfioException stuck) {
            failure.addSuppressed(stuck);
            return MAPPED;
        }
    }

    /**
     * Unmaps it if it is mapped, and frees its addresses in the window. Devices go on doing DMA elsewhere; none may be
     * using this address.
     *
     * @throws VfioException if the kernel refuses; it then stays mapped
     */
    @Override
    public void close() {
        container().lock().lock();
        try {
            int found = acquireUnlessClosed();
            if (found == CLOSED) {
                return;
            }
            int end = found;
            try {
                if (found == MAPPED) {
                    unmapLocked(iova, size);
                }
                end = CLOSED;
            } finally {
                release(end);
            }
            closed();
        } finally {
            container().lock().unlock();
        }
    }

    private void closed() {
        memory.closed(this);
        window.closed(this, iova, size);
    }

    /** Closes it unless it is mapped, or another thread is just mapping it. Caller holds the container's lock. */
    void closeUnlessMapped() {
        if (tryAcquire(UNMAPPED)) {
            release(CLOSED);
            closed();
        }
    }

    /**
     * Acquires it if it is neither mapped nor closed: no thread can map it until it is {@linkplain #endHold released}.
     *
     * @return whether it was acquired
     */
    boolean hold() {
        return tryAcquire(UNMAPPED);
    }

    /** Undoes {@link #hold}. */
    void endHold() {
        release(UNMAPPED);
    }

    /** Follows a window that the kernel has removed. */
    void gone() {
        acquireUnlessClosed();
        release(CLOSED);
        memory.closed(this);
    }

    /** Its bus addresses. */
    @Override
    public String toString() {
        return range().toString();
    }

    /**
     * One with structs. Its state, which its thread changes in each call, is in no cache line of another mapping: a
     * garbage collector moves those of an array next to each other.
     */
    @SuppressWarnings("unused") // padding is never read
    static final class Prepared extends DmaMapping {
        private long padding0;
        private long padding1;
        private long padding2;
        private long padding3;
        private long padding4;
        private long padding5;
        private long padding6;
        private long padding7;
        private long padding8;
        private long padding9;
        private long padding10;
        private long padding11;
        private long padding12;
        private long padding13;
        private long padding14;
        private long padding15;

        private Prepared(DmaWindow window, MemoryRange part, long iova, DmaDirection direction, int state) {
            super(window, part, iova, direction, MappingCalls.allocate(Arena.ofAuto()), state);
        }
    }
}
