package org.jvfio;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.locks.Lock;
import org.jvfio.VfioException.Kind;
import org.jvfio.kernel.Kernel;

/**
 * Memory of this process that is registered with a container, and so pinned and charged to locked memory: allocated with
 * {@link Container#allocate}, or brought with {@link Container#register}. It is visible to devices where {@link
 * DmaWindow#map} maps it.
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

    /** How far its end has come: each step is made once, and those that the kernel refuses can be tried again. */
    private enum Stage {
        OPEN,
        UNMAPPED,
        UNREGISTERED,
        /** The kernel would not free it, as a call of another thread was using its segment. */
        IN_USE,
        FREED
    }

    /**
     * @param page what it is made of
     * @param allocation the address of the memory that {@code mmap} gave, which the segment lies in
     * @param allocatedBytes its size; 0 for memory that is its owner's to free
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

    /** The pages that it is made of: a window whose pages are larger cannot map it. */
    public PageSize pageSize() {
        return pageSize;
    }

    /** Whether {@link #close} frees it; what was brought is its owner's to free, after it is closed. */
    public boolean isAllocated() {
        return allocatedBytes != 0;
    }

    /** All of it, to be mapped: {@link Container#map}. */
    public MemoryRange range() {
        return range(0, size());
    }

    /**
     * A part of it, to be mapped by itself or together with others: {@link Container#map}, {@link DmaWindow#mapAll}, {@link
     * DmaWindow#mapContiguous}.
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
     * Unmaps it wherever it is mapped, with bus mastering turned off first in all devices of the container if it is, then
     * unregisters it, and frees it if it was allocated.
     *
     * @throws VfioException if it was allocated and a part of it is registered a second time, with its container or another
     *     one; nothing has changed then. Or if the kernel refuses to unmap it: what of it is mapped then stays, and it can be
     *     used. Or if the kernel refuses to unregister it, or it was allocated and another thread has a call run on its
     *     segment (reading a file into it, say), during which it cannot be freed: it is closed then, and what is left to be
     *     done is tried again when it, or its container, is closed again
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

    /** Closes those of its mappings that are not mapped. */
    void closeUnmapped() {
        mappings.copy().forEach(DmaMapping::closeUnlessMapped);
    }

    /** Closes it, whatever the devices of the container are doing. */
    void release() {
        Teardown teardown = new Teardown();
        mappings.copy().forEach(mapping -> teardown.step(mapping::close));
        teardown.end();
        // No container must find it there, and register it, just before it goes.
        Lock registering = container.registeredMemory().lock();
        registering.lock();
        try {
            if (stage == Stage.OPEN) {
                // From the first range that is unregistered on, a device must not see it any more.
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

    /** Frees it, once it is not registered. */
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

    /** Follows a container that the kernel has emptied. What keeps it from being freed has been told then. */
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

    /** Whether there are mappings of it; once {@link #closeUnmapped} has been called, they are those that are mapped. */
    boolean hasMappings() {
        return !mappings.isEmpty();
    }

    /** Its bytes, whether it is closed or not. */
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

    /** Whether it is still there: what was brought may have been freed by its owner. */
    boolean isAlive() {
        return segment.scope().isAlive();
    }

    /** Why it can be mapped no more once its owner has freed it. */
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
