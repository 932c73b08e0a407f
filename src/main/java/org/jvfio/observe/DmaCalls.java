package org.jvfio.observe;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_iommu_spapr_tce_create;
import org.jvfio.uapi.vfio_iommu_spapr_tce_info;
import org.jvfio.uapi.vfio_iommu_spapr_tce_remove;
import org.jvfio.uapi.vfio_iommu_type1_dma_map;
import org.jvfio.uapi.vfio_iommu_type1_dma_unmap;

/** Collects the calls that changed DMA address spaces, of those that had no error. */
final class DmaCalls implements CallDecoder.Listener {
    private static final String CONTAINER = "/dev/vfio/vfio";
    private static final String GROUPS = "/dev/vfio/";
    /** Of the default window, whose pages no call tells. */
    private static final int DEFAULT_PAGE_SHIFT = 12;

    private final List<DmaCall> calls = new ArrayList<>();
    /** The open containers, by descriptor. */
    private final Map<Integer, Container> containers = new HashMap<>();
    /** The containers of the groups that are attached, by the group's descriptor. */
    private final Map<Integer, Container> groups = new HashMap<>();

    private int count;

    /** An open container. */
    private static final class Container {
        private final int number;
        private int attached;
        private boolean toldDefault;

        private Container(int number) {
            this.number = number;
        }
    }

    List<DmaCall> calls() {
        return List.copyOf(calls);
    }

    @Override
    public void ended(RecordedCall call) {
        if (call.failed()) {
            return;
        }
        switch (call.kind()) {
            case OPEN -> {
                if (call.text().equals(CONTAINER)) {
                    count++;
                    containers.put((int) call.result(), new Container(count));
                }
            }
            case CLOSE -> {
                leave(call);
                Container closed = containers.remove(call.descriptor());
                if (closed != null && closed.attached > 0) {
                    closed.attached = 0;
                    calls.add(new DmaCall.Released(closed.number, call.endNanos()));
                }
            }
            case IOCTL, IOCTL_VALUE -> {
                if (call.result() == 0) {
                    ioctl(call);
                }
            }
            default -> {
                // The others change no address space.
            }
        }
    }

    private void ioctl(RecordedCall call) {
        if (call.fileKind() == FileKind.GROUP) {
            switch ((int) call.request()) {
                case vfio_h.VFIO_GROUP_SET_CONTAINER -> enter(call);
                case vfio_h.VFIO_GROUP_UNSET_CONTAINER -> leave(call);
                default -> {
                    // The others change no address space.
                }
            }
        }
        Container container = containers.get(call.descriptor());
        if (container != null && call.kind() == CallKind.IOCTL) {
            change(container, call);
        }
    }

    private void enter(RecordedCall call) {
        MemorySegment struct = Windows.struct(call.given());
        Container container =
                struct.byteSize() < Integer.BYTES ? null : containers.get(struct.get(RecordFormat.INT, 0));
        String group = call.file().substring(GROUPS.length());
        if (container != null && group.matches("[0-9]{1,9}")) {
            container.attached++;
            groups.put(call.descriptor(), container);
            calls.add(new DmaCall.Attached(container.number, call.endNanos(), Integer.parseInt(group)));
        }
    }

    private void leave(RecordedCall call) {
        Container container = groups.remove(call.descriptor());
        if (container == null || container.attached == 0) {
            return;
        }
        container.attached--;
        if (container.attached == 0) {
            container.toldDefault = false;
            calls.add(new DmaCall.Released(container.number, call.endNanos()));
        }
    }

    private void change(Container container, RecordedCall call) {
        int number = container.number;
        long nanos = call.endNanos();
        switch ((int) call.request()) {
            case vfio_h.VFIO_IOMMU_SPAPR_TCE_GET_INFO -> {
                if (!container.toldDefault) {
                    container.toldDefault = true;
                    add(
                            call,
                            vfio_iommu_spapr_tce_info.sizeof(),
                            struct -> new DmaCall.WindowCreated(
                                    number,
                                    nanos,
                                    Integer.toUnsignedLong(vfio_iommu_spapr_tce_info.dma32_window_start(struct)),
                                    Integer.toUnsignedLong(vfio_iommu_spapr_tce_info.dma32_window_size(struct)),
                                    DEFAULT_PAGE_SHIFT));
                }
            }
            case vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE ->
                add(
                        call,
                        vfio_iommu_spapr_tce_create.sizeof(),
                        struct -> new DmaCall.WindowCreated(
                                number,
                                nanos,
                                vfio_iommu_spapr_tce_create.start_addr(struct),
                                vfio_iommu_spapr_tce_create.window_size(struct),
                                vfio_iommu_spapr_tce_create.page_shift(struct)));
            case vfio_h.VFIO_IOMMU_SPAPR_TCE_REMOVE -> {
                container.toldDefault = true;
                add(
                        call,
                        vfio_iommu_spapr_tce_remove.sizeof(),
                        struct -> new DmaCall.WindowRemoved(
                                number, nanos, vfio_iommu_spapr_tce_remove.start_addr(struct)));
            }
            case vfio_h.VFIO_IOMMU_MAP_DMA ->
                add(
                        call,
                        vfio_iommu_type1_dma_map.sizeof(),
                        struct -> new DmaCall.Mapped(
                                number,
                                nanos,
                                vfio_iommu_type1_dma_map.iova(struct),
                                vfio_iommu_type1_dma_map.size(struct),
                                (vfio_iommu_type1_dma_map.flags(struct) & vfio_h.VFIO_DMA_MAP_FLAG_READ) != 0,
                                (vfio_iommu_type1_dma_map.flags(struct) & vfio_h.VFIO_DMA_MAP_FLAG_WRITE) != 0));
            case vfio_h.VFIO_IOMMU_UNMAP_DMA ->
                add(
                        call,
                        vfio_iommu_type1_dma_unmap.sizeof(),
                        struct -> new DmaCall.Unmapped(
                                number,
                                nanos,
                                vfio_iommu_type1_dma_unmap.iova(struct),
                                vfio_iommu_type1_dma_unmap.size(struct)));
            default -> {
                // The others change no address space.
            }
        }
    }

    private void add(RecordedCall call, long bytes, Function<MemorySegment, DmaCall> read) {
        MemorySegment struct = Windows.struct(call.after());
        if (struct.byteSize() < bytes) {
            return;
        }
        DmaCall change = read.apply(struct);
        // A platform without a default window tells one of no bytes.
        if (!(change instanceof DmaCall.WindowCreated window && window.size() == 0)) {
            calls.add(change);
        }
    }
}
