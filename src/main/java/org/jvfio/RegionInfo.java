package org.jvfio;

import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_GET_REGION_INFO;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_ROM_REGION_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_REGION_INFO_CAP_MSIX_MAPPABLE;
import static org.jvfio.uapi.vfio_h.VFIO_REGION_INFO_CAP_SPARSE_MMAP;
import static org.jvfio.uapi.vfio_h.VFIO_REGION_INFO_FLAG_CAPS;
import static org.jvfio.uapi.vfio_h.VFIO_REGION_INFO_FLAG_MMAP;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jvfio.uapi.vfio_info_cap_header;
import org.jvfio.uapi.vfio_region_info;
import org.jvfio.uapi.vfio_region_info_cap_sparse_mmap;
import org.jvfio.uapi.vfio_region_sparse_mmap_area;

/**
 * What the kernel says of a region ({@code VFIO_DEVICE_GET_REGION_INFO}), with its capabilities.
 *
 * @param index which region of the device: {@code VFIO_PCI_*_REGION_INDEX}
 * @param size bytes; 0 if the device does not have it
 * @param flags {@code VFIO_REGION_INFO_FLAG_*}
 * @param fileOffset where it begins in the device's file
 * @param mappable what of it can be mapped
 * @param msixMappable whether the MSI-X table is in it, and in what can be mapped
 */
record RegionInfo(int index, long size, int flags, long fileOffset, List<RegionArea> mappable, boolean msixMappable) {

    static RegionInfo of(Descriptor device, int index, String name) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = arena.allocate(vfio_region_info.layout());
            ask(device, index, name, struct);
            long needed = Integer.toUnsignedLong(vfio_region_info.argsz(struct));
            if ((vfio_region_info.flags(struct) & VFIO_REGION_INFO_FLAG_CAPS) != 0 && needed > struct.byteSize()) {
                struct = arena.allocate(needed, Long.BYTES);
                ask(device, index, name, struct);
            }
            return read(struct, name);
        }
    }

    private static void ask(Descriptor device, int index, String name, MemorySegment struct) {
        vfio_region_info.argsz(struct, (int) struct.byteSize());
        vfio_region_info.index(struct, index);
        int answer = device.ioctl(VFIO_DEVICE_GET_REGION_INFO, struct);
        if (answer != 0) {
            throw VfioException.failed(
                    "use " + name,
                    "VFIO_DEVICE_GET_REGION_INFO(index " + index + ")",
                    answer,
                    VfioException.errnoOf(answer).map(KnownCauses::access).orElseGet(Cause::unknown));
        }
    }

    private static RegionInfo read(MemorySegment struct, String name) {
        long size = vfio_region_info.size(struct);
        int flags = vfio_region_info.flags(struct);
        boolean mmap = (flags & VFIO_REGION_INFO_FLAG_MMAP) != 0;
        List<RegionArea> mappable = mmap ? List.of(new RegionArea(0, size)) : List.of();
        boolean msixMappable = false;
        long at = (flags & VFIO_REGION_INFO_FLAG_CAPS) != 0
                ? Integer.toUnsignedLong(vfio_region_info.cap_offset(struct))
                : 0;
        while (at != 0) {
            MemorySegment capability = inside(struct, at, vfio_info_cap_header.sizeof(), name);
            long next = Integer.toUnsignedLong(vfio_info_cap_header.next(capability));
            switch (Short.toUnsignedInt(vfio_info_cap_header.id(capability))) {
                case VFIO_REGION_INFO_CAP_SPARSE_MMAP ->
                    mappable = mmap ? sparseAreas(struct, at, size, name) : List.of();
                case VFIO_REGION_INFO_CAP_MSIX_MAPPABLE -> msixMappable = true;
                default -> {
                    // It says more of what is no BAR.
                }
            }
            if (next != 0 && next <= at) {
                throw malformed(name, "its capabilities do not end");
            }
            at = next;
        }
        return new RegionInfo(
                vfio_region_info.index(struct), size, flags, vfio_region_info.offset(struct), mappable, msixMappable);
    }

    private static List<RegionArea> sparseAreas(MemorySegment struct, long at, long regionSize, String name) {
        long headerBytes = vfio_region_info_cap_sparse_mmap.areas$offset();
        MemorySegment header = inside(struct, at, headerBytes, name);
        long count = Integer.toUnsignedLong(vfio_region_info_cap_sparse_mmap.nr_areas(header));
        MemorySegment all = inside(struct, at + headerBytes, count * vfio_region_sparse_mmap_area.sizeof(), name);
        List<RegionArea> areas = new ArrayList<>();
        for (int each = 0; each < count; each++) {
            MemorySegment area = vfio_region_sparse_mmap_area.asSlice(all, each);
            RegionArea read =
                    new RegionArea(vfio_region_sparse_mmap_area.offset(area), vfio_region_sparse_mmap_area.size(area));
            if (!new RegionArea(0, regionSize).contains(read.offset(), read.size())) {
                throw malformed(name, read + " of it is outside");
            }
            areas.add(read);
        }
        return List.copyOf(areas);
    }

    private static MemorySegment inside(MemorySegment struct, long at, long bytes, String name) {
        if (at > struct.byteSize() || bytes > struct.byteSize() - at) {
            throw malformed(name, "a capability is outside of the %d bytes of them".formatted(struct.byteSize()));
        }
        return struct.asSlice(at, bytes);
    }

    private static VfioException malformed(String name, String reason) {
        return new VfioException("use " + name, "the kernel describes it wrongly: " + reason, "update the kernel");
    }

    boolean isRom() {
        return index == VFIO_PCI_ROM_REGION_INDEX;
    }

    boolean allows(int flag) {
        return (flags & flag) != 0;
    }
}
