package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_pci_dependent_device;
import org.jvfio.uapi.vfio_pci_hot_reset;
import org.jvfio.uapi.vfio_pci_hot_reset_info;

/** Reset of a device's bus and all devices on it: DEVICE_GET_PCI_HOT_RESET_INFO, DEVICE_PCI_HOT_RESET. */
final class HotReset {
    private static final int SIZE = 12;

    private final EmulatedHost host;
    private final PciFunction function;

    HotReset(EmulatedHost host, PciFunction function) {
        this.host = host;
        this.function = function;
    }

    /** In an LPAR, devices are on a root bus, which cannot be reset. */
    private boolean isPossible() {
        return host.machine().platform().isPowernv();
    }

    int info(Argument argument) {
        MemorySegment info = argument.copyIn(SIZE);
        if (info == null) {
            return Errno.EFAULT.negated();
        }
        long argsz = Integer.toUnsignedLong(vfio_pci_hot_reset_info.argsz(info));
        if (argsz < SIZE) {
            return Errno.EINVAL.negated();
        }
        if (!isPossible()) {
            return Errno.ENODEV.negated();
        }
        List<PciFunction> devices = host.onBusOf(function);
        long each = vfio_pci_dependent_device.sizeof();
        boolean fits = argsz >= SIZE + devices.size() * each;
        vfio_pci_hot_reset_info.flags(info, 0);
        vfio_pci_hot_reset_info.count(info, devices.size());
        if (!argument.copyOut(info, SIZE)) {
            return Errno.EFAULT.negated();
        }
        if (!fits) {
            return Errno.ENOSPC.negated();
        }
        MemorySegment list = MemorySegment.ofArray(new long[devices.size()]);
        for (int index = 0; index < devices.size(); index++) {
            PciFunction device = devices.get(index);
            MemorySegment entry = list.asSlice(index * each, each);
            vfio_pci_dependent_device.group_id(entry, host.groupOf(device).number());
            vfio_pci_dependent_device.segment(entry, (short) device.domain());
            vfio_pci_dependent_device.bus(entry, (byte) device.bus());
            vfio_pci_dependent_device.devfn(entry, (byte) device.devfn());
        }
        return argument.copyOut(SIZE, list, devices.size() * each) ? 0 : Errno.EFAULT.negated();
    }

    int reset(Argument argument) {
        MemorySegment asked = argument.copyIn(SIZE);
        if (asked == null) {
            return Errno.EFAULT.negated();
        }
        long count = Integer.toUnsignedLong(vfio_pci_hot_reset.count(asked));
        if (Integer.compareUnsigned(vfio_pci_hot_reset.argsz(asked), SIZE) < 0
                || vfio_pci_hot_reset.flags(asked) != 0
                || count == 0) {
            return Errno.EINVAL.negated();
        }
        if (!isPossible()) {
            return Errno.ENODEV.negated();
        }
        List<PciFunction> devices = host.onBusOf(function);
        if (count > devices.size()) {
            return Errno.EINVAL.negated();
        }
        MemorySegment descriptors = argument.copyIn(SIZE, count * Integer.BYTES);
        if (descriptors == null) {
            return Errno.EFAULT.negated();
        }
        @Nullable OpenFile[] files = new @Nullable OpenFile[(int) count];
        for (int each = 0; each < count; each++) {
            OpenFile file = argument.task().file(descriptors.getAtIndex(vfio_h.C_INT, each));
            if (!(file instanceof GroupFile)) {
                return (file == null ? Errno.EBADF : Errno.EINVAL).negated();
            }
            files[each] = file;
        }
        for (PciFunction device : devices) {
            if (!device.isBoundToVfio() || !isIn(files, device)) {
                return Errno.EINVAL.negated();
            }
        }
        devices.forEach(PciFunction::reset);
        return 0;
    }

    private boolean isIn(@Nullable OpenFile[] files, PciFunction device) {
        IommuGroup group = host.groupOf(device);
        for (OpenFile file : files) {
            if (file instanceof GroupFile groupFile && groupFile.group() == group) {
                return true;
            }
        }
        return false;
    }
}
