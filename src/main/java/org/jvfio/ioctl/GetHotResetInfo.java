package org.jvfio.ioctl;

import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import org.jvfio.uapi.vfio_pci_dependent_device;
import org.jvfio.uapi.vfio_pci_hot_reset_info;

/**
 * The devices that are reset with one: {@code VFIO_DEVICE_GET_PCI_HOT_RESET_INFO} of a device. If the struct has no
 * room for all of them, the kernel returns ENOSPC and writes {@link #count()} alone.
 *
 * @param struct a {@code vfio_pci_hot_reset_info}, with room for devices behind it
 */
public record GetHotResetInfo(MemorySegment struct) implements Ioctl {

    /** Allocates and fills a struct with room for so many devices. */
    public static GetHotResetInfo of(SegmentAllocator allocator, int devices) {
        long bytes =
                vfio_pci_hot_reset_info.sizeof() + Integer.toUnsignedLong(devices) * vfio_pci_dependent_device.sizeof();
        return new GetHotResetInfo(allocator.allocate(bytes, Integer.BYTES)).fill();
    }

    /** Fills the struct: {@code argsz} is the size of the segment. */
    public GetHotResetInfo fill() {
        struct.fill((byte) 0);
        return argsz((int) struct.byteSize());
    }

    /** Overwrites {@code argsz}, in bytes. */
    public GetHotResetInfo argsz(int argsz) {
        vfio_pci_hot_reset_info.argsz(struct, argsz);
        return this;
    }

    /** Overwrites {@code flags}. */
    public GetHotResetInfo flags(int flags) {
        vfio_pci_hot_reset_info.flags(struct, flags);
        return this;
    }

    /** {@code VFIO_PCI_HOT_RESET_FLAG_*}, written by the kernel. */
    public int flags() {
        return vfio_pci_hot_reset_info.flags(struct);
    }

    /** The number of devices. */
    public int count() {
        return vfio_pci_hot_reset_info.count(struct);
    }

    /** How many devices the struct has room for. */
    public long capacity() {
        return (struct.byteSize() - vfio_pci_hot_reset_info.sizeof()) / vfio_pci_dependent_device.sizeof();
    }

    /** The IOMMU group of a device. */
    public int group(int device) {
        return vfio_pci_dependent_device.group_id(entry(device));
    }

    /** The PCI domain of a device. */
    public int domain(int device) {
        return Short.toUnsignedInt(vfio_pci_dependent_device.segment(entry(device)));
    }

    /** The PCI bus of a device. */
    public int bus(int device) {
        return Byte.toUnsignedInt(vfio_pci_dependent_device.bus(entry(device)));
    }

    /** The slot of a device on its bus, shifted left by 3, and its function. */
    public int devfn(int device) {
        return Byte.toUnsignedInt(vfio_pci_dependent_device.devfn(entry(device)));
    }

    private MemorySegment entry(int device) {
        return struct.asSlice(
                vfio_pci_hot_reset_info.sizeof() + device * vfio_pci_dependent_device.sizeof(),
                vfio_pci_dependent_device.sizeof());
    }

    @Override
    public int request() {
        return VFIO_DEVICE_GET_PCI_HOT_RESET_INFO;
    }

    @Override
    public int call(IoctlFile file) {
        return file.ioctl(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, struct);
    }

    @Override
    public String written() {
        return CallText.ofFields()
                .hex("flags", flags())
                .decimal("count", count())
                .toString();
    }

    @Override
    public String toString() {
        return new CallText("VFIO_DEVICE_GET_PCI_HOT_RESET_INFO")
                .argsz(vfio_pci_hot_reset_info.argsz(struct), struct.byteSize())
                .toString();
    }
}
