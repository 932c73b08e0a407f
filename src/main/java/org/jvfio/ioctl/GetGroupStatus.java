package org.jvfio.ioctl;

import static org.jvfio.uapi.vfio_h.VFIO_GROUP_GET_STATUS;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.Map;
import org.jvfio.uapi.vfio_group_status;
import org.jvfio.uapi.vfio_h;

/**
 * Whether a group can be used: {@code VFIO_GROUP_GET_STATUS} of a group.
 *
 * @param struct a {@code vfio_group_status}
 */
public record GetGroupStatus(MemorySegment struct) implements Ioctl {
    private static final Map<Integer, String> FLAGS = Map.of(
            vfio_h.VFIO_GROUP_FLAGS_VIABLE, "VIABLE",
            vfio_h.VFIO_GROUP_FLAGS_CONTAINER_SET, "CONTAINER_SET");

    /** Allocates and fills a struct. */
    public static GetGroupStatus of(SegmentAllocator allocator) {
        return new GetGroupStatus(allocator.allocate(vfio_group_status.layout())).fill();
    }

    /** Fills the struct. */
    public GetGroupStatus fill() {
        vfio_group_status.argsz(struct, (int) vfio_group_status.sizeof());
        vfio_group_status.flags(struct, 0);
        return this;
    }

    /** Overwrites {@code argsz}, in bytes. */
    public GetGroupStatus argsz(int argsz) {
        vfio_group_status.argsz(struct, argsz);
        return this;
    }

    /** {@code VFIO_GROUP_FLAGS_*}, written by the kernel. */
    public int flags() {
        return vfio_group_status.flags(struct);
    }

    @Override
    public int request() {
        return VFIO_GROUP_GET_STATUS;
    }

    @Override
    public int call(IoctlFile file) {
        return file.ioctl(VFIO_GROUP_GET_STATUS, struct);
    }

    @Override
    public String written() {
        return CallText.ofFields().flags("flags", flags(), FLAGS).toString();
    }

    @Override
    public String toString() {
        return new CallText("VFIO_GROUP_GET_STATUS")
                .argsz(vfio_group_status.argsz(struct), vfio_group_status.sizeof())
                .toString();
    }
}
