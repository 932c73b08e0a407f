package org.jvfio.ioctl;

import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_GET_REGION_INFO;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.Map;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_region_info;

/**
 * Where a region of a device is and how it can be accessed: {@code VFIO_DEVICE_GET_REGION_INFO} of a device.
 * Capabilities follow the struct if they fit; if not, {@link #argsz()} is then the size that holds them.
 *
 * @param struct a {@code vfio_region_info}, with room for capabilities behind it
 */
public record GetRegionInfo(MemorySegment struct) implements Ioctl {
    private static final Map<Integer, String> FLAGS = Map.of(
            vfio_h.VFIO_REGION_INFO_FLAG_READ, "READ",
            vfio_h.VFIO_REGION_INFO_FLAG_WRITE, "WRITE",
            vfio_h.VFIO_REGION_INFO_FLAG_MMAP, "MMAP",
            vfio_h.VFIO_REGION_INFO_FLAG_CAPS, "CAPS");

    /** Allocates and fills a struct without room for capabilities. */
    public static GetRegionInfo of(SegmentAllocator allocator, int index) {
        return of(allocator, index, vfio_region_info.sizeof());
    }

    /** Allocates and fills a struct of so many bytes, capabilities included. */
    public static GetRegionInfo of(SegmentAllocator allocator, int index, long bytes) {
        return new GetRegionInfo(allocator.allocate(bytes, Long.BYTES)).fill(index);
    }

    /** Fills the struct: {@code argsz} is the size of the segment. */
    public GetRegionInfo fill(int index) {
        struct.fill((byte) 0);
        vfio_region_info.index(struct, index);
        return argsz((int) struct.byteSize());
    }

    /** Overwrites {@code argsz}, in bytes. */
    public GetRegionInfo argsz(int argsz) {
        vfio_region_info.argsz(struct, argsz);
        return this;
    }

    /** The size that holds the struct and all capabilities, in bytes, once the kernel has returned. */
    public int argsz() {
        return vfio_region_info.argsz(struct);
    }

    /** {@code VFIO_REGION_INFO_FLAG_*}. */
    public int flags() {
        return vfio_region_info.flags(struct);
    }

    /** The offset of the first capability in the struct, in bytes; 0 if there is none. */
    public int capOffset() {
        return vfio_region_info.cap_offset(struct);
    }

    /** The size of the region in bytes. */
    public long size() {
        return vfio_region_info.size(struct);
    }

    /** Where the region begins in the device's file, in bytes. */
    public long offset() {
        return vfio_region_info.offset(struct);
    }

    @Override
    public int request() {
        return VFIO_DEVICE_GET_REGION_INFO;
    }

    @Override
    public int call(IoctlFile file) {
        return file.ioctl(VFIO_DEVICE_GET_REGION_INFO, struct);
    }

    @Override
    public String written() {
        return CallText.ofFields()
                .flags("flags", flags(), FLAGS)
                .hex("size", size())
                .hex("offset", offset())
                .toString();
    }

    @Override
    public String toString() {
        return new CallText("VFIO_DEVICE_GET_REGION_INFO")
                .decimal("index", vfio_region_info.index(struct))
                .toString();
    }
}
