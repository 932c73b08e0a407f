package org.jvfio.ioctl;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.nio.charset.StandardCharsets.UTF_8;
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

    /** The address, without a token: up to the first space, or the end of the argument if its string has none. */
    public String address() {
        int length = 0;
        while (length < struct.byteSize()) {
            byte next = struct.get(JAVA_BYTE, length);
            if (next == 0 || next == ' ') {
                break;
            }
            length++;
        }
        return new String(struct.asSlice(0, length).toArray(JAVA_BYTE), UTF_8);
    }

    /** The text has the address alone, as a token is a secret of two drivers. */
    @Override
    public String toString() {
        return new CallText("VFIO_GROUP_GET_DEVICE_FD").word(address()).toString();
    }
}
