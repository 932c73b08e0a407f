package org.jvfio;

import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_IOEVENTFD;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jvfio.uapi.vfio_device_ioeventfd;

/**
 * {@code VFIO_DEVICE_IOEVENTFD} with its arguments: a write of a register that the kernel makes whenever an eventfd is
 * signalled.
 *
 * @param offset where in the device's file
 * @param width bytes: 1, 2, 4 or 8, which are also the call's flags
 * @param value as the kernel writes it, lowest byte first
 */
record IoEvent(long offset, int width, long value) {
    private static final int NO_EVENTFD = -1;

    /** Has the kernel listen to an eventfd. */
    void add(Descriptor device, String asked, int eventfd) {
        call(device, asked, eventfd);
    }

    void remove(Descriptor device, String asked) {
        call(device, asked, NO_EVENTFD);
    }

    private void call(Descriptor device, String asked, int eventfd) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = arena.allocate(vfio_device_ioeventfd.layout());
            vfio_device_ioeventfd.argsz(struct, (int) struct.byteSize());
            vfio_device_ioeventfd.flags(struct, width);
            vfio_device_ioeventfd.offset(struct, offset);
            vfio_device_ioeventfd.data(struct, value);
            vfio_device_ioeventfd.fd(struct, eventfd);
            int answer = device.ioctl(VFIO_DEVICE_IOEVENTFD, struct);
            if (answer != 0) {
                throw VfioException.failed(
                        asked,
                        "VFIO_DEVICE_IOEVENTFD(%d bytes at 0x%x, data 0x%x)".formatted(width, offset, value),
                        answer,
                        VfioException.errnoOf(answer).map(KnownCauses::ioEvent).orElseGet(Cause::unknown));
            }
        }
    }
}
