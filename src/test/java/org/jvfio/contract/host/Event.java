package org.jvfio.contract.host;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.pollfd;
import org.jvfio.uapi.vfio_h;

/** An eventfd that a device signals. */
public final class Event extends VfioFile {
    private static final ValueLayout.OfLong COUNTER = ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int MAX_WAIT_MILLIS = 20_000;
    private static final int QUIET_MILLIS = 200;

    public Event(VfioProcess process) {
        super(process, process.opened(process.kernel().eventfd(0, vfio_h.EFD_NONBLOCK)));
        assertTrue(descriptor() >= 0, () -> "eventfd: " + descriptor());
    }

    /** Waits until it is signalled, and takes what was counted. */
    public long await() {
        assertEquals(1, poll(MAX_WAIT_MILLIS), "signalled");
        return take();
    }

    /** Waits until it was signalled this often. */
    public void await(long times) {
        long counted = 0;
        while (counted < times) {
            counted += await();
        }
        assertEquals(times, counted);
    }

    /** It is not signalled, now or soon. */
    public void assertQuiet() {
        assertEquals(0, poll(QUIET_MILLIS), () -> "signalled " + take() + " times");
    }

    public boolean isSignalledSoon() {
        return poll(QUIET_MILLIS) == 1;
    }

    /** What was counted since it was taken the last time. */
    public long take() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment counter = arena.allocate(COUNTER);
            long answer = process.kernel().read(descriptor(), counter);
            return answer == Errno.EAGAIN.negated() ? 0 : checked(answer, counter.get(COUNTER, 0));
        }
    }

    /** Signals it, as a program does. */
    public void signal() {
        try (Arena arena = Arena.ofConfined()) {
            checked(process.kernel().write(descriptor(), arena.allocateFrom(COUNTER, 1)), 0);
        }
    }

    private static long checked(long answer, long value) {
        assertEquals(Long.BYTES, answer);
        return value;
    }

    private int poll(int millis) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment poll = arena.allocate(pollfd.layout());
            pollfd.fd(poll, descriptor());
            pollfd.events(poll, (short) vfio_h.POLLIN);
            return process.kernel().poll(poll, millis);
        }
    }
}
