package org.jvfio.emulator;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_info_cap_header;
import org.jvfio.uapi.vfio_region_info_cap_sparse_mmap;
import org.jvfio.uapi.vfio_region_sparse_mmap_area;

/** The mappings of the BARs of a device by its users: {@code vfio_pci_core_mmap} and what region info says of them. */
final class BarMappings {
    private final EmulatedHost host;
    private final PciFunction function;
    private final long pageBytes;
    private final int pageShift;

    BarMappings(EmulatedHost host, PciFunction function) {
        this.host = host;
        this.function = function;
        this.pageShift = host.machine().pageShift();
        this.pageBytes = 1L << pageShift;
    }

    /** A part of a BAR, in bytes. */
    private record Area(long offset, long size) {}

    /**
     * A capability of region info.
     *
     * @param id {@code VFIO_REGION_INFO_CAP_*}; 0 for no capability
     * @param areas the parts that can be mapped, if it lists them
     */
    record Capability(int id, List<Area> areas) {
        static final Capability NONE = new Capability(0, List.of());

        int bytes() {
            return switch (id) {
                case 0 -> 0;
                case vfio_h.VFIO_REGION_INFO_CAP_SPARSE_MMAP ->
                    (int) (vfio_region_info_cap_sparse_mmap.areas$offset()
                            + areas.size() * vfio_region_sparse_mmap_area.sizeof());
                default -> (int) vfio_info_cap_header.sizeof();
            };
        }

        int flag() {
            return id == 0 ? 0 : vfio_h.VFIO_REGION_INFO_FLAG_CAPS;
        }

        /** Writes it as the only one, {@code at} bytes from the beginning of the struct. */
        void write(MemorySegment into, int at) {
            vfio_info_cap_header.id(into, (short) id);
            vfio_info_cap_header.version(into, (short) 1);
            if (id != vfio_h.VFIO_REGION_INFO_CAP_SPARSE_MMAP) {
                return;
            }
            vfio_region_info_cap_sparse_mmap.nr_areas(into, areas.size());
            MemorySegment all = into.asSlice(vfio_region_info_cap_sparse_mmap.areas$offset());
            for (int each = 0; each < areas.size(); each++) {
                MemorySegment area = vfio_region_sparse_mmap_area.asSlice(all, each);
                vfio_region_sparse_mmap_area.offset(area, areas.get(each).offset());
                vfio_region_sparse_mmap_area.size(area, areas.get(each).size());
            }
        }
    }

    boolean isMappable(int bar) {
        return function.bars().mappable(bar) != null;
    }

    /** What region info says of the MSI-X table in a BAR that can be mapped. */
    Capability capability(int bar) {
        if (!function.bars().hasTable(bar)) {
            return Capability.NONE;
        }
        KernelVersion kernel = host.machine().kernel();
        if (kernel.mapsMsixTable()) {
            return new Capability(vfio_h.VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, List.of());
        }
        return kernel.listsMappableParts()
                ? new Capability(vfio_h.VFIO_REGION_INFO_CAP_SPARSE_MMAP, aroundTable(bar))
                : Capability.NONE;
    }

    /** {@code msix_sparse_mmap_cap}: a table that leaves no page makes one part of no bytes. */
    private List<Area> aroundTable(int bar) {
        long first = function.bars().tableStart() & -pageBytes;
        long last = roundUp(function.bars().tableEnd());
        long end = function.bars().bytes(bar);
        List<Area> areas = new ArrayList<>();
        if (first > 0) {
            areas.add(new Area(0, first));
        }
        if (last < end) {
            areas.add(new Area(last, end - last));
        }
        return areas.isEmpty() ? List.of(new Area(0, 0)) : areas;
    }

    private long roundUp(long bytes) {
        return (bytes + pageBytes - 1) & -pageBytes;
    }

    /**
     * Maps a part of a BAR.
     *
     * @param offset in the BAR, in bytes
     * @param freed called when no part of the mapping is left
     * @return the address, or a negated errno
     */
    @SuppressWarnings("MustBeClosedChecker") // closed by the Backing
    long map(Mm mm, int bar, long offset, long length, int protection, int flags, Runnable freed) {
        BarMemory memory = function.bars().mappable(bar);
        boolean shared = (flags & (vfio_h.MAP_SHARED | vfio_h.MAP_PRIVATE)) == vfio_h.MAP_SHARED;
        long most = roundUp(function.bars().bytes(bar));
        if (memory == null
                || !shared
                || length <= 0
                || offset % pageBytes != 0
                || offset >= most
                || length > most - offset
                || isRefused(bar, offset, roundUp(length))) {
            return Errno.EINVAL.negated();
        }
        Arena arena = Arena.ofShared();
        MemorySegment mapped;
        try {
            mapped = memory.map(offset, roundUp(length), (protection & vfio_h.PROT_WRITE) != 0, arena);
        } catch (RuntimeException | Error failure) {
            arena.close();
            throw failure;
        }
        host.mapped(function);
        Backing backing = Backing.ofBar(pageShift, arena, mapped, () -> {
            memory.unmapped();
            host.unmapped(function);
            freed.run();
        });
        return mm.addresses().map(backing, protection, true);
    }

    /** Whether the mapping has a page of the MSI-X table, which only newer kernels allow. */
    private boolean isRefused(int bar, long offset, long length) {
        return function.bars().hasTable(bar)
                && !host.machine().kernel().mapsMsixTable()
                && offset < roundUp(function.bars().tableEnd())
                && offset + length > (function.bars().tableStart() & -pageBytes);
    }
}
