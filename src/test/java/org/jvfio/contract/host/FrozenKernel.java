package org.jvfio.contract.host;

import java.lang.foreign.MemorySegment;
import java.util.HashSet;
import java.util.Set;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.ForwardingKernel;
import org.jvfio.uapi.vfio_eeh_pe_op;
import org.jvfio.uapi.vfio_h;

/**
 * A kernel whose devices can be made to seem frozen, for hosts whose bridges freeze nothing: what system calls read of
 * them is all ones, and EEH says that their PE is stopped, until a reset of the PE ends, or the device is opened anew.
 * All calls but those reads and writes are made.
 */
public final class FrozenKernel extends ForwardingKernel {
    private static final int REGION_SHIFT = 40;
    private static final int VIRTUAL_BYTES = 4;

    private final Set<Integer> devices = new HashSet<>();
    private volatile boolean registersFrozen;
    private volatile boolean dmaFrozen;

    public FrozenKernel(Kernel behind) {
        super(behind);
    }

    /** All devices seem frozen from now on. */
    public void freeze() {
        registersFrozen = true;
        dmaFrozen = true;
    }

    private void thaw() {
        registersFrozen = false;
        dmaFrozen = false;
    }

    @Override
    public int ioctl(int fd, int request, MemorySegment argument) {
        int answer = super.ioctl(fd, request, argument);
        if (answer >= 0 && request == vfio_h.VFIO_GROUP_GET_DEVICE_FD) {
            devices.add(answer);
            thaw();
        }
        return answer == 0 && request == vfio_h.VFIO_EEH_PE_OP ? eeh(vfio_eeh_pe_op.op(argument)) : answer;
    }

    /** What an operation answers that the host made, to a PE that is not frozen there. */
    private int eeh(int operation) {
        switch (operation) {
            case vfio_h.VFIO_EEH_PE_GET_STATE -> {
                if (dmaFrozen) {
                    return registersFrozen ? vfio_h.VFIO_EEH_PE_STATE_STOPPED : vfio_h.VFIO_EEH_PE_STATE_STOPPED_DMA;
                }
            }
            case vfio_h.VFIO_EEH_PE_UNFREEZE_IO -> registersFrozen = false;
            case vfio_h.VFIO_EEH_PE_UNFREEZE_DMA -> dmaFrozen = false;
            case vfio_h.VFIO_EEH_PE_ENABLE, vfio_h.VFIO_EEH_PE_RESET_DEACTIVATE -> thaw();
            default -> {}
        }
        return 0;
    }

    /** Whether an access is of what the kernel has no copy of: the ids are. */
    private boolean isLost(int fd, long offset) {
        boolean virtual =
                offset >>> REGION_SHIFT == vfio_h.VFIO_PCI_CONFIG_REGION_INDEX && (int) offset < VIRTUAL_BYTES;
        return registersFrozen && devices.contains(fd) && !virtual;
    }

    @Override
    public long pread(int fd, MemorySegment buffer, long offset) {
        if (isLost(fd, offset)) {
            buffer.fill((byte) -1);
            return buffer.byteSize();
        }
        return super.pread(fd, buffer, offset);
    }

    @Override
    public long pwrite(int fd, MemorySegment buffer, long offset) {
        return isLost(fd, offset) ? buffer.byteSize() : super.pwrite(fd, buffer, offset);
    }

    @Override
    public int close(int fd) {
        devices.remove(fd);
        return super.close(fd);
    }
}
