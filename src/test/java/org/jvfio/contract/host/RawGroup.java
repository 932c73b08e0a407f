package org.jvfio.contract.host;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jvfio.uapi.vfio_group_status;
import org.jvfio.uapi.vfio_h;

/** {@code /dev/vfio/N}, opened. */
public final class RawGroup extends VfioFile {

    public RawGroup(VfioProcess process, int descriptor) {
        super(process, descriptor);
    }

    /** GROUP_GET_STATUS: the flags. */
    public int flags() {
        MemorySegment status = process.struct(vfio_group_status.layout());
        vfio_group_status.argsz(status, (int) vfio_group_status.sizeof());
        assertEquals(0, getStatus(status));
        return vfio_group_status.flags(status);
    }

    public int getStatus(MemorySegment status) {
        return ioctl(vfio_h.VFIO_GROUP_GET_STATUS, status);
    }

    public int setContainer(VfioFile container) {
        return setContainer(container.descriptor());
    }

    public int setContainer(int containerDescriptor) {
        try (Arena arena = Arena.ofConfined()) {
            return ioctl(
                    vfio_h.VFIO_GROUP_SET_CONTAINER, arena.allocateFrom(ValueLayout.JAVA_INT, containerDescriptor));
        }
    }

    public int unsetContainer() {
        return ioctl(vfio_h.VFIO_GROUP_UNSET_CONTAINER, 0);
    }

    /** GET_DEVICE_FD, which must succeed. */
    public RawDevice device(String address) {
        int device = getDevice(address);
        assertTrue(device >= 0, () -> "GET_DEVICE_FD of " + address + ": " + device);
        return new RawDevice(process, device);
    }

    /** GET_DEVICE_FD: a descriptor, or a negated errno. */
    public int getDevice(String name) {
        try (Arena arena = Arena.ofConfined()) {
            return process.opened(ioctl(vfio_h.VFIO_GROUP_GET_DEVICE_FD, arena.allocateFrom(name)));
        }
    }
}
