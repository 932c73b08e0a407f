package org.jvfio;

import static org.jvfio.uapi.vfio_h.MAP_SHARED;
import static org.jvfio.uapi.vfio_h.PROT_READ;
import static org.jvfio.uapi.vfio_h.PROT_WRITE;
import static org.jvfio.uapi.vfio_h.VFIO_REGION_INFO_FLAG_READ;
import static org.jvfio.uapi.vfio_h.VFIO_REGION_INFO_FLAG_WRITE;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;

/** The mapped parts of a BAR. */
final class BarMapping {
    /**
     * A mapped part without the MSI-X table.
     *
     * @param start where it begins in the region, in bytes
     * @param size bytes
     * @param memory its bytes
     */
    record Part(long start, long size, MemorySegment memory) {
        boolean contains(long offset, long bytes) {
            return offset >= start && bytes <= size && offset - start <= size - bytes;
        }
    }

    private record Range(long address, long length) {}

    private final Kernel kernel;
    private final String name;
    private final List<Range> ranges = new ArrayList<>();
    private final RegionInfo info;
    private final PageSize page;
    private final List<RegionArea> reserved;
    // Replaced as a whole when it is mapped again.
    private volatile Part[] parts = {};

    private BarMapping(Kernel kernel, String name, RegionInfo info, PageSize page, List<RegionArea> reserved) {
        this.kernel = kernel;
        this.name = name;
        this.info = info;
        this.page = page;
        this.reserved = reserved;
    }

    /**
     * Maps all mappable parts. The caller keeps the device open.
     *
     * @param reserved the parts that are mapped, but not to be accessed by loads and stores
     * @throws VfioException if the kernel refuses; nothing is mapped then
     */
    static BarMapping map(
            Kernel kernel, Descriptor device, String name, RegionInfo info, PageSize page, List<RegionArea> reserved) {
        BarMapping mapping = new BarMapping(kernel, name, info, page, reserved);
        mapping.map(device);
        return mapping;
    }

    /** Maps all parts, again if they were unmapped. */
    void map(Descriptor device) {
        List<Part> mapped = new ArrayList<>();
        try {
            for (RegionArea area : info.mappable()) {
                map(device, area, mapped);
            }
        } catch (RuntimeException e) {
            Teardown teardown = new Teardown();
            unmap(teardown);
            teardown.endSuppressedBy(e);
            throw e;
        }
        parts = mapped.toArray(Part[]::new);
    }

    private void map(Descriptor device, RegionArea area, List<Part> mapped) {
        int protection = (info.allows(VFIO_REGION_INFO_FLAG_READ) ? PROT_READ : 0)
                | (info.allows(VFIO_REGION_INFO_FLAG_WRITE) ? PROT_WRITE : 0);
        // The kernel maps a BAR that is smaller than a page with the rest of its page.
        long length = page.roundUp(area.size());
        long offset = info.fileOffset() + area.offset();
        long address = kernel.mmap(length, protection, MAP_SHARED, device.number(), offset);
        if (Errno.isError(address)) {
            throw VfioException.failed(
                    "map " + name,
                    "mmap(0x%x bytes at 0x%x)".formatted(length, offset),
                    address,
                    Cause.of(address, KnownCauses::access));
        }
        ranges.add(new Range(address, length));
        MemorySegment memory = kernel.memory(address, area.size());
        long from = area.offset();
        long end = area.offset() + area.size();
        for (RegionArea hole : reserved) {
            long holeEnd = hole.offset() + hole.size();
            if (holeEnd > from && hole.offset() < end) {
                add(mapped, area, memory, from, hole.offset());
                from = holeEnd;
            }
        }
        add(mapped, area, memory, from, end);
    }

    private static void add(List<Part> mapped, RegionArea area, MemorySegment memory, long from, long end) {
        if (from < end) {
            mapped.add(new Part(from, end - from, memory.asSlice(from - area.offset(), end - from)));
        }
    }

    /** The part that contains a range; null if none does. Called for each access: allocates nothing. */
    @Nullable
    Part find(long offset, long bytes) {
        for (Part part : parts) {
            if (part.contains(offset, bytes)) {
                return part;
            }
        }
        return null;
    }

    /** The largest part; null if there is none. */
    @Nullable
    Part largest() {
        Part largest = null;
        for (Part part : parts) {
            if (largest == null || part.size() > largest.size()) {
                largest = part;
            }
        }
        return largest;
    }

    /** Unmaps all parts; later accesses of them throw {@link IllegalStateException}. */
    void unmap(Teardown teardown) {
        for (Range range : ranges) {
            teardown.step(() -> {
                int answer = kernel.munmap(range.address(), range.length());
                if (answer != 0) {
                    throw VfioException.failed(
                            "unmap " + name,
                            "munmap(0x%x bytes at 0x%x)".formatted(range.length(), range.address()),
                            answer,
                            Cause.of(answer, Cause::of));
                }
            });
        }
        ranges.clear();
    }
}
