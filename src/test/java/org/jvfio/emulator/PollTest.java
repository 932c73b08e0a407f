package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.jvfio.uapi.pollfd;
import org.jvfio.uapi.vfio_h;

/** Files of VFIO have no poll method of their own, and so are always ready ({@code DEFAULT_POLLMASK}). */
class PollTest {
    private static final int ALWAYS_READY = 0x145;

    private final EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.power8());

    private int poll(int fd, int events) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment polled = arena.allocate(pollfd.layout());
            pollfd.fd(polled, fd);
            pollfd.events(polled, (short) events);
            assertEquals(1, kernel.poll(polled, 0));
            return pollfd.revents(polled);
        }
    }

    @Test
    void poll_filesOfVfio_alwaysReady() {
        for (String path : List.of("/dev/vfio/vfio", "/dev/vfio/0", "/dev/null")) {
            int fd = kernel.open(path, vfio_h.O_RDWR);
            assertEquals(ALWAYS_READY, poll(fd, 0x7fff), path);
            assertEquals(vfio_h.POLLIN, poll(fd, vfio_h.POLLIN), path);
            kernel.close(fd);
        }
    }

    @Test
    void poll_eventfd_writableOnly() {
        int fd = kernel.eventfd(0, 0);
        assertEquals(vfio_h.POLLOUT, poll(fd, 0x7fff));
        kernel.close(fd);
    }
}
