package org.jvfio.observe;

import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.jvfio.ioctl.EehPeOp;
import org.jvfio.ioctl.Feature;
import org.jvfio.ioctl.GetDeviceFd;
import org.jvfio.ioctl.GetDeviceInfo;
import org.jvfio.ioctl.GetGroupStatus;
import org.jvfio.ioctl.GetHotResetInfo;
import org.jvfio.ioctl.GetIrqInfo;
import org.jvfio.ioctl.GetRegionInfo;
import org.jvfio.ioctl.GetTceInfo;
import org.jvfio.ioctl.IoEventFd;
import org.jvfio.ioctl.Ioctl;
import org.jvfio.ioctl.MapDma;
import org.jvfio.ioctl.PciHotReset;
import org.jvfio.ioctl.RegisterMemory;
import org.jvfio.ioctl.SetContainer;
import org.jvfio.ioctl.SetIrqs;
import org.jvfio.ioctl.TceCreate;
import org.jvfio.ioctl.TceRemove;
import org.jvfio.ioctl.UnmapDma;
import org.jvfio.ioctl.UnregisterMemory;
import org.jvfio.ioctl.ValueIoctl;
import org.jvfio.uapi.vfio_device_feature;
import org.jvfio.uapi.vfio_device_info;
import org.jvfio.uapi.vfio_device_ioeventfd;
import org.jvfio.uapi.vfio_eeh_pe_op;
import org.jvfio.uapi.vfio_group_status;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_iommu_spapr_register_memory;
import org.jvfio.uapi.vfio_iommu_spapr_tce_create;
import org.jvfio.uapi.vfio_iommu_spapr_tce_info;
import org.jvfio.uapi.vfio_iommu_spapr_tce_remove;
import org.jvfio.uapi.vfio_iommu_type1_dma_map;
import org.jvfio.uapi.vfio_iommu_type1_dma_unmap;
import org.jvfio.uapi.vfio_irq_info;
import org.jvfio.uapi.vfio_irq_set;
import org.jvfio.uapi.vfio_pci_hot_reset;
import org.jvfio.uapi.vfio_pci_hot_reset_info;
import org.jvfio.uapi.vfio_region_info;

/** Finds the call of a request. What a request means depends on the file. */
final class IoctlDecoder {
    /** A request with a struct. */
    private record Request(FileKind file, int number) {}

    /** A struct: the bytes that it has at least. */
    private record Struct(long bytes, Function<MemorySegment, Ioctl> call) {}

