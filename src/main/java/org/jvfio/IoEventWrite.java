package org.jvfio;

import java.lang.foreign.Arena;
import java.util.function.Supplier;
import org.jvfio.ioctl.IoEventFd;

/**
 * A write of a register that the kernel makes at each signal of an eventfd ({@code VFIO_DEVICE_IOEVENTFD}).
 *
 * @param register the register, for messages
 * @param offset bytes from the beginning of the device's file
 * @param width bytes: 1, 2, 4 or 8, which are also the flags of the call
 * @param value as the kernel writes it, lowest byte first
 */
record IoEventWrite(String register, long offset, int width, long value) {
    private static final int NO_EVENTFD = -1;

    String asked() {
        return "write " + register + " by eventfd";
    }

    void add(Descriptor device, Descriptor eventfd) {
        call(device, this::asked, eventfd.number());
    }

    void remove(Descriptor device) {
        call(device, () -> "stop writing " + register + " by eventfd", NO_EVENTFD);
    }

    private void call(Descriptor device, Supplier<String> asked, int eventfd) {
        try (Arena arena = Arena.ofConfined()) {
            IoEventFd call = IoEventFd.of(arena, width, offset, value, eventfd);
            int answer = call.call(device);
            if (answer != 0) {
                throw VfioException.failed(asked.get(), call, answer, Cause.of(answer, KnownCauses::ioEvent));
            }
        }
    }
}
