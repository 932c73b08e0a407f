package org.jvfio;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.locks.Lock;
import org.jvfio.VfioException.Kind;
import org.jvfio.kernel.Kernel;

/**
 * Memory of this process that is registered with a container, and so pinned and charged to locked memory: allocated
 * with {@link Container#allocate}, or the caller's, registered with {@link Container#register}. Devices can access it
 * where {@link DmaWindow#map} maps it.
 */
public final class DmaMemory implements AutoCloseable {
    private final Kernel kernel;
    private final Container container;
    private final MemorySegment segment;
    private final PageSize pageSize;
    private final long allocation;
    private final long allocatedBytes;
    private final long address;
    private final long size;
    private final MappingList mappings = new MappingList.OfMemory();
    private volatile Stage stage = Stage.OPEN;

    /** The progress of its release: each step is made once, and a step that the kernel refused can be repeated. */
    private enum Stage {
        OPEN,
        UNMAPPED,
        UNREGISTERED,
        /** Unregistered, but not freed, as a call of another thread was using its segment. */
        IN_USE,
        FREED
    }

    /**
     * @param page the pages that back it
     * @param allocation the address that {@code mmap} returned; the segment is in that memory
     * @param allocatedBytes the size of that memory; 0 for memory that the caller frees
     */
    DmaMemory(
            Kernel kernel,
            Container container,
            MemorySegment segment,
            PageSize page,
            long allocation,
            long allocatedBytes) {
        this.kernel = kernel;
        this.container = container;
        this.segment = segment;
        this.address = segment.address();
        this.size = segment.byteSize();
        this.pageSize = page;
        this.allocation = allocation;
        this.allocatedBytes = allocatedBytes;
    }

    /**
     * Its bytes.
     *
     * @return a segment of {@link #size} bytes; of allocated memory it must not be used once this memory is closed
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

    /** Whether {@link #close} frees it; other memory is freed by its owner, after it is closed. */
    public boolean isAllocated() {
        return allocatedBytes != 0;
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

    /**
     * Unmaps it, with bus mastering turned off first in all devices of the container if it is mapped anywhere; then
     * unregisters it, and frees it if it was allocated.
     *
     * @throws VfioException
     *     <ul>
     *       <li>{@code CONFLICT} if it was allocated and a part of it is registered a second time, with its container
     *           or another one; nothing has changed then
     *       <li>if the kernel refuses to unmap it: the mappings that are left stay, and it can be used
     *       <li>if the kernel refuses to unregister it, or ({@code BUSY}) it was allocated and another thread has a
     *           call in flight on its segment, such as reading a file into it: it is closed then, and the remaining
     *           steps are repeated when it, or its container, is closed again
     *     </ul>
     */
    @Override
    public void close() {
        container.lock().lock();
        try {
            if (stage == Stage.FREED) {
                return;
            }
            requireUnshared();
            closeUnmapped();
            if (hasMappings()) {
                container.disableBusMastering();
            }
            release();
        } finally {
            container.lock().unlock();
        }
    }

    private void requireUnshared() {
        if (isShared()) {
            throw new VfioException(
                    Kind.CONFLICT,
                    "free " + this,
                    "other DMA memory is registered in it",
                    "close what was registered of it first, with whatever container");
        }
    }

    private boolean isShared() {
        return isAllocated() && container.registeredMemory().isShared(this);
    }

    /** Closes those of its mappings that are not mapped. Caller holds the container's lock. */
    void closeUnmapped() {
        mappings.copy().forEach(DmaMapping::closeUnlessMapped);
    }

    /** Closes it without stopping the devices first. Caller holds the container's lock. */
    void release() {
        Teardown teardown = new Teardown();
        mappings.copy().forEach(mapping -> teardown.step(mapping::close));
        teardown.end();
        // Or another container could register a part of it just before it is freed.
        Lock registering = container.registeredMemory().lock();
        registering.lock();
        try {
            if (stage == Stage.OPEN) {
                // From the first range that is unregistered on, it must not be mapped again.
                stage = Stage.UNMAPPED;
            }
            if (stage == Stage.UNMAPPED) {
                container.registeredMemory().unregister(this);
                stage = Stage.UNREGISTERED;
            }
            requireUnshared();
            free();
        } finally {
            registering.unlock();
        }
    }

    /** Frees it, once it is not registered. Caller holds the registration lock, or is about to drop the memory. */
    void free() {
        stage = Stage.UNREGISTERED;
        int answer = isAllocated() ? unmap() : 0;
        stage = Stage.FREED;
        container.closed(this);
        if (answer != 0) {
            throw VfioException.failed(
                    "free " + this,
                    "munmap(0x%x, 0x%x)".formatted(allocation, allocatedBytes),
                    answer,
                    Cause.unknown());
        }
    }

    private int unmap() {
        try {
            return kernel.munmap(allocation, allocatedBytes);
        } catch (IllegalStateException inUse) {
            stage = Stage.IN_USE;
            VfioException e = new VfioException(
                    Kind.BUSY,
                    "free " + this,
                    "a call of another thread is using its segment",
                    "close it again when that call has ended");
            e.initCause(inUse);
            throw e;
        }
    }

    /** Follows a container that lost its last group. An obstacle to freeing it was reported when it was closed. */
    void gone() {
        mappings.clear();
        Lock registering = container.registeredMemory().lock();
        registering.lock();
        try {
            if (stage != Stage.IN_USE) {
                stage = Stage.UNREGISTERED;
                if (!isShared()) {
                    free();
                }
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
