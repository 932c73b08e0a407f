package org.jvfio.contract.host;

import java.lang.foreign.MemorySegment;
import org.jvfio.ioctl.Ioctl;
import org.jvfio.ioctl.IoctlFile;

/** An open file of VFIO. Its calls return what the kernel returned: a value, or a negated errno. */
public abstract class VfioFile implements IoctlFile {
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

    @Override
    public int ioctl(int request, long argument) {
        return process.kernel().ioctl(descriptor, request, argument);
    }

    @Override
    public int ioctl(int request, MemorySegment argument) {
        return process.kernel().ioctl(descriptor, request, argument);
    }

    /** Makes a call of this file: what the kernel returned. */
    public int call(Ioctl call) {
        return call.call(this);
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
