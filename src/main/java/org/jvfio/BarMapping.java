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
            long at = offset - start;
            return at >= 0 && at <= size - bytes;
        }
    }

    private record Range(long address, long length) {}

    /** All parts. Its fields are final, so it may be read by a thread without synchronization. */
    private static final class Parts {
        private final @Nullable Part first;
        private final Part[] others;

        Parts(List<Part> all) {
            first = all.isEmpty() ? null : all.getFirst();
            others = all.stream().skip(1).toArray(Part[]::new);
        }

        @Nullable
        Part find(long offset, long bytes) {
            Part found = first;
            return found == null || found.contains(offset, bytes) ? found : findAmongOthers(offset, bytes);
        }

        private @Nullable Part findAmongOthers(long offset, long bytes) {
            for (Part part : others) {
                if (part.contains(offset, bytes)) {
                    return part;
                }
            }
            return null;
        }

        @Nullable
        Part largest() {
            Part largest = first;
            for (Part part : others) {
                if (largest == null || part.size() > largest.size()) {
                    largest = part;
                }
            }
            return largest;
        }
    }

    private final Kernel kernel;
    private final String name;
    private final List<Range> ranges = new ArrayList<>();
    private final RegionInfo info;
    private final PageSize page;
    private final List<RegionArea> reserved;
    // Replaced as a whole when it is mapped again. Not volatile, which costs more than the rest of a lookup: a thread
    // that still reads the former parts finds that their memory is closed. Each access has a fence, which no compiler
    // moves a read across.
    private Parts parts = new Parts(List.of());
    // Of the first part, if it begins with the region, as nearly all do: found with less than a lookup. Replaced as the
    // parts are; the size stays the same.
    private MemorySegment beginning = MemorySegment.NULL;
    private long beginningBytes;

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
        parts = new Parts(mapped);
        if (!mapped.isEmpty() && mapped.getFirst().start() == 0) {
            beginning = mapped.getFirst().memory();
            beginningBytes = mapped.getFirst().size();
        }
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

    /** The memory of the first {@link #beginningBytes} of the region. */
    MemorySegment beginning() {
        return beginning;
    }

    /** How many bytes {@link #beginning} has; 0 if the first part does not begin with the region. */
    long beginningBytes() {
        return beginningBytes;
    }

    /** The part that contains a range; null if none does. Called for each access: allocates nothing. */
    @Nullable
    Part find(long offset, long bytes) {
        return parts.find(offset, bytes);
    }

    /** The largest part; null if there is none. */
    @Nullable
    Part largest() {
        return parts.largest();
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
