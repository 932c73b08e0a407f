package org.jvfio.ioctl;

import static org.jvfio.uapi.vfio_h.VFIO_GROUP_GET_DEVICE_FD;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;

/**
 * Opens a device of a group: {@code VFIO_GROUP_GET_DEVICE_FD} of a group. The result is a descriptor.
 *
 * @param struct a C string: the PCI address, and {@code " vf_token=UUID"} behind it where the device asks for a token
 */
public record GetDeviceFd(MemorySegment struct) implements Ioctl {

    /** Allocates and fills the argument. */
    public static GetDeviceFd of(SegmentAllocator allocator, String name) {
        return new GetDeviceFd(allocator.allocateFrom(name));
    }

    @Override
    public int request() {
        return VFIO_GROUP_GET_DEVICE_FD;
    }

    @Override
    public int call(IoctlFile file) {
        return file.ioctl(VFIO_GROUP_GET_DEVICE_FD, struct);
    }

    /** The text has the address alone, as a token is a secret of two drivers. */
    @Override
    public String toString() {
        String name = struct.getString(0);
        int token = name.indexOf(" vf_token=");
        return new CallText("VFIO_GROUP_GET_DEVICE_FD")
                .word(token < 0 ? name : name.substring(0, token))
                .toString();
    }
}
