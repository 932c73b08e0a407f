package org.jvfio.observe;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_region_info;

/** A kernel whose devices cannot be mapped: accesses of their registers are system calls, which can be observed. */
final class UnmappableKernel extends ForwardingKernel {
    private static final int MAPPED = vfio_h.VFIO_REGION_INFO_FLAG_MMAP | vfio_h.VFIO_REGION_INFO_FLAG_CAPS;

    UnmappableKernel(Kernel behind) {
        super(behind);
    }

    @Override
    public int ioctl(int fd, int request, MemorySegment argument) {
        if (request != Requests.GET_REGION_INFO) {
            return super.ioctl(fd, request, argument);
        }
        byte[] given = argument.toArray(ValueLayout.JAVA_BYTE);
        int answer = super.ioctl(fd, request, argument);
        if (answer == 0) {
            hideMapping(argument, Windows.struct(given));
        }
        return answer;
    }

    /**
     * Makes what a kernel says of a region what it says if the region cannot be mapped. The capabilities of BARs are
     * about their mapping alone.
     *
     * @param answer the struct with the answer
     * @param given the struct as it was before
     */
    static void hideMapping(MemorySegment answer, MemorySegment given) {
        if (answer.byteSize() < vfio_region_info.sizeof()
                || Integer.compareUnsigned(vfio_region_info.index(answer), vfio_h.VFIO_PCI_BAR5_REGION_INDEX) > 0) {
            return;
        }
        vfio_region_info.flags(answer, vfio_region_info.flags(answer) & ~MAPPED);
        vfio_region_info.argsz(answer, vfio_region_info.argsz(given));
        vfio_region_info.cap_offset(answer, vfio_region_info.cap_offset(given));
        long behind = vfio_region_info.sizeof();
        MemorySegment.copy(given, behind, answer, behind, given.byteSize() - behind);
    }
}
