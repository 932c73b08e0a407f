package org.jvfio.ioctl;

import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_REGISTER_MEMORY;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import org.jvfio.uapi.vfio_iommu_spapr_register_memory;

/**
 * Pins memory of this process and charges it as locked: {@code VFIO_IOMMU_SPAPR_REGISTER_MEMORY} of a container. A
 * positive result counts the pages that could be pinned when not all could.
 *
 * @param struct a {@code vfio_iommu_spapr_register_memory}
 */
public record RegisterMemory(MemorySegment struct) implements Ioctl {

    /** Allocates and fills a struct. */
    public static RegisterMemory of(SegmentAllocator allocator, long vaddr, long size) {
        return new RegisterMemory(allocator.allocate(vfio_iommu_spapr_register_memory.layout())).fill(vaddr, size);
    }

    /** Fills the struct. */
    public RegisterMemory fill(long vaddr, long size) {
        vfio_iommu_spapr_register_memory.argsz(struct, (int) vfio_iommu_spapr_register_memory.sizeof());
        vfio_iommu_spapr_register_memory.flags(struct, 0);
        vfio_iommu_spapr_register_memory.vaddr(struct, vaddr);
        vfio_iommu_spapr_register_memory.size(struct, size);
        return this;
    }

    /** Overwrites {@code argsz}, in bytes. */
    public RegisterMemory argsz(int argsz) {
        vfio_iommu_spapr_register_memory.argsz(struct, argsz);
        return this;
    }

    /** Overwrites {@code flags}. */
    public RegisterMemory flags(int flags) {
        vfio_iommu_spapr_register_memory.flags(struct, flags);
        return this;
    }

    @Override
    public int request() {
        return VFIO_IOMMU_SPAPR_REGISTER_MEMORY;
    }

    @Override
    public int call(IoctlFile file) {
        return file.ioctl(VFIO_IOMMU_SPAPR_REGISTER_MEMORY, struct);
    }

    @Override
    public String toString() {
        return describe("VFIO_IOMMU_SPAPR_REGISTER_MEMORY");
    }

    String describe(String name) {
        return new CallText(name)
                .hex("vaddr", vfio_iommu_spapr_register_memory.vaddr(struct))
                .hex("size", vfio_iommu_spapr_register_memory.size(struct))
                .argsz(vfio_iommu_spapr_register_memory.argsz(struct), vfio_iommu_spapr_register_memory.sizeof())
                .noFlags(vfio_iommu_spapr_register_memory.flags(struct))
                .toString();
    }
}
