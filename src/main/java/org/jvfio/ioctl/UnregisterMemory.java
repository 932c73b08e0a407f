package org.jvfio.ioctl;

import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;

/**
 * Unpins memory, exactly as it was registered: {@code VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY} of a container.
 *
 * @param registration the arguments, which are those of {@link RegisterMemory}
 */
public record UnregisterMemory(RegisterMemory registration) implements Ioctl {

    /** Allocates and fills a struct. */
    public static UnregisterMemory of(SegmentAllocator allocator, long vaddr, long size) {
        return new UnregisterMemory(RegisterMemory.of(allocator, vaddr, size));
    }

    /** @param struct a {@code vfio_iommu_spapr_register_memory} */
    public UnregisterMemory(MemorySegment struct) {
        this(new RegisterMemory(struct));
    }

    /** Overwrites {@code argsz}, in bytes. */
    public UnregisterMemory argsz(int argsz) {
        registration.argsz(argsz);
        return this;
    }

    /** Overwrites {@code flags}. */
    public UnregisterMemory flags(int flags) {
        registration.flags(flags);
        return this;
    }

    @Override
    public int request() {
        return VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY;
    }

    @Override
    public int call(IoctlFile file) {
        return file.ioctl(VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, registration.struct());
    }

    @Override
    public String toString() {
        return registration.describe("VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY");
    }
}
