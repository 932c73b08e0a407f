package org.jvfio.kernel.linux;

import java.util.Map;
import java.util.TreeMap;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.ForwardingKernel;
import org.jvfio.uapi.vfio_h;

/**
 * The kernel of the host for a program that goes on using the addresses of what it unmapped. Pages go with
 * {@code munmap}, but their range of addresses stays taken and inaccessible: the Java process, whose other memory comes
 * and goes, never gets it.
 */
public final class KeptRanges extends ForwardingKernel {
    private final TreeMap<Long, Long> ranges = new TreeMap<>();

    public KeptRanges(Kernel behind) {
        super(behind);
    }

    /**
     * Lets go of everything that was mapped, and of its addresses.
     *
     * @param leaked whether the kernel may still know the addresses, so that they stay taken for good
     */
    public void release(boolean leaked) {
        ranges.forEach((address, length) -> {
            int answer = leaked ? unmapped(address, length) : super.munmap(address, length);
            // With the hash MMU, a segment of huge pages takes no others: where they leaked, they stay as they are.
            boolean stays = leaked && answer == Errno.EBUSY.negated();
            if (answer != 0 && !stays) {
                throw new IllegalStateException("munmap: " + answer);
            }
        });
        ranges.clear();
    }

    @Override
    public long mmap(long length, int protection, int flags, int fd, long offset) {
        long address = super.mmap(length, protection, flags, fd, offset);
        if (!Errno.isError(address)) {
            ranges.put(address, length);
        }
        return address;
    }

    @Override
    public int munmap(long address, long length) {
        return unmapped(address, length);
    }

    /**
     * Maps nothing over it, at once and not after it was free for a moment. Of the process's other memory it has none.
     */
    private int unmapped(long address, long length) {
        Map.Entry<Long, Long> range = ranges.floorEntry(address);
        if (range == null || address + length > range.getKey() + range.getValue()) {
            return 0;
        }
        int flags = vfio_h.MAP_PRIVATE | vfio_h.MAP_ANONYMOUS | vfio_h.MAP_FIXED;
        long answer = SystemCalls.mmap(address, length, vfio_h.PROT_NONE, flags, -1, 0);
        return Errno.isError(answer) ? (int) answer : 0;
    }
}
