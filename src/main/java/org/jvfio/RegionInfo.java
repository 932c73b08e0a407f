package org.jvfio;

import static org.jvfio.uapi.vfio_h.VFIO_PCI_CONFIG_REGION_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_ROM_REGION_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_REGION_INFO_CAP_MSIX_MAPPABLE;
import static org.jvfio.uapi.vfio_h.VFIO_REGION_INFO_CAP_SPARSE_MMAP;
import static org.jvfio.uapi.vfio_h.VFIO_REGION_INFO_FLAG_CAPS;
import static org.jvfio.uapi.vfio_h.VFIO_REGION_INFO_FLAG_MMAP;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jvfio.VfioException.Kind;
import org.jvfio.ioctl.GetRegionInfo;
import org.jvfio.uapi.vfio_info_cap_header;
import org.jvfio.uapi.vfio_region_info_cap_sparse_mmap;
import org.jvfio.uapi.vfio_region_sparse_mmap_area;

/**
 * The kernel's description of a region with its capabilities ({@code VFIO_DEVICE_GET_REGION_INFO}).
 *
 * @param index {@code VFIO_PCI_*_REGION_INDEX}
 * @param size bytes; 0 if the device does not have the region
 * @param flags {@code VFIO_REGION_INFO_FLAG_*}
 * @param fileOffset where the region begins in the device's file, in bytes
 * @param mappable the parts that can be mapped
 * @param msixMappable whether the MSI-X table is in the region, and may be mapped
 */
record RegionInfo(int index, long size, int flags, long fileOffset, List<RegionArea> mappable, boolean msixMappable) {

    /** A description that is larger is malformed: the kernel's have some hundred bytes. */
    private static final long MAX_BYTES = 1 << 20;

    /**
     * Gets the description of a region.
     *
     * @param name the region, for messages
     * @throws VfioException if the kernel refuses, or its answer is malformed
     */
    static RegionInfo of(Descriptor device, int index, String name) {
        try (Arena arena = Arena.ofConfined()) {
            GetRegionInfo info = GetRegionInfo.of(arena, index);
            get(device, info, name);
            long needed = Integer.toUnsignedLong(info.argsz());
            if ((info.flags() & VFIO_REGION_INFO_FLAG_CAPS) != 0
                    && needed > info.struct().byteSize()) {
                if (needed > MAX_BYTES) {
                    throw malformed(name, "it has %d bytes".formatted(needed));
                }
                info = GetRegionInfo.of(arena, index, needed);
                get(device, info, name);
            }
            return decode(index, info, name);
        }
    }

    /**
     * This description without the pages of the MSI-X table, unless the kernel allows it to be mapped, or has listed
     * what can be: Linux before 4.6 neither says so nor maps these pages.
     */
    RegionInfo without(List<RegionArea> table, PageSize page) {
        boolean whole = mappable.equals(List.of(new RegionArea(0, size)));
        if (table.isEmpty() || msixMappable || !whole) {
            return this;
        }
        long from = table.getFirst().offset() / page.bytes() * page.bytes();
        long to = page.roundUp(table.getFirst().offset() + table.getFirst().size());
        List<RegionArea> parts = new ArrayList<>();
        if (from > 0) {
            parts.add(new RegionArea(0, from));
        }
        if (to < size) {
            parts.add(new RegionArea(to, size - to));
        }
        return new RegionInfo(index, size, flags, fileOffset, List.copyOf(parts), false);
    }

    private static void get(Descriptor device, GetRegionInfo info, String name) {
        int answer = info.call(device);
        if (answer != 0) {
            throw VfioException.failed(
                    "get the description of " + name, info, answer, Cause.of(answer, KnownCauses::access));
        }
    }

    private static RegionInfo decode(int index, GetRegionInfo info, String name) {
        long size = info.size();
        if (size < 0) {
            throw malformed(name, "the region has %s bytes".formatted(Long.toUnsignedString(size)));
        }
        boolean mmap = (info.flags() & VFIO_REGION_INFO_FLAG_MMAP) != 0;
        List<RegionArea> mappable = mmap ? List.of(new RegionArea(0, size)) : List.of();
        boolean msixMappable = false;
        long at = (info.flags() & VFIO_REGION_INFO_FLAG_CAPS) != 0 ? Integer.toUnsignedLong(info.capOffset()) : 0;
        while (at != 0) {
            MemorySegment capability = inside(info.struct(), at, vfio_info_cap_header.sizeof(), name);
            long next = Integer.toUnsignedLong(vfio_info_cap_header.next(capability));
            switch (Short.toUnsignedInt(vfio_info_cap_header.id(capability))) {
                case VFIO_REGION_INFO_CAP_SPARSE_MMAP ->
                    mappable = mmap ? sparseAreas(info.struct(), at, size, name) : List.of();
                case VFIO_REGION_INFO_CAP_MSIX_MAPPABLE -> msixMappable = true;
                default -> {
                    // The others describe regions that are no BARs.
                }
            }
            if (next != 0 && next <= at) {
                throw malformed(name, "its capabilities do not end");
            }
            at = next;
        }
        return new RegionInfo(index, size, info.flags(), info.offset(), mappable, msixMappable);
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
            if (read.size() < 0 || !new RegionArea(0, regionSize).contains(read.offset(), read.size())) {
                throw malformed(name, "the mappable area " + read + " is outside the region");
            }
            // Linux lists one of no bytes for a BAR of which the MSI-X table leaves no page.
            if (read.size() > 0) {
                areas.add(read);
            }
        }
        return List.copyOf(areas);
    }

    private static MemorySegment inside(MemorySegment struct, long at, long bytes, String name) {
        if (at > struct.byteSize() || bytes > struct.byteSize() - at) {
            throw malformed(name, "a capability is outside the %d bytes of the answer".formatted(struct.byteSize()));
        }
        if (at % Long.BYTES != 0) {
            throw malformed(name, "a capability is at byte %d, not a multiple of 8".formatted(at));
        }
        return struct.asSlice(at, bytes);
    }

    private static VfioException malformed(String name, String reason) {
        return new VfioException(
                Kind.KERNEL_REFUSED,
                "get the description of " + name,
                "the kernel's answer is malformed: " + reason,
                "update the kernel");
    }

    boolean isRom() {
        return index == VFIO_PCI_ROM_REGION_INDEX;
    }

    boolean isConfig() {
        return index == VFIO_PCI_CONFIG_REGION_INDEX;
    }

    /** Whether a flag of {@code VFIO_REGION_INFO_FLAG_*} is set. */
    boolean allows(int flag) {
        return (flags & flag) != 0;
    }
}
