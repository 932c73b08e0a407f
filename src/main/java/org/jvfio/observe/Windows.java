package org.jvfio.observe;

import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.TreeMap;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_iommu_spapr_tce_create;
import org.jvfio.uapi.vfio_iommu_spapr_tce_info;
import org.jvfio.uapi.vfio_iommu_spapr_tce_remove;
import org.jvfio.uapi.vfio_iommu_type1_dma_map;
import org.jvfio.uapi.vfio_iommu_type1_dma_unmap;

/** The windows of containers and what is mapped in them, as the calls of a trace show it. */
final class Windows {
    /** A window of a container. */
    static final class Window {
        private final int container;
        private final long start;
        private final long size;
        private long mapped;

        private Window(int container, long start, long size) {
            this.container = container;
            this.start = start;
            this.size = size;
        }

        long start() {
            return start;
        }

        int container() {
            return container;
        }

        /** Bytes. */
        long size() {
            return size;
        }

        /** Bytes that are mapped. */
        long mapped() {
            return mapped;
        }
    }

    /** A change of a window's mappings. {@code start} and {@code size} are of the mapping. */
    record Change(Window window, boolean maps, long start, long size) {}

    private final Map<Integer, NavigableMap<Long, Window>> windows = new TreeMap<>();

    /** Takes note of a call that has ended: the change of mappings, if it has made one. */
    Optional<Change> ended(RecordedCall call) {
        if (call.failed() || call.result() != 0) {
            return Optional.empty();
        }
        if (call.kind() == CallKind.CLOSE) {
            windows.remove(call.descriptor());
        }
        if (call.kind() != CallKind.IOCTL || call.fileKind() != FileKind.CONTAINER) {
            return Optional.empty();
        }
        MemorySegment struct = struct(call.after());
        long bytes = struct.byteSize();
        int container = call.descriptor();
        switch ((int) call.request()) {
            case vfio_h.VFIO_IOMMU_SPAPR_TCE_GET_INFO -> {
                if (bytes >= vfio_iommu_spapr_tce_info.sizeof()) {
                    add(
                            container,
                            Integer.toUnsignedLong(vfio_iommu_spapr_tce_info.dma32_window_start(struct)),
                            Integer.toUnsignedLong(vfio_iommu_spapr_tce_info.dma32_window_size(struct)));
                }
            }
            case vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE -> {
                if (bytes >= vfio_iommu_spapr_tce_create.sizeof()) {
                    add(
                            container,
                            vfio_iommu_spapr_tce_create.start_addr(struct),
                            vfio_iommu_spapr_tce_create.window_size(struct));
                }
            }
            case vfio_h.VFIO_IOMMU_SPAPR_TCE_REMOVE -> {
                if (bytes >= vfio_iommu_spapr_tce_remove.sizeof()) {
                    of(container).remove(vfio_iommu_spapr_tce_remove.start_addr(struct));
                }
            }
            case vfio_h.VFIO_IOMMU_MAP_DMA -> {
                if (bytes >= vfio_iommu_type1_dma_map.sizeof()) {
                    return change(
                            container,
                            true,
                            vfio_iommu_type1_dma_map.iova(struct),
                            vfio_iommu_type1_dma_map.size(struct));
                }
            }
            case vfio_h.VFIO_IOMMU_UNMAP_DMA -> {
                if (bytes >= vfio_iommu_type1_dma_unmap.sizeof()) {
                    return change(
                            container,
                            false,
                            vfio_iommu_type1_dma_unmap.iova(struct),
                            vfio_iommu_type1_dma_unmap.size(struct));
                }
            }
            default -> {
                // The others change no window.
            }
        }
        return Optional.empty();
    }

    static MemorySegment struct(byte[] bytes) {
        return MemorySegment.ofArray(new long[(bytes.length + Long.BYTES - 1) / Long.BYTES])
                .asSlice(0, bytes.length)
                .copyFrom(MemorySegment.ofArray(bytes));
    }

    private NavigableMap<Long, Window> of(int container) {
        return windows.computeIfAbsent(container, _ -> new TreeMap<>(Long::compareUnsigned));
    }

    private void add(int container, long start, long size) {
        if (size != 0) {
            of(container).putIfAbsent(start, new Window(container, start, size));
        }
    }

    private Optional<Change> change(int container, boolean maps, long start, long size) {
        Map.Entry<Long, Window> found = of(container).floorEntry(start);
        if (found == null || start - found.getKey() >= found.getValue().size) {
            return Optional.empty();
        }
        Window window = found.getValue();
        window.mapped = Math.max(0, window.mapped + (maps ? size : -size));
        return Optional.of(new Change(window, maps, start, size));
    }
}
