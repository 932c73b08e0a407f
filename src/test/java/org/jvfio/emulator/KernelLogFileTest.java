package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.jvfio.kernel.CallScript;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

class KernelLogFileTest {
    private final EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.power8());

    @Test
    void read_messagesOverwritten_epipeOnceThenOldest() {
        int log = kernel.open("/dev/kmsg", vfio_h.O_RDONLY | vfio_h.O_NONBLOCK);
        assertTrue(read(log).startsWith("6,0,"));
        fillLog();
        assertEquals(KernelLog.CAPACITY, kernel.host().log().size());
        assertEquals("EPIPE", read(log));
        String oldest = read(log);
        assertTrue(oldest.endsWith(";" + kernel.host().log().getFirst() + "\n"));
        int openedLater = kernel.open("/dev/kmsg", vfio_h.O_RDONLY | vfio_h.O_NONBLOCK);
        assertEquals(oldest, read(openedLater));
    }

    /** Each round logs that the host loses its window and bypass, and that it gets them back. */
    private void fillLog() {
        try (CallScript script = new CallScript(kernel, kernel::capIpcLock)) {
            script.run("open c /dev/vfio/vfio");
            script.run("open g /dev/vfio/0");
            for (int message = 0; message < KernelLog.CAPACITY; message++) {
                assertEquals("0", script.run("setcont g c"));
                assertEquals("0", script.run("unset g"));
            }
        }
    }

    private String read(int log) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(1024);
            long count = kernel.read(log, buffer);
            return Errno.isError(count)
                    ? Errno.of((int) -count).orElseThrow().name()
                    : new String(buffer.asSlice(0, count).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
        }
    }
}
