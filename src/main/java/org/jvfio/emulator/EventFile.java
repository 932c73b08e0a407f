package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

/** An eventfd: a counter that a read takes and a write adds to. */
final class EventFile extends OpenFile {
    private static final ValueLayout.OfLong COUNTER =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final long MOST = -2;

    private final boolean semaphore;
    private final boolean blocks;
    private long counter;

    EventFile(int initialValue, boolean semaphore, boolean blocks) {
        this.counter = Integer.toUnsignedLong(initialValue);
        this.semaphore = semaphore;
        this.blocks = blocks;
    }

    @Override
    boolean blocks() {
        return blocks;
    }

    @Override
    long read(MemorySegment buffer) {
        if (buffer.byteSize() < Long.BYTES) {
            return Errno.EINVAL.negated();
        }
        if (counter == 0) {
            return Errno.EAGAIN.negated();
        }
        long taken = semaphore ? 1 : counter;
        counter -= taken;
        buffer.set(COUNTER, 0, taken);
        return Long.BYTES;
    }

    @Override
    long write(MemorySegment buffer) {
        if (buffer.byteSize() < Long.BYTES) {
            return Errno.EINVAL.negated();
        }
        long added = buffer.get(COUNTER, 0);
        if (added == -1) {
            return Errno.EINVAL.negated();
        }
        if (Long.compareUnsigned(added, MOST - counter) > 0) {
            return Errno.EAGAIN.negated();
        }
        counter += added;
        return Long.BYTES;
    }

    @Override
    int ready() {
        return (counter != 0 ? vfio_h.POLLIN : 0) | (counter != MOST ? vfio_h.POLLOUT : 0);
    }
}
