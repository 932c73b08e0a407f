package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_region_info;

/** A descriptor of a device. */
final class Device extends VfioFile {

    Device(VfioProcess process, int descriptor) {
        super(process, descriptor);
    }

    /** Where a region begins in the file, by DEVICE_GET_REGION_INFO. */
    long offset(int region) {
        return vfio_region_info.offset(region(region));
    }

    /** DEVICE_GET_REGION_INFO without capabilities, which must succeed. */
    MemorySegment region(int index) {
        MemorySegment info = process.struct(vfio_region_info.layout());
        assertEquals(0, regionInfo(info, index, (int) vfio_region_info.sizeof()));
        return info;
    }

    /** DEVICE_GET_REGION_INFO into a struct. */
    int regionInfo(MemorySegment info, int index, int argsz) {
        vfio_region_info.argsz(info, argsz);
        vfio_region_info.index(info, index);
        return ioctl(vfio_h.VFIO_DEVICE_GET_REGION_INFO, info);
    }

    ConfigSpace config() {
        return new ConfigSpace(this);
    }

    /** {@code mmap(2)} of a part of this file, to read. */
    long mmap(long bytes, int flags, long offset) {
        return process.kernel().mmap(bytes, vfio_h.PROT_READ, flags, descriptor(), offset);
    }

    long pread(MemorySegment buffer, long offset) {
        return process.kernel().pread(descriptor(), buffer, offset);
    }

    long pwrite(MemorySegment buffer, long offset) {
        return process.kernel().pwrite(descriptor(), buffer, offset);
    }

    /** Reads the COMMAND register: 2 bytes, or a negated errno. */
    long readCommand(MemorySegment command) {
        return pread(command, offset(vfio_h.VFIO_PCI_CONFIG_REGION_INDEX) + vfio_h.PCI_COMMAND);
    }

    Interrupts interrupts(int index) {
        return new Interrupts(this, index);
    }

    /** DEVICE_RESET. */
    int reset() {
        return ioctl(vfio_h.VFIO_DEVICE_RESET, 0);
    }

    /** Turns bus mastering on or off, without which a device makes no DMA. */
    void masterBus(boolean on) {
        changeCommand(vfio_h.PCI_COMMAND_MASTER, on);
    }

    /** Sets bits of the COMMAND register, or clears them. */
    void changeCommand(int bits, boolean on) {
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
