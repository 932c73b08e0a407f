package org.jvfio;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;
import org.jvfio.VfioException.Kind;
import org.jvfio.kernel.MemoryUse;

/**
 * Memory of this process that is registered with a container, and so pinned and charged to locked memory: allocated
 * with {@link Container#allocate}, or the caller's, registered with {@link Container#register}. Devices can access it
 * where {@link DmaWindow#map} maps it.
 */
public final class DmaMemory implements AutoCloseable {
    private final Container container;
    private final MemorySegment segment;
    private final PageSize pageSize;
    private final RegisteredRanges.@Nullable Allocation allocation;
    private final long address;
    private final long size;
    private final MappingList mappings = new MappingList.OfMemory();
    private volatile Stage stage = Stage.OPEN;

    /** The progress of its release: each step is made once, and a step that the kernel refused can be repeated. */
    private enum Stage {
        OPEN,
        UNMAPPED,
        /** Unregistered; memory that nothing uses any more could not be freed, perhaps that of another owner. */
        UNREGISTERED,
        CLOSED
    }

    /**
     * @param page the pages that back it
     * @param allocation the memory that the segment is in; null for memory that the caller frees
     */
    DmaMemory(
            Container container,
            MemorySegment segment,
            PageSize page,
            RegisteredRanges.@Nullable Allocation allocation) {
        this.container = container;
        this.segment = segment;
        this.address = segment.address();
        this.size = segment.byteSize();
        this.pageSize = page;
        this.allocation = allocation;
    }

    /**
     * Its bytes.
     *
     * @return a segment of {@link #size} bytes; of allocated memory it must not be used once this memory, and all that
     *     was registered of it, is closed
     * @throws IllegalStateException if it is closed
     */
    public MemorySegment segment() {
        requireOpen();
        return segment;
    }

    /** Its address in this process, a multiple of the system page; {@code vaddr} in {@code linux/vfio.h}. */
    public long address() {
        return address;
    }

    /** Its size in bytes, a multiple of {@link #pageSize}. */
    public long size() {
        return size;
    }

    /** The pages that back it: a window whose pages are larger cannot map it. */
    public PageSize pageSize() {
        return pageSize;
    }

    /** Whether it was allocated by its container, and closing frees it; other memory is freed by its owner. */
    public boolean isAllocated() {
        return allocation != null;
    }

    /** All of it, to be mapped: {@link Container#map}. */
    public MemoryRange range() {
        return range(0, size());
    }

    /**
     * A part of it, to be mapped by itself or together with others: {@link Container#map}, {@link DmaWindow#mapAll},
     * {@link DmaWindow#mapContiguous}.
     *
     * @param offset where it begins, in bytes, at least 0
     * @param bytes the size, at least 1
     * @throws IllegalArgumentException if the size is below 1
     * @throws IndexOutOfBoundsException if the part is not inside this memory
     */
    public MemoryRange range(long offset, long bytes) {
        return new MemoryRange(this, offset, bytes);
    }

    /** Announces who accesses a part of it from now on. */
    void announce(MemoryRange part, MemoryUse use) {
        requireOpen();
        container.announce(part, use);
    }

    /**
     * Unmaps it, unregisters it, and frees it if it was allocated. If a part of it is registered a second time, with
     * its container or another one, it is freed when the last of them is closed.
     *
     * <p>No device is stopped: closing it is the caller's word that none uses it any more. A device that does freezes
     * its PE.
     *
     * @throws VfioException
     *     <ul>
     *       <li>if the kernel refuses to unmap it: the mappings that are left stay, and it can be used
     *       <li>if the kernel refuses to unregister it, or ({@code BUSY}) it is to be freed and another thread has a
     *           call in flight on its segment, such as reading a file into it: it is closed then, and the remaining
     *           steps are repeated when it, or its container, is closed again
     *     </ul>
     */
    @Override
    public void close() {
        container.lock().lock();
        try {
            if (stage != Stage.CLOSED) {
                release();
            }
        } finally {
            container.lock().unlock();
        }
    }

    /** Closes those of its mappings that are not mapped. Caller holds the container's lock. */
    void closeUnmapped() {
        mappings.copy().forEach(DmaMapping::closeUnlessMapped);
    }

    /** Makes the steps of {@link #close} that are left. Caller holds the container's lock. */
    void release() {
        Teardown teardown = new Teardown();
        mappings.copy().forEach(mapping -> teardown.step(mapping::close));
        teardown.end();
        RegisteredMemory registered = container.registeredMemory();
        // Or another container could register a part of it just before it is freed.
        Lock registering = registered.lock();
        registering.lock();
        try {
            if (stage == Stage.OPEN) {
                // From the first range that is unregistered on, it must not be mapped again.
                stage = Stage.UNMAPPED;
            }
            if (stage == Stage.UNMAPPED) {
                registered.unregister(this);
                unregistered();
            }
            registered.freeUnused(segment);
            stage = Stage.CLOSED;
            container.closed(this);
        } finally {
            registering.unlock();
        }
    }

    private void unregistered() {
        stage = Stage.UNREGISTERED;
        if (allocation != null) {
            container.registeredMemory().freeWhenUnused(allocation);
        }
    }

    /** Follows a container that lost its last group, and with it all mappings and registrations. */
    void gone() {
        mappings.clear();
        Lock registering = container.registeredMemory().lock();
        registering.lock();
        try {
            if (stage != Stage.UNREGISTERED) {
                unregistered();
                release();
            }
        } finally {
            registering.unlock();
        }
    }

    /**
     * Whether there are mappings of it; once {@link #closeUnmapped} has been called, they are those that are mapped.
     */
    boolean hasMappings() {
        return !mappings.isEmpty();
    }

    /** Its segment, whether it is closed or not. */
    MemorySegment registered() {
        return segment;
    }

    boolean belongsTo(Container other) {
        return container == other;
    }

    void opened(DmaMapping mapping) {
        mappings.add(mapping);
    }

    void closed(DmaMapping mapping) {
        mappings.remove(mapping);
    }

    void requireOpen() {
        if (stage != Stage.OPEN) {
            throw new IllegalStateException("the " + this + " is closed");
        }
    }

    /** Whether it is not freed: the caller's memory may have been. */
    boolean isAlive() {
        return segment.scope().isAlive();
    }

    /** Why memory that its owner has freed cannot be mapped. */
    static Cause freed() {
        return new Cause(Kind.GONE, "its owner has freed the memory", "register memory first, and free it last");
    }

    /** Its size and address. */
    @Override
    public String toString() {
        return describe(segment);
    }

    static String describe(MemorySegment segment) {
        return "%s of DMA memory at 0x%x".formatted(ByteSize.format(segment.byteSize()), segment.address());
    }
}
