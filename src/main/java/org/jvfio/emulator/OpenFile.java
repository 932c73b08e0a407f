package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

/** An open file, shared by descriptors of one or more processes. Operations that a kind of file lacks are refused. */
abstract class OpenFile {
    private static final int ALWAYS_READY = vfio_h.POLLIN | vfio_h.POLLOUT | vfio_h.POLLRDNORM | vfio_h.POLLWRNORM;

    private int references;

    final void refer() {
        references++;
    }

    /** A descriptor was closed, by a process with this memory; the last one releases the file. */
    final void drop(Mm closer) {
        references--;
        if (references == 0) {
            release(closer);
        }
    }

    int ioctl(int request, Argument argument) {
        return Errno.ENOTTY.negated();
    }

    /** Reads without blocking; EAGAIN where a file that {@link #blocks} would wait. */
    long read(MemorySegment buffer) {
        return Errno.EINVAL.negated();
    }

    /** Writes without blocking, like {@link #read}. */
    long write(MemorySegment buffer) {
        return Errno.EINVAL.negated();
    }

    /** Whether reads and writes block. */
    boolean blocks() {
        return false;
    }

    /** Reads at a non-negative offset. Every file opened by its path has offsets, even if nothing can be read there. */
    long pread(MemorySegment buffer, long offset) {
        return Errno.EINVAL.negated();
    }

    /** Writes at an offset, like {@link #pread}. */
    long pwrite(MemorySegment buffer, long offset) {
        return Errno.EINVAL.negated();
    }

    /** The events of poll; those of a file without a poll method of its own ({@code DEFAULT_POLLMASK}). */
    int ready() {
        return ALWAYS_READY;
    }

    /**
     * Maps the file.
     *
     * @param mm the memory of the caller
     * @param length bytes
     * @return the address, or a negated errno
     */
    long mmap(Mm mm, long length, int protection, int flags, long offset) {
        return Errno.ENODEV.negated();
    }

    /** The last descriptor was closed, by a process with this memory. */
    void release(Mm closer) {}
}
