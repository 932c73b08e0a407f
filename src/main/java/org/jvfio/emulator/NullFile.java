package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;

/** {@code /dev/null}. */
final class NullFile extends OpenFile {
    @Override
    long read(MemorySegment buffer) {
        return 0;
    }

    @Override
    long write(MemorySegment buffer) {
        return buffer.byteSize();
    }

    @Override
    long pread(MemorySegment buffer, long offset) {
        return read(buffer);
    }

    @Override
    long pwrite(MemorySegment buffer, long offset) {
        return write(buffer);
    }
}
