package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.jvfio.uapi.vfio_h.C_LONG;
import static org.jvfio.uapi.vfio_h.POLLERR;
import static org.jvfio.uapi.vfio_h.POLLIN;
import static org.jvfio.uapi.vfio_h.POLLOUT;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.jvfio.kernel.Errno;

class EventFileTest {
    private static final long MOST = -2;

    private final EmulatedHost host =
            EmulatedKernel.boot(EmulatedMachine.power8()).host();
    private final EventFile event = new EventFile(host, 0, false, false);
    private final MemorySegment counter = MemorySegment.ofArray(new long[1]);
    private final List<String> seen = new ArrayList<>();

    private long write(long value) {
        counter.setAtIndex(C_LONG, 0, value);
        return host.locked(() -> event.write(counter));
    }

    private void signal() {
        host.locked(() -> {
            event.signal();
            return true;
        });
    }

    private final class Recorder implements EventFile.Watcher {
        @Override
        public void signalled() {
            seen.add("signalled");
            event.signal();
        }

        @Override
        public void closed() {
            seen.add("closed");
            event.unwatch(this);
        }
    }

    @Test
    void write_counterFull_overflow() {
        assertEquals(POLLOUT, event.ready());
        assertEquals(8, write(MOST));
        assertEquals(POLLIN, event.ready());
        assertEquals(Errno.EAGAIN.negated(), write(1));
        assertEquals(8, write(0));
        signal();
        assertEquals(POLLIN | POLLERR, event.ready());
        signal();
        assertEquals(POLLIN | POLLERR, event.ready());
        assertEquals(Errno.EAGAIN.negated(), write(0));
        assertEquals(8, event.read(counter));
        assertEquals(-1, counter.get(C_LONG, 0));
        assertEquals(POLLOUT, event.ready());
    }

    @Test
    void watch_writes_reportedOnce() {
        Recorder recorder = new Recorder();
        event.watch(recorder);
        assertEquals(8, write(3));
        assertEquals(List.of("signalled"), seen);
        assertEquals(8, event.read(counter));
        assertEquals(1, counter.get(C_LONG, 0));
        event.release(new Mm(host.machine(), host.kernelLog()));
        assertEquals(List.of("signalled", "closed"), seen);
        signal();
        assertEquals(List.of("signalled", "closed"), seen);
    }
}
