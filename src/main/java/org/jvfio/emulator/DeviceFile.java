package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_device_info;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_region_info;

/** A descriptor of a device: vfio-pci ({@code drivers/vfio/pci/vfio_pci_core.c}). */
final class DeviceFile extends OpenFile {
    private static final int INFO_SIZE = 16;
    static final int OFFSET_SHIFT = 40;
    static final long OFFSET_MASK = (1L << OFFSET_SHIFT) - 1;

    private final EmulatedHost host;
    private final IommuGroup group;
    private final PciFunction function;
    private final HotReset hotReset;
    private final BarMappings mappings;
    /** The file offset of {@code read} and {@code write}; nothing changes it. */
    private long position;

    DeviceFile(EmulatedHost host, IommuGroup group, PciFunction function) {
        this.host = host;
        this.group = group;
        this.function = function;
        this.hotReset = new HotReset(host, function);
        this.mappings = new BarMappings(host, function);
        group.deviceOpened();
        function.opened();
    }

    @Override
    void release(Mm closer) {
        function.closed();
        group.deviceClosed(closer);
        if (function.isRemoved() && !function.isOpen()) {
            host.removed(function);
        }
    }

    @Override
    int ioctl(int request, Argument argument) {
        function.features().wakeForCall();
        return switch (request) {
            case vfio_h.VFIO_DEVICE_GET_INFO -> info(argument);
            case vfio_h.VFIO_DEVICE_GET_REGION_INFO -> regionInfo(argument);
            case vfio_h.VFIO_DEVICE_GET_IRQ_INFO -> function.interrupts().info(argument);
            case vfio_h.VFIO_DEVICE_SET_IRQS -> function.interrupts().set(argument);
            case vfio_h.VFIO_DEVICE_RESET -> reset();
            case vfio_h.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO -> hotReset.info(argument);
            case vfio_h.VFIO_DEVICE_PCI_HOT_RESET -> hotReset.reset(argument);
            case vfio_h.VFIO_DEVICE_IOEVENTFD -> function.ioEvents().set(argument);
            case vfio_h.VFIO_DEVICE_FEATURE -> function.features().operate(argument);
            default -> Errno.ENOTTY.negated();
        };
    }

    private int info(Argument argument) {
        MemorySegment asked = argument.copyIn(INFO_SIZE);
        if (asked == null) {
            return Errno.EFAULT.negated();
        }
        int argsz = vfio_device_info.argsz(asked);
        if (Integer.compareUnsigned(argsz, INFO_SIZE) < 0) {
            return Errno.EINVAL.negated();
        }
        long size = vfio_device_info.sizeof();
        MemorySegment info = MemorySegment.ofArray(new long[(int) size / Long.BYTES]);
        vfio_device_info.argsz(info, argsz);
        vfio_device_info.flags(
                info, vfio_h.VFIO_DEVICE_FLAGS_PCI | (function.canReset() ? vfio_h.VFIO_DEVICE_FLAGS_RESET : 0));
        vfio_device_info.num_regions(info, vfio_h.VFIO_PCI_NUM_REGIONS);
        vfio_device_info.num_irqs(info, vfio_h.VFIO_PCI_NUM_IRQS);
        long back = Math.min(Integer.toUnsignedLong(argsz), size);
        return argument.copyOut(info, back) ? 0 : Errno.EFAULT.negated();
    }

