package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import org.jvfio.kernel.Errno;

/** An open directory. {@code read} does not return its entries. */
final class Directory extends OpenFile {
    @Override
    long read(MemorySegment buffer) {
        return Errno.EISDIR.negated();
    }
}
