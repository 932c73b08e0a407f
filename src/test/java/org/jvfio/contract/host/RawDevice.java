package org.jvfio.contract.host;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jvfio.ioctl.Feature;
import org.jvfio.ioctl.GetDeviceInfo;
import org.jvfio.ioctl.GetRegionInfo;
import org.jvfio.ioctl.IoEventFd;
import org.jvfio.ioctl.PciHotReset;
import org.jvfio.ioctl.ValueIoctl;
import org.jvfio.uapi.vfio_h;

/** A descriptor of a device. */
public final class RawDevice extends VfioFile {
    private static final int FEATURE_DATA_BYTES = 16;

    public RawDevice(VfioProcess process, int descriptor) {
        super(process, descriptor);
    }

    /** Where a region begins in the file, by DEVICE_GET_REGION_INFO. */
    public long offset(int region) {
        return region(region).offset();
    }

    /** DEVICE_GET_REGION_INFO without capabilities, which must succeed. */
    public GetRegionInfo region(int index) {
        GetRegionInfo info = GetRegionInfo.of(process.arena(), index);
        assertEquals(0, call(info));
        return info;
    }

    /** DEVICE_GET_REGION_INFO of so many bytes: what the kernel returns. */
    public int regionInfo(int index, int argsz) {
        return call(GetRegionInfo.of(process.arena(), index).argsz(argsz));
    }

    /** DEVICE_GET_INFO, which must succeed. */
    public GetDeviceInfo info() {
        GetDeviceInfo info = GetDeviceInfo.of(process.arena());
        assertEquals(0, call(info));
        return info;
    }

    /** DEVICE_PCI_HOT_RESET with descriptors of groups. */
    public int hotReset(int... descriptors) {
        return call(PciHotReset.of(process.arena(), descriptors));
    }

    /** DEVICE_IOEVENTFD: a write of {@code width} bytes for each signal of an eventfd, or -1 to remove it. */
    public int ioEvent(long offset, long data, int width, int descriptor) {
        return call(IoEventFd.of(process.arena(), width, offset, data, descriptor));
    }

    /** DEVICE_FEATURE with an int as its data. */
    public int feature(int flags, int argsz, int data) {
        MemorySegment bytes = process.arena().allocate(FEATURE_DATA_BYTES, Long.BYTES);
        bytes.set(vfio_h.C_INT, 0, data);
        return call(Feature.of(process.arena(), flags, bytes).argsz(argsz));
    }

    /** DEVICE_FEATURE without data. */
    public int feature(int flags) {
        return call(Feature.of(process.arena(), flags, MemorySegment.NULL));
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
        return call(ValueIoctl.reset());
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
