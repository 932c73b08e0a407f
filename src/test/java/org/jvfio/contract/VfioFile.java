package org.jvfio.contract;

import java.lang.foreign.MemorySegment;

/** An open file of VFIO. Its calls answer what the kernel answers. */
abstract class VfioFile {
    final VfioProcess process;
    private final int descriptor;

    VfioFile(VfioProcess process, int descriptor) {
        this.process = process;
        this.descriptor = descriptor;
    }

    int descriptor() {
        return descriptor;
    }

    int ioctl(int request, long argument) {
        return process.kernel().ioctl(descriptor, request, argument);
    }

    int ioctl(int request, MemorySegment argument) {
        return process.kernel().ioctl(descriptor, request, argument);
    }

    long pread(MemorySegment buffer, long offset) {
        return process.kernel().pread(descriptor, buffer, offset);
    }

    long pwrite(MemorySegment buffer, long offset) {
        return process.kernel().pwrite(descriptor, buffer, offset);
    }

    int close() {
        return process.close(descriptor);
    }
}
