package org.jvfio.contract.host;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.jvfio.ioctl.EehPeOp;
import org.jvfio.ioctl.GetTceInfo;
import org.jvfio.ioctl.MapDma;
import org.jvfio.ioctl.RegisterMemory;
import org.jvfio.ioctl.TceCreate;
import org.jvfio.ioctl.TceRemove;
import org.jvfio.ioctl.UnmapDma;
import org.jvfio.ioctl.UnregisterMemory;
import org.jvfio.ioctl.ValueIoctl;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_iommu_type1_dma_unmap;

/** {@code /dev/vfio/vfio}, opened. */
public final class RawContainer extends VfioFile {
    /** Both directions. */
    public static final int READ_WRITE = vfio_h.VFIO_DMA_MAP_FLAG_READ | vfio_h.VFIO_DMA_MAP_FLAG_WRITE;

    public RawContainer(VfioProcess process, int descriptor) {
        super(process, descriptor);
    }

    public int checkExtension(int extension) {
        return call(ValueIoctl.checkExtension(extension));
    }

    public int setIommu(int type) {
        return call(ValueIoctl.setIommu(type));
    }

    /** SPAPR_TCE_GET_INFO, which must succeed. */
    public RawTceInfo info() {
        GetTceInfo info = GetTceInfo.of(process.arena());
        assertEquals(0, call(info));
        return RawTceInfo.of(info);
    }

    /** SPAPR_TCE_GET_INFO of so many bytes: what the kernel returns. */
    public int getInfo(int argsz) {
        return call(GetTceInfo.of(process.arena()).argsz(argsz));
    }

    public int enable() {
        return call(ValueIoctl.enable());
    }

    public int disable() {
        return call(ValueIoctl.disable());
    }

    /** SPAPR_REGISTER_MEMORY. */
    public int register(long vaddr, long size) {
        return call(RegisterMemory.of(process.arena(), vaddr, size));
    }

    public int register(long vaddr, long size, int argsz, int flags) {
        return call(RegisterMemory.of(process.arena(), vaddr, size).argsz(argsz).flags(flags));
    }

    /** SPAPR_UNREGISTER_MEMORY. */
    public int unregister(long vaddr, long size) {
        return call(UnregisterMemory.of(process.arena(), vaddr, size));
    }

    public int unregister(long vaddr, long size, int argsz, int flags) {
        return call(
                UnregisterMemory.of(process.arena(), vaddr, size).argsz(argsz).flags(flags));
    }

    /** MAP_DMA in both directions. */
    public int map(long iova, long vaddr, long size) {
        return map(iova, vaddr, size, READ_WRITE);
    }

    public int map(long iova, long vaddr, long size, int flags) {
        return call(MapDma.of(process.arena(), flags, vaddr, iova, size));
    }

    public int map(long iova, long vaddr, long size, int flags, int argsz) {
        return call(MapDma.of(process.arena(), flags, vaddr, iova, size).argsz(argsz));
    }

    /** UNMAP_DMA; the kernel must leave the struct's size as it is. */
    public int unmap(long iova, long size) {
        return unmap(UnmapDma.of(process.arena(), iova, size), size);
    }

    public int unmap(long iova, long size, int flags, int argsz) {
        return unmap(UnmapDma.of(process.arena(), iova, size).argsz(argsz).flags(flags), size);
    }

    private int unmap(UnmapDma unmap, long size) {
        int answer = call(unmap);
        assertEquals(size, vfio_iommu_type1_dma_unmap.size(unmap.struct()), "UNMAP_DMA writes no size back");
        return answer;
    }

    /** SPAPR_TCE_CREATE, which must succeed: the window's first bus address. */
    public long createWindow(int pageShift, long size, int levels) {
        TceCreate create = creation(pageShift, size, levels);
        assertEquals(0, call(create));
        return create.startAddress();
    }

    public int create(int pageShift, long size, int levels) {
        return call(creation(pageShift, size, levels));
    }

    /** SPAPR_TCE_CREATE, not called yet. */
    public TceCreate creation(int pageShift, long size, int levels) {
        return TceCreate.of(process.arena(), pageShift, size, levels);
    }

    /** SPAPR_TCE_REMOVE of the window that holds {@code address}. */
    public int remove(long address) {
        return call(TceRemove.of(process.arena(), address));
    }

    public int remove(long address, int argsz, int flags) {
        return call(TceRemove.of(process.arena(), address).argsz(argsz).flags(flags));
    }

    /** EEH_PE_OP without an error to inject. */
    public int eeh(int operation) {
        return call(eehOperation(operation));
    }

    /** EEH_PE_OP, not called yet. */
    public EehPeOp eehOperation(int operation) {
        return EehPeOp.of(process.arena(), operation);
    }

    /** EEH_PE_OP that injects an error at any address. */
    public int injectError(int type, int function) {
        return call(eehOperation(vfio_h.VFIO_EEH_PE_INJECT_ERR).error(type, function, 0, 0));
    }
}
