package org.jvfio;

import java.lang.foreign.Arena;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A part of DMA memory at an address that devices can use, made by {@link DmaWindow#map} or {@link Container#map}. Closing
 * it unmaps it; a device that uses the address afterwards does so in vain, and freezes its PE. Address and size are
 * multiples of the window's page.
 *
 * <p>It keeps its addresses until it is closed, and can be unmapped and mapped again meanwhile. One that was {@linkplain
 * DmaWindow#prepare prepared} does either with one system call and without allocating anything; several threads may map
 * and unmap different mappings at the same time.
 */
public final class DmaMapping implements AutoCloseable {
    private static final int UNMAPPED = 0;
    private static final int MAPPED = 1;
    private static final int CLOSED = 2;
    // A thread has the mapping until it sets another state; if it needs the container's lock too, it takes that first.
    // As a container is closed after its mappings, this keeps its descriptor open during a call.
    private static final int BUSY = 3;
    private static final long WAIT_NANOS = 20_000;
    private static final VarHandle STATE = stateHandle();

    private final DmaWindow window;
    private final DmaMemory memory;
    private final long offset;
    private final IovaRange range;
    private final DmaDirection direction;
    private final @Nullable MapDma preparedMap;
    private final @Nullable UnmapDma preparedUnmap;
    private volatile int state;

    private DmaMapping(
            DmaWindow window,
            MemoryRange part,
            IovaRange range,
            DmaDirection direction,
            @Nullable Arena arena,
            boolean mapped) {
        this.window = window;
        this.memory = part.memory();
        this.offset = part.offset();
        this.range = range;
        this.direction = direction;
        this.preparedMap = arena == null ? null : MapDma.of(arena, direction, vaddr(), range);
        this.state = mapped ? MAPPED : UNMAPPED;
        this.preparedUnmap = arena == null ? null : UnmapDma.of(arena, range);
    }

    private static VarHandle stateHandle() {
        try {
            return MethodHandles.lookup().findVarHandle(DmaMapping.class, "state", int.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    static DmaMapping of(DmaWindow window, MemoryRange part, IovaRange range, DmaDirection direction) {
        return new DmaMapping(window, part, range, direction, null, false);
    }

    /** One whose structs are filled once; they live as long as it can be reached. */
    static DmaMapping prepared(DmaWindow window, MemoryRange part, IovaRange range, DmaDirection direction) {
        return new DmaMapping(window, part, range, direction, Arena.ofAuto(), false);
    }

    /** The first address on the bus, which a device is told. */
    public long iova() {
        return range.start();
    }

    /** All its addresses on the bus. */
    public IovaRange range() {
        return range;
    }

    /** The memory that it shows. */
    public DmaMemory memory() {
        return memory;
    }

    /** Where it begins in that memory, in bytes. */
    public long offset() {
        return offset;
    }

    /** What devices may do with it. */
    public DmaDirection direction() {
        return direction;
    }

    /** The window that it lies in. */
    public DmaWindow window() {
        return window;
    }

    private long vaddr() {
        return memory.address() + offset;
    }

    /** Whether devices can use it at this moment. */
    public boolean isMapped() {
        return settled() == MAPPED;
    }

    /**
     * Makes it usable for devices ({@code VFIO_IOMMU_MAP_DMA}). Where that has the kernel make the default window first,
     * the limit of locked memory is asked for before.
     *
     * @throws VfioException if the memory's owner has freed it, the table of the default window may not be locked, or the
     *     kernel refuses; it is not mapped then
     * @throws IllegalStateException if it is mapped already, or closed
     */
    public void map() {
        take(UNMAPPED);
        int end = UNMAPPED;
        try {
            if (!memory.isAlive()) {
                throw new VfioException(
                        "map " + range,
                        DmaMemory.freed().reason(),
                        DmaMemory.freed().hint());
            }
            if (preparedMap != null) {
                map(preparedMap);
            } else {
                try (Arena arena = Arena.ofConfined()) {
                    map(MapDma.of(arena, direction, vaddr(), range));
                }
            }
            end = MAPPED;
        } finally {
            STATE.setRelease(this, end);
        }
    }

    private void map(MapDma request) {
        Container container = window.container();
        if (container.isDefaultWindowPending()) {
            container.makeTables(
                    asked(), 0, request.toString(), () -> request.call(container.descriptor()), DmaMapping::cause);
            return;
        }
        int answer = request.call(container.descriptor());
        if (answer != 0) {
            throw VfioException.failed(asked(), request.toString(), answer, cause(answer));
        }
    }

    private String asked() {
        return "map %s at %s".formatted(ByteSize.format(range.size()), range);
    }

    /** Why the kernel may have refused to map or unmap. */
    private static Cause cause(int answer) {
        if (answer > 0) {
            return new Cause(
                    "the kernel found the address misaligned, and answers so", "use a multiple of the window's pages");
        }
        return VfioException.errnoOf(answer).map(KnownCauses::map).orElseGet(Cause::unknown);
    }

    /**
     * Makes it unusable for devices, and keeps its addresses ({@code VFIO_IOMMU_UNMAP_DMA}). No device may be using it.
     *
     * @throws VfioException if the kernel refuses; it stays mapped then
     * @throws IllegalStateException if it is not mapped, or closed
     */
    public void unmap() {
        take(MAPPED);
        unmapTaken(UNMAPPED);
    }

    /** Unmaps what this thread has, which is then in the given state, or, if the kernel refuses, mapped. */
    private void unmapTaken(int then) {
        int end = MAPPED;
        try {
            if (preparedUnmap != null) {
                unmap(preparedUnmap);
            } else {
                try (Arena arena = Arena.ofConfined()) {
                    unmap(UnmapDma.of(arena, range));
                }
            }
            end = then;
        } finally {
            STATE.setRelease(this, end);
        }
    }

    private void unmap(UnmapDma request) {
        int answer = request.call(window.container().descriptor());
        if (answer != 0) {
            throw VfioException.failed("unmap " + range, request.toString(), answer, cause(answer));
        }
    }

    /**
     * Unmaps a part of it. It ends; what is left of it, before and after that part, are mappings of their own, at the
     * addresses where they are.
     *
     * @param partOffset where the part begins in this mapping, in bytes, a multiple of the window's pages
     * @param partSize bytes, a multiple of the window's pages, at least one
     * @return what is left, none to two mappings by address
     * @throws VfioException if there is no such part, or the kernel refuses; nothing has changed then
     * @throws IllegalStateException if it is not mapped, or closed
     */
    public List<DmaMapping> unmapRange(long partOffset, long partSize) {
        window.container().lock().lock();
        try {
            IovaRange part;
            take(MAPPED);
            int end = MAPPED;
            try (Arena arena = Arena.ofConfined()) {
                requirePart(partOffset, partSize);
                part = new IovaRange(range.start() + partOffset, partSize);
                unmap(UnmapDma.of(arena, part));
                end = CLOSED;
            } finally {
                STATE.setRelease(this, end);
            }
            memory.closed(this);
            window.closed(this, part);
            List<DmaMapping> left = new ArrayList<>();
            if (partOffset > 0) {
                left.add(piece(0, partOffset));
            }
            if (partOffset + partSize < range.size()) {
                left.add(piece(partOffset + partSize, range.size() - partOffset - partSize));
            }
            return List.copyOf(left);
        } finally {
            window.container().lock().unlock();
        }
    }

    private void requirePart(long partOffset, long partSize) {
        PageSize page = window.pageSize();
        if (partSize <= 0
                || partOffset < 0
                || partOffset > range.size() - partSize
                || !page.isAligned(partOffset)
                || !page.isAligned(partSize)) {
            throw new VfioException(
                    "unmap 0x%x bytes at offset 0x%x of %s".formatted(partSize, partOffset, range),
                    "they are not whole pages of %s inside it".formatted(page),
                    "use multiples of %s, inside its %s".formatted(page, ByteSize.format(range.size())));
        }
    }

    private DmaMapping piece(long from, long size) {
        IovaRange piece = new IovaRange(range.start() + from, size);
        return window.opened(new DmaMapping(window, memory.range(offset + from, size), piece, direction, null, true));
    }

    /**
     * Puts other memory in its place, at the same addresses: a device that uses them meanwhile sees the old memory or the
     * new, page by page, and never none. It is one system call, and the only way to map over what is mapped. This mapping
     * ends; if it was {@linkplain DmaWindow#prepare prepared}, so is the one in its place.
     *
     * @param newOffset where the part to be shown begins in the memory, in bytes; the part has this mapping's size
     * @return the mapping in its place
     * @throws VfioException if the memory cannot be mapped there, or the kernel refuses; the old memory is then mapped
     *     again, or, where the kernel refuses that too, or the owner of the old memory has freed it, this mapping is
     *     unmapped
     * @throws IllegalStateException if it is not mapped, or this, the window or the memory is closed
     */
    public DmaMapping replace(DmaMemory newMemory, long newOffset, DmaDirection newDirection) {
        window.container().lock().lock();
        try (Arena arena = Arena.ofConfined()) {
            take(MAPPED);
            MemoryRange part;
            int end = MAPPED;
            try {
                part = newMemory.range(newOffset, range.size());
                window.requireMappable(
                        "map %s in place of %s".formatted(ByteSize.format(range.size()), range), part, newDirection);
                try {
                    map(MapDma.of(arena, newDirection, part.address(), range));
                    end = CLOSED;
                } catch (VfioException e) {
                    end = restored(e);
                    throw e;
                }
            } finally {
                STATE.setRelease(this, end);
            }
            memory.closed(this);
            Arena kept = preparedMap == null ? null : Arena.ofAuto();
            return window.replaced(this, new DmaMapping(window, part, range, newDirection, kept, true));
        } finally {
            window.container().lock().unlock();
        }
    }

    /**
     * Maps the old memory again, as the kernel clears what it had replaced when a call fails half-way. If its owner has
     * freed it, other memory may be at its addresses by now.
     */
    private int restored(VfioException failure) {
        if (memory.isAlive()) {
            try (Arena arena = Arena.ofConfined()) {
                map(MapDma.of(arena, direction, vaddr(), range));
                return MAPPED;
            } catch (VfioException refused) {
                failure.addSuppressed(refused);
            }
        }
        try (Arena arena = Arena.ofConfined()) {
            unmap(UnmapDma.of(arena, range));
            return UNMAPPED;
        } catch (VfioException stuck) {
            failure.addSuppressed(stuck);
            return MAPPED;
        }
    }

    /**
     * Takes it, so that no other thread can. This is the only atomic operation of a call, as giving it back is a store.
     *
     * @throws IllegalStateException if it is in another state
     */
    private void take(int from) {
        if (!STATE.compareAndSet(this, from, BUSY)) {
            takeSettled(from);
        }
    }

    private void takeSettled(int from) {
        do {
            int found = settled();
            if (found != from) {
                throw new IllegalStateException("the mapping " + range
                        + switch (found) {
                            case CLOSED -> " is closed";
                            case MAPPED -> " is mapped already";
                            default -> " is not mapped";
                        });
            }
        } while (!STATE.compareAndSet(this, from, BUSY));
    }

    private int takeUnlessClosed() {
        int found;
        do {
            found = settled();
        } while (found != CLOSED && !STATE.compareAndSet(this, found, BUSY));
        return found;
    }

    /** Its state once no thread has it. Whoever gives it back wakes nobody, so this looks again and again. */
    private int settled() {
        boolean interrupted = false;
        int found = state;
        while (found == BUSY) {
            LockSupport.parkNanos(this, WAIT_NANOS);
            // An interrupted thread would not be parked.
            interrupted |= Thread.interrupted();
            found = state;
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return found;
    }

    /**
     * Unmaps it if it is mapped, and gives its addresses back to the window. Devices go on doing DMA elsewhere; none may be
     * using this address.
     *
     * @throws VfioException if the kernel refuses; it then stays mapped
     */
    @Override
    public void close() {
        window.container().lock().lock();
        try {
            int found = takeUnlessClosed();
            if (found == CLOSED) {
                return;
            }
            if (found == MAPPED) {
                unmapTaken(CLOSED);
            }
            closeTaken();
        } finally {
            window.container().lock().unlock();
        }
    }

    private void closeTaken() {
        state = CLOSED;
        memory.closed(this);
        window.closed(this);
    }

    /** Closes it unless it is mapped, whoever may be about to map it. */
    void closeUnlessMapped() {
        if (hold()) {
            closeTaken();
        }
    }

    /**
     * Takes it unless it is mapped: nobody maps it then before it is {@linkplain #release released}.
     *
     * @return whether it was not mapped, nor closed
     */
    boolean hold() {
        do {
            if (settled() != UNMAPPED) {
                return false;
            }
        } while (!STATE.compareAndSet(this, UNMAPPED, BUSY));
        return true;
    }

    /** Ends what {@link #hold} began. */
    void release() {
        STATE.setRelease(this, UNMAPPED);
    }

    /** Follows a window that is gone. */
    void gone() {
        takeUnlessClosed();
        state = CLOSED;
        memory.closed(this);
    }

    /** Its addresses on the bus. */
    @Override
    public String toString() {
        return range.toString();
    }
}
