package org.jvfio.observe;

import java.lang.foreign.MemorySegment;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_region_info;

/** A kernel whose devices cannot be mapped: accesses of their registers are system calls, which can be observed. */
final class UnmappableKernel extends ForwardingKernel {

    UnmappableKernel(Kernel behind) {
        super(behind);
    }

    @Override
    public int ioctl(int fd, int request, MemorySegment argument) {
        int answer = super.ioctl(fd, request, argument);
        if (answer == 0 && request == Requests.GET_REGION_INFO) {
            vfio_region_info.flags(argument, vfio_region_info.flags(argument) & ~vfio_h.VFIO_REGION_INFO_FLAG_MMAP);
        }
        return answer;
    }
}
