package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_group_status;
import org.jvfio.uapi.vfio_h;

/** An open {@code /dev/vfio/N}: {@code drivers/vfio/group.c}. */
final class GroupFile extends OpenFile {

    private final EmulatedHost host;
    private final IommuGroup group;

    GroupFile(EmulatedHost host, IommuGroup group) {
        this.host = host;
        this.group = group;
        group.opened();
    }

    IommuGroup group() {
        return group;
    }

    @Override
    void release(Mm closer) {
        group.closed(closer);
    }

    @Override
    int ioctl(int request, Argument argument) {
        return switch (request) {
            case vfio_h.VFIO_GROUP_GET_STATUS -> status(argument);
            case vfio_h.VFIO_GROUP_SET_CONTAINER -> setContainer(argument);
            case vfio_h.VFIO_GROUP_UNSET_CONTAINER -> unsetContainer(argument.mm());
            case vfio_h.VFIO_GROUP_GET_DEVICE_FD -> getDevice(argument);
            default -> Errno.ENOTTY.negated();
        };
    }

    private int status(Argument argument) {
        long size = vfio_group_status.sizeof();
        MemorySegment status = argument.copyIn(size);
        if (status == null) {
            return Errno.EFAULT.negated();
        }
        if (Integer.compareUnsigned(vfio_group_status.argsz(status), (int) size) < 0) {
            return Errno.EINVAL.negated();
        }
        if (!group.hasNode()) {
            return Errno.ENODEV.negated();
        }
        boolean inContainer = group.container() != null;
        boolean containerMeansViable = inContainer && host.machine().kernel().setContainerChecksViability();
        int flags = inContainer ? vfio_h.VFIO_GROUP_FLAGS_CONTAINER_SET : 0;
        if (containerMeansViable || !group.usedByHost()) {
            flags |= vfio_h.VFIO_GROUP_FLAGS_VIABLE;
        }
        vfio_group_status.flags(status, flags);
        return argument.copyOut(status, size) ? 0 : Errno.EFAULT.negated();
    }

    private int setContainer(Argument argument) {
        MemorySegment descriptor = argument.copyIn(Integer.BYTES);
        if (descriptor == null) {
            return Errno.EFAULT.negated();
        }
        int number = descriptor.get(vfio_h.C_INT, 0);
        if (!host.machine().kernel().looksUpContainerFirst() && (number < 0 || group.container() != null)) {
            return Errno.EINVAL.negated();
        }
        OpenFile file = argument.task().file(number);
        if (file == null) {
            return Errno.EBADF.negated();
        }
        if (group.container() != null) {
            return Errno.EINVAL.negated();
        }
        if (!group.hasNode()) {
            return Errno.ENODEV.negated();
        }
        if (!(file instanceof ContainerFile container)) {
            return host.machine().kernel().notAContainer().negated();
        }
        return group.enter(container.container(), argument.mm());
    }

    private int unsetContainer(Mm caller) {
        if (group.container() == null) {
            return Errno.EINVAL.negated();
        }
        if (group.openDevices() > 0) {
            return Errno.EBUSY.negated();
        }
        group.leave(caller);
        return 0;
    }

    private int getDevice(Argument argument) {
        int maxBytes = 1 << host.machine().pageShift();
        String name = argument.string(maxBytes);
        if (name == null) {
            return Errno.EFAULT.negated();
        }
        if (name.length() >= maxBytes) {
            return Errno.EINVAL.negated();
        }
        boolean lookUpFirst = host.machine().kernel().looksUpDeviceFirst();
        if (!lookUpFirst && !usable()) {
            return Errno.EINVAL.negated();
        }
        PciFunction function = find(name);
        if (function == null) {
            return Errno.ENODEV.negated();
        }
        String options = name.substring(function.address().length()).replace(" ", "");
        if (!options.isEmpty() && !(function.found().hasVirtualFunctions() && isToken(options))) {
            // Only a function with SR-IOV takes a token, and there is no other option.
            return Errno.EINVAL.negated();
        }
        if (!argument.task().hasFreeDescriptor()) {
            return Errno.EMFILE.negated();
        }
        if (!usable()) {
            return Errno.EINVAL.negated();
        }
        return argument.task().add("anon_inode:[vfio-device]", new DeviceFile(host, group, function));
    }

    private static boolean isToken(String options) {
        return options.matches("vf_token=\\p{XDigit}{8}(-\\p{XDigit}{4}){3}-\\p{XDigit}{12}");
    }

    private boolean usable() {
        VfioContainer container = group.container();
        return container != null
                && container.iommu() != null
                && (host.machine().kernel().setContainerChecksViability() || !group.usedByHost());
    }

    /** {@code vfio_pci_core_match}: the address, alone or followed by a space and options. */
    private @Nullable PciFunction find(String name) {
        for (PciFunction function : group.functions()) {
            if (function.isBoundToVfio()
                    && !function.isWanted()
                    && (name.equals(function.address()) || name.startsWith(function.address() + " "))) {
                return function;
            }
        }
        return null;
    }
}
