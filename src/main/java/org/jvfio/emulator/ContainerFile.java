package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import org.jvfio.kernel.Errno;

/** {@code /dev/vfio/vfio}, opened. */
final class ContainerFile extends OpenFile {
    private final VfioContainer container;

    ContainerFile(VfioContainer container) {
        this.container = container;
    }

    VfioContainer container() {
        return container;
    }

    @Override
    int ioctl(int request, Argument argument) {
        return container.ioctl(request, argument);
    }

    /** It has offsets, as any file that is opened by its path, but nothing to read. */
    @Override
    long pread(MemorySegment buffer, long offset) {
        return Errno.EINVAL.negated();
    }

    @Override
    long pwrite(MemorySegment buffer, long offset) {
        return Errno.EINVAL.negated();
    }
}
