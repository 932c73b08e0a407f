package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

/** An eventfd: a counter that a read resets, and that a write or the kernel adds to ({@code fs/eventfd.c}). */
final class EventFile extends OpenFile {
    private static final ValueLayout.OfLong COUNTER =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final long OVERFLOWN = -1;
    private static final long MAX_COUNTER = OVERFLOWN - 1;

    private final EmulatedHost host;
    private final boolean semaphore;
    private final boolean blocks;
    private final List<Watcher> watchers = new ArrayList<>();
    private long counter;
    private boolean telling;

    /** A part of the kernel that is notified of signals to an eventfd ({@code struct virqfd}). */
    interface Watcher {
        /** The counter was increased. */
        void signalled();

        /** The last descriptor was closed; there will be no more signals. */
        void closed();
    }

    EventFile(EmulatedHost host, int initialValue, boolean semaphore, boolean blocks) {
        this.host = host;
        this.counter = Integer.toUnsignedLong(initialValue);
        this.semaphore = semaphore;
        this.blocks = blocks;
    }

    /** {@code eventfd_signal}: adds 1 and wakes waiting threads; a full counter overflows, once. */
    void signal() {
        if (counter != OVERFLOWN) {
            counter++;
        }
        added();
    }

    boolean isSignalled() {
        return counter != 0;
    }

    void watch(Watcher watcher) {
        watchers.add(watcher);
    }

    void unwatch(Watcher watcher) {
        watchers.remove(watcher);
    }

    /**
     * A watcher may signal this eventfd again: the counter increases, the watchers are not notified ({@code
     * in_eventfd}).
     */
    private void added() {
        if (!watchers.isEmpty() && !telling) {
            telling = true;
            counter = 0;
            try {
                List.copyOf(watchers).forEach(Watcher::signalled);
            } finally {
                telling = false;
            }
        }
        host.lock().signalChange();
    }

    @Override
    void release(Mm closer) {
        List.copyOf(watchers).forEach(Watcher::closed);
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
        if (added == OVERFLOWN) {
            return Errno.EINVAL.negated();
        }
        if (Long.compareUnsigned(added, OVERFLOWN - counter) >= 0) {
            return Errno.EAGAIN.negated();
        }
        counter += added;
        added();
        return Long.BYTES;
    }

    @Override
    long pread(MemorySegment buffer, long offset) {
        return Errno.ESPIPE.negated();
    }

    @Override
    long pwrite(MemorySegment buffer, long offset) {
        return Errno.ESPIPE.negated();
    }

    @Override
    int ready() {
        return (counter != 0 ? vfio_h.POLLIN : 0)
                | (counter == OVERFLOWN ? vfio_h.POLLERR : 0)
                | (Long.compareUnsigned(counter, MAX_COUNTER) < 0 ? vfio_h.POLLOUT : 0);
    }
}
