package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

/** An open file, which descriptors of one or more processes refer to. What a kind of file does not know is refused. */
abstract class OpenFile {
    private int references;

    final void refer() {
        references++;
    }

    /** A descriptor fewer, of a process with this memory; the last one releases the file. */
    final void drop(Mm closer) {
        references--;
        if (references == 0) {
            release(closer);
        }
    }

    int ioctl(int request, Argument argument) {
        return Errno.ENOTTY.negated();
    }

    /** Reads without waiting; EAGAIN for what {@link #blocks} would wait for. */
    long read(MemorySegment buffer) {
        return Errno.EINVAL.negated();
    }

    /** Writes without waiting, like {@link #read}. */
    long write(MemorySegment buffer) {
        return Errno.EINVAL.negated();
    }

    /** Whether reads and writes wait until they can be done. */
    boolean blocks() {
        return false;
    }

    /** Reads at an offset, which is not negative. Files that are opened by their path have offsets, also if nothing is there. */
    long pread(MemorySegment buffer, long offset) {
        return Errno.EINVAL.negated();
    }

    /** Writes at an offset, like {@link #pread}. */
    long pwrite(MemorySegment buffer, long offset) {
        return Errno.EINVAL.negated();
    }

    /** Which of {@code POLLIN} and {@code POLLOUT} would not wait. */
    int ready() {
        return vfio_h.POLLIN | vfio_h.POLLOUT;
    }

    /** Why it cannot be mapped, as a negated errno. */
    long mmap() {
        return Errno.ENODEV.negated();
    }

    /** The last descriptor is closed, by a process with this memory. */
    void release(Mm closer) {}
}
