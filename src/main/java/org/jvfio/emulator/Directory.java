package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import org.jvfio.kernel.Errno;

/** A directory, opened for reading: of its names, the kernel gives none to {@code read}. */
final class Directory extends OpenFile {
    @Override
    long read(MemorySegment buffer) {
        return Errno.EISDIR.negated();
    }
}
