package org.jvfio.contract.host;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.MemorySegment;
import org.jvfio.uapi.vfio_eeh_pe_err;
import org.jvfio.uapi.vfio_eeh_pe_op;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_iommu_spapr_register_memory;
import org.jvfio.uapi.vfio_iommu_spapr_tce_create;
import org.jvfio.uapi.vfio_iommu_spapr_tce_info;
import org.jvfio.uapi.vfio_iommu_spapr_tce_remove;
import org.jvfio.uapi.vfio_iommu_type1_dma_map;
import org.jvfio.uapi.vfio_iommu_type1_dma_unmap;

/** {@code /dev/vfio/vfio}, opened. */
public final class RawContainer extends VfioFile {
    /** Both directions. */
    public static final int READ_WRITE = vfio_h.VFIO_DMA_MAP_FLAG_READ | vfio_h.VFIO_DMA_MAP_FLAG_WRITE;

    public RawContainer(VfioProcess process, int descriptor) {
        super(process, descriptor);
    }

    public int checkExtension(int extension) {
        return ioctl(vfio_h.VFIO_CHECK_EXTENSION, extension);
    }

    public int setIommu(int type) {
        return ioctl(vfio_h.VFIO_SET_IOMMU, type);
    }

    /** SPAPR_TCE_GET_INFO, which must succeed. */
    public RawTceInfo info() {
        MemorySegment info = infoStruct((int) vfio_iommu_spapr_tce_info.sizeof());
        assertEquals(0, getInfo(info));
        return RawTceInfo.of(info);
    }

    public MemorySegment infoStruct(int argsz) {
        MemorySegment info = process.struct(vfio_iommu_spapr_tce_info.layout());
        vfio_iommu_spapr_tce_info.argsz(info, argsz);
        return info;
    }

    public int getInfo(MemorySegment info) {
        return ioctl(vfio_h.VFIO_IOMMU_SPAPR_TCE_GET_INFO, info);
    }

    public int enable() {
        return ioctl(vfio_h.VFIO_IOMMU_ENABLE, 0);
    }

    public int disable() {
        return ioctl(vfio_h.VFIO_IOMMU_DISABLE, 0);
    }

    /** SPAPR_REGISTER_MEMORY. */
    public int register(long vaddr, long size) {
        return register(vaddr, size, (int) vfio_iommu_spapr_register_memory.sizeof(), 0);
    }

    public int register(long vaddr, long size, int argsz, int flags) {
        return ioctl(vfio_h.VFIO_IOMMU_SPAPR_REGISTER_MEMORY, registration(vaddr, size, argsz, flags));
    }

    /** SPAPR_UNREGISTER_MEMORY. */
    public int unregister(long vaddr, long size) {
        return unregister(vaddr, size, (int) vfio_iommu_spapr_register_memory.sizeof(), 0);
    }

    public int unregister(long vaddr, long size, int argsz, int flags) {
        return ioctl(vfio_h.VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, registration(vaddr, size, argsz, flags));
    }

    private MemorySegment registration(long vaddr, long size, int argsz, int flags) {
        MemorySegment struct = process.struct(vfio_iommu_spapr_register_memory.layout());
        vfio_iommu_spapr_register_memory.argsz(struct, argsz);
        vfio_iommu_spapr_register_memory.flags(struct, flags);
        vfio_iommu_spapr_register_memory.vaddr(struct, vaddr);
        vfio_iommu_spapr_register_memory.size(struct, size);
        return struct;
    }

    /** MAP_DMA of whole pages at {@code iova}, in both directions. */
    public int map(long iova, long vaddr, long size) {
        return map(iova, vaddr, size, READ_WRITE);
    }

    public int map(long iova, long vaddr, long size, int flags) {
        return map(iova, vaddr, size, flags, (int) vfio_iommu_type1_dma_map.sizeof());
    }

