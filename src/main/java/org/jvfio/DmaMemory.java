package org.jvfio;

import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_REGISTER_MEMORY;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_iommu_spapr_register_memory;

/**
 * Memory of this process that is registered with a container, and so pinned and charged to locked memory: allocated with
 * {@link Container#allocate}, visible to devices where {@link DmaWindow#map} maps it.
 */
public final class DmaMemory implements AutoCloseable {
    private final Kernel kernel;
    private final Container container;
    private final long allocation;
    private final long allocatedBytes;
    private final long address;
    private final long size;
    private final MemorySegment segment;
    private final Set<DmaMapping> mappings = new LinkedHashSet<>();
    private boolean registered;
    private volatile boolean closed;

    /**
     * @param allocation the address of the memory that {@code mmap} gave, which the registered part lies in
     * @param allocatedBytes its size
     */
    DmaMemory(Kernel kernel, Container container, long allocation, long allocatedBytes, long address, long size) {
        this.kernel = kernel;
        this.container = container;
        this.allocation = allocation;
        this.allocatedBytes = allocatedBytes;
        this.address = address;
        this.size = size;
        this.segment = kernel.memory(address, size);
    }

    void register(Descriptor descriptor, String asked) {
        int answer = call(descriptor, VFIO_IOMMU_SPAPR_REGISTER_MEMORY);
        if (answer != 0) {
            throw VfioException.failed(
                    asked, describe("VFIO_IOMMU_SPAPR_REGISTER_MEMORY"), answer, registerCause(answer));
        }
        registered = true;
    }

    private Cause registerCause(int answer) {
        if (answer > 0) {
            return new Cause(
                    "the kernel could pin only %d of %d pages"
                            .formatted(answer, size / container.systemPage().bytes()),
                    "use memory that is mapped and writable as a whole");
        }
        Errno errno = VfioException.errnoOf(answer).orElse(null);
        if (errno == Errno.ENOMEM) {
            return container.lockedMemoryCause(size);
        }
        return errno == null ? Cause.unknown() : KnownCauses.register(errno);
    }

    private void unregister() {
        if (!registered) {
            return;
        }
        int answer = call(container.descriptor(), VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY);
        if (answer != 0) {
            throw VfioException.failed(
                    "unregister " + this,
                    describe("VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY"),
                    answer,
                    VfioException.errnoOf(answer).map(KnownCauses::unregister).orElseGet(Cause::unknown));
        }
        registered = false;
    }

    private int call(Descriptor descriptor, int request) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = vfio_iommu_spapr_register_memory.allocate(arena);
            vfio_iommu_spapr_register_memory.argsz(struct, (int) struct.byteSize());
            vfio_iommu_spapr_register_memory.vaddr(struct, address);
            vfio_iommu_spapr_register_memory.size(struct, size);
            return descriptor.ioctl(request, struct);
        }
    }

    private String describe(String call) {
        return "%s(vaddr 0x%x, size 0x%x)".formatted(call, address, size);
    }

    /**
     * Its bytes.
     *
     * @return a segment of {@link #size} bytes, which must not be used once this memory is closed
     * @throws IllegalStateException if it is closed
     */
    public MemorySegment segment() {
        requireOpen();
        return segment;
    }

    /** Its address in this process, a multiple of 64K; {@code vaddr} in {@code linux/vfio.h}. */
    public long address() {
        return address;
    }

    /** Its size in bytes, a multiple of {@link #page}. */
    public long size() {
        return size;
    }

    /** The pages that it is made of: a window whose pages are larger cannot map it. */
    public PageSize page() {
        return container.systemPage();
    }

    /**
     * Unmaps it wherever it is mapped, with bus mastering turned off first in all devices of the container if it is, then
     * unregisters and frees it.
     *
     * @throws VfioException if the kernel refuses; the memory then stays, until its container is closed
     */
    @Override
    public void close() {
        container.lock().lock();
        try {
            if (closed) {
                return;
            }
            if (isMapped()) {
                container.disableBusMastering();
            }
            Teardown teardown = new Teardown();
            List.copyOf(mappings).forEach(mapping -> teardown.step(mapping::close));
            teardown.end();
            unregister();
            free();
        } finally {
            container.lock().unlock();
        }
    }

    /** Frees what is not registered, or was until its container's last group left. */
    void free() {
        closed = true;
        container.closed(this);
        int answer = kernel.munmap(allocation, allocatedBytes);
        if (answer != 0) {
            throw VfioException.failed(
                    "free " + this,
                    "munmap(0x%x, 0x%x)".formatted(allocation, allocatedBytes),
                    answer,
                    Cause.unknown());
        }
    }

    /** Follows a container that the kernel has emptied. */
    void gone() {
        registered = false;
        mappings.clear();
        free();
    }

    boolean isMapped() {
        return !mappings.isEmpty();
    }

    boolean belongsTo(Container other) {
        return container == other;
    }

    void mapped(DmaMapping mapping) {
        mappings.add(mapping);
    }

    void unmapped(DmaMapping mapping) {
        mappings.remove(mapping);
    }

    void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the " + this + " is closed");
        }
    }

    /** Its size and address. */
    @Override
    public String toString() {
        return "%s of DMA memory at 0x%x".formatted(ByteSize.format(size), address);
    }
}