    private int regionInfo(Argument argument) {
        long size = vfio_region_info.sizeof();
        MemorySegment asked = argument.copyIn(size);
        if (asked == null) {
            return Errno.EFAULT.negated();
        }
        int argsz = vfio_region_info.argsz(asked);
        if (Integer.compareUnsigned(argsz, (int) size) < 0) {
            return Errno.EINVAL.negated();
        }
        int index = vfio_region_info.index(asked);
        if (Integer.compareUnsigned(index, vfio_h.VFIO_PCI_VGA_REGION_INDEX) >= 0) {
            return Errno.EINVAL.negated();
        }
        long bytes = regionBytes(index);
        int readable = vfio_h.VFIO_REGION_INFO_FLAG_READ;
        int flags =
                index == vfio_h.VFIO_PCI_ROM_REGION_INDEX ? readable : readable | vfio_h.VFIO_REGION_INFO_FLAG_WRITE;
        BarMappings.Capability capability = BarMappings.Capability.NONE;
        if (index <= vfio_h.VFIO_PCI_BAR5_REGION_INDEX && mappings.isMappable(index)) {
            flags |= vfio_h.VFIO_REGION_INFO_FLAG_MMAP;
            capability = mappings.capability(index);
        }
        MemorySegment info = MemorySegment.ofArray(new long[(int) (size + capability.bytes()) / Long.BYTES]);
        info.copyFrom(asked.asSlice(0, size));
        vfio_region_info.flags(info, bytes == 0 ? 0 : flags | capability.flag());
        vfio_region_info.size(info, bytes);
        vfio_region_info.offset(info, (long) index << OFFSET_SHIFT);
        long back = size;
        if (capability.bytes() > 0) {
            if (Integer.compareUnsigned(argsz, (int) info.byteSize()) < 0) {
                vfio_region_info.argsz(info, (int) info.byteSize());
                vfio_region_info.cap_offset(info, 0);
            } else {
                capability.write(info.asSlice(size), (int) size);
                vfio_region_info.cap_offset(info, (int) size);
                back = info.byteSize();
            }
        }
        return argument.copyOut(info, back) ? 0 : Errno.EFAULT.negated();
    }

    private long regionBytes(int index) {
        return switch (index) {
            case vfio_h.VFIO_PCI_CONFIG_REGION_INDEX -> function.found().configBytes();
            case vfio_h.VFIO_PCI_ROM_REGION_INDEX ->
                function.romBytes() != 0 && function.showsRomImage() ? function.romBytes() : 0;
            default -> function.bars().isAssigned(index) ? function.bars().bytes(index) : 0;
        };
    }

    private int reset() {
        if (!function.canReset()) {
            return Errno.EINVAL.negated();
        }
        if (function.isRemoved()) {
            return Errno.ENOTTY.negated();
        }
        function.reset();
        return 0;
    }

    @Override
    long pread(MemorySegment buffer, long offset) {
        return access(buffer, offset, false);
    }

    @Override
    long pwrite(MemorySegment buffer, long offset) {
        return access(buffer, offset, true);
    }

    @Override
    long read(MemorySegment buffer) {
        return goOn(access(buffer, position, false));
    }

    @Override
    long write(MemorySegment buffer) {
        return goOn(access(buffer, position, true));
    }

    private long goOn(long answer) {
        position += Math.max(answer, 0);
        return answer;
    }

    private long access(MemorySegment buffer, long offset, boolean write) {
        if (buffer.byteSize() == 0) {
            return 0;
        }
        function.features().wakeForCall();
        long index = offset >>> OFFSET_SHIFT;
        long position = offset & OFFSET_MASK;
        if (index == vfio_h.VFIO_PCI_CONFIG_REGION_INDEX) {
            return write
                    ? function.config().write(buffer, position)
                    : function.config().read(buffer, position);
        }
        if (index == vfio_h.VFIO_PCI_ROM_REGION_INDEX && !write) {
            return function.readRom(buffer, position);
        }
        if (index > vfio_h.VFIO_PCI_BAR5_REGION_INDEX) {
            return Errno.EINVAL.negated();
        }
        return function.accessBar((int) index, buffer, position, write);
    }

    @Override
    long mmap(Mm mm, long length, int protection, int flags, long offset) {
        function.features().wakeForCall();
        long index = offset >>> OFFSET_SHIFT;
        if (offset < 0 || index > vfio_h.VFIO_PCI_BAR5_REGION_INDEX) {
            return Errno.EINVAL.negated();
        }
        refer();
        long address = mappings.map(mm, (int) index, offset & OFFSET_MASK, length, protection, flags, () -> drop(mm));
        if (Errno.isError(address)) {
            drop(mm);
        }
        return address;
    }
}
