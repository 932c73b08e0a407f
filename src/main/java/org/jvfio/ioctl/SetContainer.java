package org.jvfio.ioctl;

import static org.jvfio.uapi.vfio_h.VFIO_GROUP_SET_CONTAINER;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;

/**
 * Puts a group into a container: {@code VFIO_GROUP_SET_CONTAINER} of a group.
 *
 * @param struct an int, the descriptor of the container
 */
public record SetContainer(MemorySegment struct) implements Ioctl {

    /** Allocates and fills the argument. */
    public static SetContainer of(SegmentAllocator allocator, int containerFd) {
        return new SetContainer(allocator.allocateFrom(ValueLayout.JAVA_INT, containerFd));
    }

    @Override
    public int request() {
        return VFIO_GROUP_SET_CONTAINER;
    }

    @Override
    public int call(IoctlFile file) {
        return file.ioctl(VFIO_GROUP_SET_CONTAINER, struct);
    }

    @Override
    public String toString() {
        return new CallText("VFIO_GROUP_SET_CONTAINER")
                .decimal("fd", struct.get(ValueLayout.JAVA_INT, 0))
                .toString();
    }
}
