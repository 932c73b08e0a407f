package org.jvfio.ioctl;

import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_IOEVENTFD;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import org.jvfio.uapi.vfio_device_ioeventfd;

/**
 * Has the kernel write a register whenever an eventfd is signalled, or, with descriptor -1, no longer:
 * {@code VFIO_DEVICE_IOEVENTFD} of a device. The flags are the width of the write in bytes: 1, 2, 4 or 8.
 *
 * @param struct a {@code vfio_device_ioeventfd}
 */
public record IoEventFd(MemorySegment struct) implements Ioctl {

    /** Allocates and fills a struct. */
    public static IoEventFd of(SegmentAllocator allocator, int flags, long offset, long data, int fd) {
        return new IoEventFd(allocator.allocate(vfio_device_ioeventfd.layout())).fill(flags, offset, data, fd);
    }

    /** Fills the struct. */
    public IoEventFd fill(int flags, long offset, long data, int fd) {
        vfio_device_ioeventfd.argsz(struct, (int) vfio_device_ioeventfd.sizeof());
        vfio_device_ioeventfd.flags(struct, flags);
        vfio_device_ioeventfd.offset(struct, offset);
        vfio_device_ioeventfd.data(struct, data);
        vfio_device_ioeventfd.fd(struct, fd);
        vfio_device_ioeventfd.reserved(struct, 0);
        return this;
    }

    /** Overwrites {@code argsz}, in bytes. */
    public IoEventFd argsz(int argsz) {
        vfio_device_ioeventfd.argsz(struct, argsz);
        return this;
    }

    @Override
    public int request() {
        return VFIO_DEVICE_IOEVENTFD;
    }

    @Override
    public int call(IoctlFile file) {
        return file.ioctl(VFIO_DEVICE_IOEVENTFD, struct);
    }

    @Override
    public String toString() {
        return new CallText("VFIO_DEVICE_IOEVENTFD")
                .word(vfio_device_ioeventfd.flags(struct) + " bytes at 0x"
                        + Long.toHexString(vfio_device_ioeventfd.offset(struct)))
                .hex("data", vfio_device_ioeventfd.data(struct))
                .argsz(vfio_device_ioeventfd.argsz(struct), vfio_device_ioeventfd.sizeof())
                .toString();
    }
}
