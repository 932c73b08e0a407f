package org.jvfio.contract.host;

import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.observe.ForwardingKernel;
import org.jvfio.uapi.vfio_h;

/**
 * An emulated kernel for a program that goes on using the addresses of what it unmapped: no other memory has them while
 * the process is there. Behind all that it maps is a page more, which it does not know of and does not unmap.
 */
final class KeptAddresses extends ForwardingKernel {
    private static final long MORE = 1L << 16;

    KeptAddresses(EmulatedKernel behind) {
        super(behind);
    }

    @Override
    public long mmap(long length, int protection, int flags, int fd, long offset) {
        // Huge pages are counted, and random calls do not unmap them.
        boolean isHuge = (flags & vfio_h.MAP_HUGETLB) != 0;
        return super.mmap(isHuge ? length : length + MORE, protection, flags, fd, offset);
    }
}
