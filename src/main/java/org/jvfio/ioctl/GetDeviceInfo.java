package org.jvfio.ioctl;

import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_GET_INFO;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.Map;
import org.jvfio.uapi.vfio_device_info;
import org.jvfio.uapi.vfio_h;

/**
 * What a device is and has: {@code VFIO_DEVICE_GET_INFO} of a device.
 *
 * @param struct a {@code vfio_device_info}
 */
public record GetDeviceInfo(MemorySegment struct) implements Ioctl {
    private static final Map<Integer, String> FLAGS = Map.of(
            vfio_h.VFIO_DEVICE_FLAGS_RESET, "RESET",
            vfio_h.VFIO_DEVICE_FLAGS_PCI, "PCI",
            vfio_h.VFIO_DEVICE_FLAGS_CAPS, "CAPS");

    /** Allocates and fills a struct. */
    public static GetDeviceInfo of(SegmentAllocator allocator) {
        return new GetDeviceInfo(allocator.allocate(vfio_device_info.layout())).fill();
    }

    /** Fills the struct. */
    public GetDeviceInfo fill() {
        vfio_device_info.argsz(struct, (int) vfio_device_info.sizeof());
        vfio_device_info.flags(struct, 0);
        vfio_device_info.num_regions(struct, 0);
        vfio_device_info.num_irqs(struct, 0);
        vfio_device_info.cap_offset(struct, 0);
        return this;
    }

    /** Overwrites {@code argsz}, in bytes. */
    public GetDeviceInfo argsz(int argsz) {
        vfio_device_info.argsz(struct, argsz);
        return this;
    }

    /** {@code VFIO_DEVICE_FLAGS_*}, written by the kernel. */
    public int flags() {
        return vfio_device_info.flags(struct);
    }

    /** The number of regions. */
    public int regions() {
        return vfio_device_info.num_regions(struct);
    }

    /** The number of interrupt types. */
    public int irqs() {
        return vfio_device_info.num_irqs(struct);
    }

    /** The offset of the first capability in the struct, in bytes; 0 if there is none. */
    public int capOffset() {
        return vfio_device_info.cap_offset(struct);
    }

    @Override
    public int request() {
        return VFIO_DEVICE_GET_INFO;
    }

    @Override
    public int call(IoctlFile file) {
        return file.ioctl(VFIO_DEVICE_GET_INFO, struct);
    }

    @Override
    public String written() {
        return CallText.ofFields()
                .flags("flags", flags(), FLAGS)
                .decimal("num_regions", regions())
                .decimal("num_irqs", irqs())
                .toString();
    }

    @Override
    public String toString() {
        return new CallText("VFIO_DEVICE_GET_INFO")
                .argsz(vfio_device_info.argsz(struct), vfio_device_info.sizeof())
                .toString();
    }
}
