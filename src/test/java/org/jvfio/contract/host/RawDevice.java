package org.jvfio.contract.host;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jvfio.uapi.vfio_device_feature;
import org.jvfio.uapi.vfio_device_ioeventfd;
import org.jvfio.uapi.vfio_device_low_power_entry_with_wakeup;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_pci_hot_reset;
import org.jvfio.uapi.vfio_pci_hot_reset_info;
import org.jvfio.uapi.vfio_region_info;

/** A descriptor of a device. */
public final class RawDevice extends VfioFile {
    private static final int HOT_RESET_BYTES = 12;
    private static final int FEATURE_HEADER = 8;
    private static final int FEATURE_BYTES = 24;

    public RawDevice(VfioProcess process, int descriptor) {
        super(process, descriptor);
    }

    /** Where a region begins in the file, by DEVICE_GET_REGION_INFO. */
    public long offset(int region) {
        return vfio_region_info.offset(region(region));
    }

    /** DEVICE_GET_REGION_INFO without capabilities, which must succeed. */
    public MemorySegment region(int index) {
        MemorySegment info = process.struct(vfio_region_info.layout());
        assertEquals(0, regionInfo(info, index, (int) vfio_region_info.sizeof()));
        return info;
    }

    /** DEVICE_GET_REGION_INFO into a struct. */
    public int regionInfo(MemorySegment info, int index, int argsz) {
        vfio_region_info.argsz(info, argsz);
        vfio_region_info.index(info, index);
        return ioctl(vfio_h.VFIO_DEVICE_GET_REGION_INFO, info);
    }

    /** DEVICE_GET_PCI_HOT_RESET_INFO into a struct. */
    public int hotResetInfo(MemorySegment info, int argsz) {
        vfio_pci_hot_reset_info.argsz(info, argsz);
        return ioctl(vfio_h.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info);
    }

    /** DEVICE_PCI_HOT_RESET with descriptors of groups. */
    public int hotReset(int... descriptors) {
        try (Arena arena = Arena.ofConfined()) {
            long size = HOT_RESET_BYTES + (long) descriptors.length * Integer.BYTES;
            MemorySegment reset = arena.allocate(size, Integer.BYTES);
            vfio_pci_hot_reset.argsz(reset, (int) size);
            vfio_pci_hot_reset.count(reset, descriptors.length);
            for (int each = 0; each < descriptors.length; each++) {
                reset.set(vfio_h.C_INT, HOT_RESET_BYTES + each * Integer.BYTES, descriptors[each]);
            }
            return ioctl(vfio_h.VFIO_DEVICE_PCI_HOT_RESET, reset);
        }
    }

    /** DEVICE_IOEVENTFD: a write of {@code width} bytes for each signal of an eventfd, or -1 to remove it. */
    public int ioEvent(long offset, long data, int width, int descriptor) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment event = arena.allocate(vfio_device_ioeventfd.layout());
            vfio_device_ioeventfd.argsz(event, (int) vfio_device_ioeventfd.sizeof());
            vfio_device_ioeventfd.flags(event, width);
            vfio_device_ioeventfd.offset(event, offset);
            vfio_device_ioeventfd.data(event, data);
            vfio_device_ioeventfd.fd(event, descriptor);
            return ioctl(vfio_h.VFIO_DEVICE_IOEVENTFD, event);
        }
    }

    /** DEVICE_FEATURE with an int as its data. */
    public int feature(int flags, int argsz, int data) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment feature = arena.allocate(FEATURE_BYTES, Long.BYTES);
            vfio_device_feature.argsz(feature, argsz);
            vfio_device_feature.flags(feature, flags);
            vfio_device_low_power_entry_with_wakeup.wakeup_eventfd(feature.asSlice(FEATURE_HEADER), data);
            return ioctl(vfio_h.VFIO_DEVICE_FEATURE, feature);
        }
    }

    /** DEVICE_FEATURE without data. */
    public int feature(int flags) {
        return feature(flags, FEATURE_HEADER, 0);
    }

    public RawConfigSpace config() {
        return new RawConfigSpace(this);
    }

    /** {@code mmap(2)} of a part of this file, to read. */
    public long mmap(long bytes, int flags, long offset) {
        return process.kernel().mmap(bytes, vfio_h.PROT_READ, flags, descriptor(), offset);
    }

    /** Reads the COMMAND register: 2 bytes, or a negated errno. */
    public long readCommand(MemorySegment command) {
        return pread(command, offset(vfio_h.VFIO_PCI_CONFIG_REGION_INDEX) + vfio_h.PCI_COMMAND);
    }

    public RawInterrupts interrupts(int index) {
        return new RawInterrupts(this, index);
    }

    /** DEVICE_RESET. */
    public int reset() {
        return ioctl(vfio_h.VFIO_DEVICE_RESET, 0);
    }

    /** Turns bus mastering on or off, without which a device makes no DMA. */
    public void masterBus(boolean on) {
        changeCommand(vfio_h.PCI_COMMAND_MASTER, on);
    }

    /** Sets bits of the COMMAND register, or clears them. */
    public void changeCommand(int bits, boolean on) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment command = arena.allocate(VfioProcess.LITTLE_ENDIAN_SHORT);
            assertEquals(Short.BYTES, readCommand(command));
            int value = command.get(VfioProcess.LITTLE_ENDIAN_SHORT, 0);
            int changed = on ? value | bits : value & ~bits;
            command.set(VfioProcess.LITTLE_ENDIAN_SHORT, 0, (short) changed);
            assertEquals(
                    Short.BYTES, pwrite(command, offset(vfio_h.VFIO_PCI_CONFIG_REGION_INDEX) + vfio_h.PCI_COMMAND));
        }
    }
}
