package org.jvfio.contract.host;

import java.lang.foreign.MemorySegment;

/** An open file of VFIO. Its calls return what the kernel returned: a value, or a negated errno. */
public abstract class VfioFile {
    final VfioProcess process;
    private final int descriptor;

    public VfioFile(VfioProcess process, int descriptor) {
        this.process = process;
        this.descriptor = descriptor;
    }

    public VfioProcess process() {
        return process;
    }

    public int descriptor() {
        return descriptor;
    }

    public int ioctl(int request, long argument) {
        return process.kernel().ioctl(descriptor, request, argument);
    }

    public int ioctl(int request, MemorySegment argument) {
        return process.kernel().ioctl(descriptor, request, argument);
    }

    public long pread(MemorySegment buffer, long offset) {
        return process.kernel().pread(descriptor, buffer, offset);
    }

    public long pwrite(MemorySegment buffer, long offset) {
        return process.kernel().pwrite(descriptor, buffer, offset);
    }

    public int close() {
        return process.close(descriptor);
    }
}
