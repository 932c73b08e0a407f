package org.jvfio.contract.host;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.jvfio.ioctl.GetDeviceFd;
import org.jvfio.ioctl.GetGroupStatus;
import org.jvfio.ioctl.SetContainer;
import org.jvfio.ioctl.ValueIoctl;

/** {@code /dev/vfio/N}, opened. */
public final class RawGroup extends VfioFile {

    public RawGroup(VfioProcess process, int descriptor) {
        super(process, descriptor);
    }

    /** GROUP_GET_STATUS, which must succeed: the flags. */
    public int flags() {
        GetGroupStatus status = GetGroupStatus.of(process.arena());
        assertEquals(0, call(status));
        return status.flags();
    }

    /** GROUP_GET_STATUS of so many bytes: what the kernel returns. */
    public int getStatus(int argsz) {
        return call(GetGroupStatus.of(process.arena()).argsz(argsz));
    }

    public int setContainer(VfioFile container) {
        return setContainer(container.descriptor());
    }

    public int setContainer(int containerDescriptor) {
        return call(SetContainer.of(process.arena(), containerDescriptor));
    }

    public int unsetContainer() {
        return call(ValueIoctl.unsetContainer());
    }

    /** GET_DEVICE_FD, which must succeed. */
    public RawDevice device(String address) {
        int device = getDevice(address);
        assertTrue(device >= 0, () -> "GET_DEVICE_FD of " + address + ": " + device);
        return new RawDevice(process, device);
    }

    /** GET_DEVICE_FD: a descriptor, or a negated errno. */
    public int getDevice(String name) {
        return process.opened(call(GetDeviceFd.of(process.arena(), name)));
    }
}