    public int map(long iova, long vaddr, long size, int flags, int argsz) {
        MemorySegment map = process.struct(vfio_iommu_type1_dma_map.layout());
        vfio_iommu_type1_dma_map.argsz(map, argsz);
        vfio_iommu_type1_dma_map.flags(map, flags);
        vfio_iommu_type1_dma_map.vaddr(map, vaddr);
        vfio_iommu_type1_dma_map.iova(map, iova);
        vfio_iommu_type1_dma_map.size(map, size);
        return ioctl(vfio_h.VFIO_IOMMU_MAP_DMA, map);
    }

    /** UNMAP_DMA; the kernel leaves the struct's size as it is. */
    public int unmap(long iova, long size) {
        return unmap(iova, size, 0, (int) vfio_iommu_type1_dma_unmap.sizeof());
    }

    public int unmap(long iova, long size, int flags, int argsz) {
        MemorySegment unmap = process.struct(vfio_iommu_type1_dma_unmap.layout());
        vfio_iommu_type1_dma_unmap.argsz(unmap, argsz);
        vfio_iommu_type1_dma_unmap.flags(unmap, flags);
        vfio_iommu_type1_dma_unmap.iova(unmap, iova);
        vfio_iommu_type1_dma_unmap.size(unmap, size);
        int answer = ioctl(vfio_h.VFIO_IOMMU_UNMAP_DMA, unmap);
        assertEquals(size, vfio_iommu_type1_dma_unmap.size(unmap), "UNMAP_DMA writes no size back");
        return answer;
    }

    /** SPAPR_TCE_CREATE, which must succeed: the window's first bus address. */
    public long createWindow(int pageShift, long size, int levels) {
        MemorySegment create = creation(pageShift, size, levels);
        assertEquals(0, ioctl(vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE, create));
        return vfio_iommu_spapr_tce_create.start_addr(create);
    }

    public int create(int pageShift, long size, int levels) {
        return ioctl(vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE, creation(pageShift, size, levels));
    }

    public int create(MemorySegment create) {
        return ioctl(vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE, create);
    }

    public MemorySegment creation(int pageShift, long size, int levels) {
        MemorySegment create = process.struct(vfio_iommu_spapr_tce_create.layout());
        vfio_iommu_spapr_tce_create.argsz(create, (int) vfio_iommu_spapr_tce_create.sizeof());
        vfio_iommu_spapr_tce_create.page_shift(create, pageShift);
        vfio_iommu_spapr_tce_create.window_size(create, size);
        vfio_iommu_spapr_tce_create.levels(create, levels);
        return create;
    }

    /** SPAPR_TCE_REMOVE of the window that holds {@code address}. */
    public int remove(long address) {
        return remove(address, (int) vfio_iommu_spapr_tce_remove.sizeof(), 0);
    }

    public int remove(long address, int argsz, int flags) {
        MemorySegment remove = process.struct(vfio_iommu_spapr_tce_remove.layout());
        vfio_iommu_spapr_tce_remove.argsz(remove, argsz);
        vfio_iommu_spapr_tce_remove.flags(remove, flags);
        vfio_iommu_spapr_tce_remove.start_addr(remove, address);
        return ioctl(vfio_h.VFIO_IOMMU_SPAPR_TCE_REMOVE, remove);
    }

    /** EEH_PE_OP without an error to inject. */
    public int eeh(int operation) {
        return eeh(eehOperation(operation));
    }

    public int eeh(MemorySegment operation) {
        return ioctl(vfio_h.VFIO_EEH_PE_OP, operation);
    }

    public MemorySegment eehOperation(int operation) {
        MemorySegment struct = process.struct(vfio_eeh_pe_op.layout());
        vfio_eeh_pe_op.argsz(struct, (int) vfio_eeh_pe_op.sizeof());
        vfio_eeh_pe_op.op(struct, operation);
        return struct;
    }

    /** EEH_PE_OP that asks for an error at any address. */
    public int injectError(int type, int function) {
        MemorySegment operation = eehOperation(vfio_h.VFIO_EEH_PE_INJECT_ERR);
        MemorySegment error = vfio_eeh_pe_op.err(operation);
        vfio_eeh_pe_err.type(error, type);
        vfio_eeh_pe_err.func(error, function);
        return eeh(operation);
    }
}
