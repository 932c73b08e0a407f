package org.jvfio.ioctl;

import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_PCI_HOT_RESET;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import org.jvfio.uapi.vfio_pci_hot_reset;

/**
 * Resets the bus or slot of a device: {@code VFIO_DEVICE_PCI_HOT_RESET} of a device.
 *
 * @param struct a {@code vfio_pci_hot_reset} with its descriptors
 */
public record PciHotReset(MemorySegment struct) implements Ioctl {

    /** Allocates and fills a struct with the descriptors of the groups whose devices are reset. */
    public static PciHotReset of(SegmentAllocator allocator, int... groupFds) {
        long bytes = vfio_pci_hot_reset.sizeof() + (long) groupFds.length * Integer.BYTES;
        return new PciHotReset(allocator.allocate(bytes, Integer.BYTES)).fill(groupFds);
    }

    /** Fills the struct: {@code argsz} is the size of the segment. */
    public PciHotReset fill(int... groupFds) {
        vfio_pci_hot_reset.flags(struct, 0);
        MemorySegment.copy(groupFds, 0, struct, ValueLayout.JAVA_INT, vfio_pci_hot_reset.sizeof(), groupFds.length);
        return count(groupFds.length).argsz((int) struct.byteSize());
    }

    /** Overwrites {@code argsz}, in bytes. */
    public PciHotReset argsz(int argsz) {
        vfio_pci_hot_reset.argsz(struct, argsz);
        return this;
    }

    /** Overwrites {@code flags}. */
    public PciHotReset flags(int flags) {
        vfio_pci_hot_reset.flags(struct, flags);
        return this;
    }

    /** Overwrites the count of descriptors. */
    public PciHotReset count(int count) {
        vfio_pci_hot_reset.count(struct, count);
        return this;
    }

    @Override
    public int request() {
        return VFIO_DEVICE_PCI_HOT_RESET;
    }

    @Override
    public int call(IoctlFile file) {
        return file.ioctl(VFIO_DEVICE_PCI_HOT_RESET, struct);
    }

    @Override
    public String toString() {
        return new CallText("VFIO_DEVICE_PCI_HOT_RESET")
                .decimal("count", vfio_pci_hot_reset.count(struct))
                .argsz(vfio_pci_hot_reset.argsz(struct), struct.byteSize())
                .noFlags(vfio_pci_hot_reset.flags(struct))
                .toString();
    }
}