    private static final Map<Request, Struct> STRUCTS = Map.ofEntries(
            Map.entry(
                    new Request(FileKind.CONTAINER, vfio_h.VFIO_IOMMU_SPAPR_TCE_GET_INFO),
                    new Struct(vfio_iommu_spapr_tce_info.sizeof(), GetTceInfo::new)),
            Map.entry(
                    new Request(FileKind.CONTAINER, vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE),
                    new Struct(vfio_iommu_spapr_tce_create.sizeof(), TceCreate::new)),
            Map.entry(
                    new Request(FileKind.CONTAINER, vfio_h.VFIO_IOMMU_SPAPR_TCE_REMOVE),
                    new Struct(vfio_iommu_spapr_tce_remove.sizeof(), TceRemove::new)),
            Map.entry(
                    new Request(FileKind.CONTAINER, vfio_h.VFIO_IOMMU_SPAPR_REGISTER_MEMORY),
                    new Struct(vfio_iommu_spapr_register_memory.sizeof(), RegisterMemory::new)),
            Map.entry(
                    new Request(FileKind.CONTAINER, vfio_h.VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY),
                    new Struct(vfio_iommu_spapr_register_memory.sizeof(), UnregisterMemory::new)),
            Map.entry(
                    new Request(FileKind.CONTAINER, vfio_h.VFIO_IOMMU_MAP_DMA),
                    new Struct(vfio_iommu_type1_dma_map.sizeof(), MapDma::new)),
            Map.entry(
                    new Request(FileKind.CONTAINER, vfio_h.VFIO_IOMMU_UNMAP_DMA),
                    new Struct(vfio_iommu_type1_dma_unmap.sizeof(), UnmapDma::new)),
            Map.entry(
                    new Request(FileKind.CONTAINER, vfio_h.VFIO_EEH_PE_OP),
                    new Struct(vfio_eeh_pe_op.sizeof(), EehPeOp::new)),
            Map.entry(
                    new Request(FileKind.GROUP, vfio_h.VFIO_GROUP_GET_STATUS),
                    new Struct(vfio_group_status.sizeof(), GetGroupStatus::new)),
            Map.entry(
                    new Request(FileKind.GROUP, vfio_h.VFIO_GROUP_SET_CONTAINER),
                    new Struct(Integer.BYTES, SetContainer::new)),
            Map.entry(new Request(FileKind.GROUP, vfio_h.VFIO_GROUP_GET_DEVICE_FD), new Struct(1, GetDeviceFd::new)),
            Map.entry(
                    new Request(FileKind.DEVICE, vfio_h.VFIO_DEVICE_GET_INFO),
                    new Struct(vfio_device_info.sizeof(), GetDeviceInfo::new)),
            Map.entry(
                    new Request(FileKind.DEVICE, vfio_h.VFIO_DEVICE_GET_REGION_INFO),
                    new Struct(vfio_region_info.sizeof(), GetRegionInfo::new)),
            Map.entry(
                    new Request(FileKind.DEVICE, vfio_h.VFIO_DEVICE_GET_IRQ_INFO),
                    new Struct(vfio_irq_info.sizeof(), GetIrqInfo::new)),
            Map.entry(
                    new Request(FileKind.DEVICE, vfio_h.VFIO_DEVICE_SET_IRQS),
                    new Struct(vfio_irq_set.sizeof(), SetIrqs::new)),
            Map.entry(
                    new Request(FileKind.DEVICE, vfio_h.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO),
                    new Struct(vfio_pci_hot_reset_info.sizeof(), GetHotResetInfo::new)),
            Map.entry(
                    new Request(FileKind.DEVICE, vfio_h.VFIO_DEVICE_PCI_HOT_RESET),
                    new Struct(vfio_pci_hot_reset.sizeof(), PciHotReset::new)),
            Map.entry(
                    new Request(FileKind.DEVICE, vfio_h.VFIO_DEVICE_IOEVENTFD),
                    new Struct(vfio_device_ioeventfd.sizeof(), IoEventFd::new)),
            Map.entry(
                    new Request(FileKind.DEVICE, vfio_h.VFIO_DEVICE_FEATURE),
                    new Struct(vfio_device_feature.sizeof(), Feature::new)));

    private static final Map<Request, String> VALUES = Map.of(
            new Request(FileKind.CONTAINER, vfio_h.VFIO_GET_API_VERSION), "VFIO_GET_API_VERSION",
            new Request(FileKind.CONTAINER, vfio_h.VFIO_CHECK_EXTENSION), "VFIO_CHECK_EXTENSION",
            new Request(FileKind.CONTAINER, vfio_h.VFIO_SET_IOMMU), "VFIO_SET_IOMMU",
            new Request(FileKind.CONTAINER, vfio_h.VFIO_IOMMU_ENABLE), "VFIO_IOMMU_ENABLE",
            new Request(FileKind.CONTAINER, vfio_h.VFIO_IOMMU_DISABLE), "VFIO_IOMMU_DISABLE",
            new Request(FileKind.GROUP, vfio_h.VFIO_GROUP_UNSET_CONTAINER), "VFIO_GROUP_UNSET_CONTAINER",
            new Request(FileKind.DEVICE, vfio_h.VFIO_DEVICE_RESET), "VFIO_DEVICE_RESET");

    private IoctlDecoder() {}

    /** The call of a struct's bytes; empty if the request is not known, or the struct is shorter than it has to be. */
    static Optional<Ioctl> decode(FileKind file, int request, byte[] struct) {
        Struct known = STRUCTS.get(new Request(file, request));
        return known == null || struct.length < known.bytes
                ? Optional.empty()
                : Optional.of(known.call.apply(aligned(struct)));
    }

    /** The call with an argument; empty if the request is not known. */
    static Optional<Ioctl> decode(FileKind file, int request, long argument) {
        @Nullable String name = VALUES.get(new Request(file, request));
        return name == null ? Optional.empty() : Optional.of(new ValueIoctl(name, request, argument));
    }

    /** The same bytes at an address that the accessors of structs take. */
    private static MemorySegment aligned(byte[] struct) {
        MemorySegment words = MemorySegment.ofArray(new long[(struct.length + Long.BYTES - 1) / Long.BYTES]);
        return words.asSlice(0, struct.length).copyFrom(MemorySegment.ofArray(struct));
    }
}
