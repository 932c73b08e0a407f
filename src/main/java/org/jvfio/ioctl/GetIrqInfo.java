package org.jvfio.ioctl;

import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_GET_IRQ_INFO;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.Map;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_irq_info;

/**
 * What a device has of an interrupt type: {@code VFIO_DEVICE_GET_IRQ_INFO} of a device.
 *
 * @param struct a {@code vfio_irq_info}
 */
public record GetIrqInfo(MemorySegment struct) implements Ioctl {
    private static final Map<Integer, String> FLAGS = Map.of(
            vfio_h.VFIO_IRQ_INFO_EVENTFD, "EVENTFD",
            vfio_h.VFIO_IRQ_INFO_MASKABLE, "MASKABLE",
            vfio_h.VFIO_IRQ_INFO_AUTOMASKED, "AUTOMASKED",
            vfio_h.VFIO_IRQ_INFO_NORESIZE, "NORESIZE");

    /** Allocates and fills a struct. */
    public static GetIrqInfo of(SegmentAllocator allocator, int index) {
        return new GetIrqInfo(allocator.allocate(vfio_irq_info.layout())).fill(index);
    }

    /** Fills the struct. */
    public GetIrqInfo fill(int index) {
        vfio_irq_info.argsz(struct, (int) vfio_irq_info.sizeof());
        vfio_irq_info.flags(struct, 0);
        vfio_irq_info.index(struct, index);
        vfio_irq_info.count(struct, 0);
        return this;
    }

    /** Overwrites {@code argsz}, in bytes. */
    public GetIrqInfo argsz(int argsz) {
        vfio_irq_info.argsz(struct, argsz);
        return this;
    }

    /** {@code VFIO_IRQ_INFO_*}, written by the kernel. */
    public int flags() {
        return vfio_irq_info.flags(struct);
    }

    /** The number of vectors. */
    public int count() {
        return vfio_irq_info.count(struct);
    }

    @Override
    public int request() {
        return VFIO_DEVICE_GET_IRQ_INFO;
    }

    @Override
    public int call(IoctlFile file) {
        return file.ioctl(VFIO_DEVICE_GET_IRQ_INFO, struct);
    }

    @Override
    public String written() {
        return CallText.ofFields()
                .flags("flags", flags(), FLAGS)
                .decimal("count", count())
                .toString();
    }

    @Override
    public String toString() {
        return new CallText("VFIO_DEVICE_GET_IRQ_INFO")
                .decimal("index", vfio_irq_info.index(struct))
                .argsz(vfio_irq_info.argsz(struct), vfio_irq_info.sizeof())
                .toString();
    }
}
