package org.jvfio.bench;

import java.lang.foreign.MemorySegment;
import org.jvfio.ioctl.IoctlFile;
import org.jvfio.kernel.Kernel;

/** An open file of a kernel, to make ioctls of. */
record KernelFile(Kernel kernel, int descriptor) implements IoctlFile {
    @Override
    public int ioctl(int request, long argument) {
        return kernel.ioctl(descriptor, request, argument);
    }

    @Override
    public int ioctl(int request, MemorySegment struct) {
        return kernel.ioctl(descriptor, request, struct);
    }
}
