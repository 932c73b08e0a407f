package org.jvfio.ioctl;

import java.lang.foreign.MemorySegment;

/** An open file of VFIO, as a target of {@code ioctl(2)}. Results are those of {@link org.jvfio.kernel.Kernel}. */
public interface IoctlFile {

    /** {@code ioctl(2)} with an argument passed by value: the result, or a negated errno. */
    int ioctl(int request, long argument);

    /** {@code ioctl(2)} with a native struct that holds all that the kernel reads and writes. */
    int ioctl(int request, MemorySegment struct);
}
