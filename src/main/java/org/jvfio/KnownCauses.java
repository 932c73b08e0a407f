package org.jvfio;

import java.util.function.Supplier;
import org.jvfio.VfioException.Kind;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

/**
 * What each errno of each call means in VFIO on POWER, and what helps. Found in the kernel's {@code drivers/vfio} and
 * {@code arch/powerpc}, and measured on real kernels.
 */
final class KnownCauses {
    private static final Cause OTHER_PROCESS = new Cause(
            Kind.PERMISSION,
            "the container belongs to the process that registered the first memory, and this is another process",
            "open a container in this process");
    /** EPERM of calls that make a window in an LPAR, where the container has several groups. */
    static final Cause SHARED_LPAR_WINDOW = new Cause(
            Kind.UNSUPPORTED,
            "a window of an LPAR belongs to one group, and the container has several",
            "use a container for each group");

    private static final Cause NO_DESCRIPTOR =
            new Cause(Kind.EXHAUSTED, "too many files are open", "close some, or raise the limit: ulimit -n");
    private static final Cause NO_MEMORY =
            new Cause(Kind.OUT_OF_MEMORY, "the kernel has no memory for it", "free some memory");

    private KnownCauses() {}

    static Cause openContainer(Errno errno) {
        return switch (errno) {
            case ENOENT, ENODEV, ENXIO ->
                new Cause(
                        Kind.HOST_SETUP, "this kernel has no VFIO", "load it: modprobe vfio-pci vfio_iommu_spapr_tce");
            case EACCES, EPERM ->
                new Cause(
                        Kind.PERMISSION,
                        "this user may not open it",
                        "run as root, or give access: chmod 0666 /dev/vfio/vfio");
            case EMFILE, ENFILE -> NO_DESCRIPTOR;
            default -> Cause.of(errno);
        };
    }

    /** @param bindHint how its devices get bound to vfio-pci */
    static Cause openGroup(Errno errno, String path, Supplier<String> bindHint) {
        return switch (errno) {
            case ENOENT, ENODEV, ENXIO ->
                new Cause(
                        Kind.HOST_SETUP,
                        "it has no device file, as none of its devices is bound to vfio-pci",
                        bindHint.get());
            case EACCES, EPERM ->
                new Cause(
                        Kind.PERMISSION,
                        "this user may not open it",
                        "run as root, or give access: chown $USER " + path);
            case EMFILE, ENFILE -> NO_DESCRIPTOR;
            default -> Cause.of(errno);
        };
    }

    /** EBUSY: a group can be open once, and is busy as long as a device is open that was opened through it. */
    static Cause busyGroup(String path, FileUsers users) {
        if (users.own()) {
            return new Cause(
                    Kind.BUSY,
                    "it is busy: this process has it open already",
                    "attach it once, and use that container; or close that first");
        }
        if (!users.others().isEmpty()) {
            return new Cause(
                    Kind.BUSY,
                    "it is busy: " + String.join(", ", users.others())
                            + (users.others().size() == 1 ? " has" : " have") + " it open",
                    "wait until that has ended, or end it");
        }
        return new Cause(
                Kind.BUSY,
                "it is busy: a process has it open, or still has one of its devices open",
                "find that process, as root: fuser -v " + path
                        + "; or, if it has a device only, ls -l /proc/[0-9]*/fd | grep vfio");
    }

    static Cause setContainer(Errno errno) {
        return switch (errno) {
            case EPERM ->
                new Cause(
                        Kind.HOST_SETUP,
                        "the kernel cannot take the group from the host: a driver of the host uses it, another group of"
                                + " the container is incompatible, or the firmware keeps the host's window",
                        "bind all its devices to vfio-pci, use a container for each group, and see dmesg");
            case EBUSY ->
                new Cause(
                        Kind.BUSY,
                        "the host still uses the group's DMA, or this kind of container takes one group only",
                        "unbind the host's drivers from the group, or use a container for each group");
            case ENOMEM -> NO_MEMORY;
            default -> Cause.of(errno);
        };
    }

    static Cause setIommu(Errno errno) {
        return switch (errno) {
            case ENODEV ->
                new Cause(
                        Kind.HOST_SETUP,
                        "the kernel's driver for the SPAPR TCE IOMMU is missing",
                        "load it: modprobe vfio_iommu_spapr_tce");
            case EINVAL ->
                new Cause(
                        Kind.UNSUPPORTED,
                        "the group's platform has no dynamic DMA windows",
                        "on pseries use Linux 6.11 or newer, with firmware that has ibm,ddw-applicable");
            case EPERM ->
                new Cause(
                        Kind.UNSUPPORTED,
                        "this kernel has no SPAPR TCE v2 for the group's platform",
                        "use Linux 6.4 or newer (6.11 on pseries)");
            case ENOMEM ->
                new Cause(
                        Kind.LOCK_LIMIT,
                        "too little memory may be locked for the table of the default window, which Linux before 4.10"
                                + " creates at once",
                        "allow 8M more, and beside them what the program itself locks: ulimit -l, or LimitMEMLOCK in its"
                                + " systemd unit");
            default -> Cause.of(errno);
        };
    }

    static Cause getDevice(Errno errno) {
        return switch (errno) {
            case ENODEV ->
                new Cause(
                        Kind.HOST_SETUP,
                        "it is not bound to vfio-pci",
                        "bind it to vfio-pci, and see dmesg if that fails");
            case EINVAL -> new Cause(Kind.UNSUPPORTED, "it takes no VF token", "open it without one");
            case EACCES ->
                new Cause(
                        Kind.PERMISSION,
                        "it is a virtual function, or has some, and needs the VF token",
                        "bind the physical function to the host's driver, or give the token");
            case EIO ->
                new Cause(
                        Kind.FROZEN,
                        "it does not respond: it has failed, or its PE is frozen",
                        "see dmesg, and reset or power-cycle the slot");
            case EAGAIN -> new Cause(Kind.BUSY, "it is being reset", "try again");
            case EMFILE, ENFILE -> NO_DESCRIPTOR;
            default -> Cause.of(errno);
        };
    }

    static Cause mmap(Errno errno, long bytes, PageSize page, boolean huge) {
        if (!huge) {
            return errno == Errno.ENOMEM
                    ? new Cause(
                            Kind.OUT_OF_MEMORY, "the kernel has no memory for it", "ask for less, or raise ulimit -v")
                    : Cause.of(errno);
        }
        String pool = "/sys/kernel/mm/hugepages/hugepages-%dkB/nr_hugepages".formatted(page.bytes() / 1024);
        return switch (errno) {
            case ENOMEM ->
                new Cause(
                        Kind.OUT_OF_MEMORY,
                        "too few huge pages of that size are free: it takes %d".formatted(bytes / page.bytes()),
                        "add to the pool, as root: %s, or at boot".formatted(pool));
            case EINVAL, ENODEV ->
                new Cause(
                        Kind.UNSUPPORTED,
                        "this kernel has no huge pages of that size",
                        "see what it has: ls /sys/kernel/mm/hugepages");
            default -> Cause.of(errno);
        };
    }

    static Cause register(Errno errno) {
        return switch (errno) {
            case EFAULT ->
                new Cause(
                        Kind.KERNEL_REFUSED,
                        "some of it is not mapped, is read-only, or is of a file that cannot be pinned",
                        "use memory that is mapped and writable");
            case EINVAL ->
                new Cause(
                        Kind.CONFLICT,
                        "it overlaps memory that this process has registered without this library",
                        "register memory through one kernel object, or memory that does not overlap");
            case EBUSY -> new Cause(Kind.CONFLICT, "this very range is registered already", "register each range once");
            case EPERM -> OTHER_PROCESS;
            default -> Cause.of(errno);
        };
    }

    static Cause unregister(Errno errno) {
        return switch (errno) {
            case ENOENT ->
                new Cause(
                        Kind.NOT_FOUND,
                        "no such range is registered in this container",
                        "unregister ranges exactly as they were registered");
            case EPERM -> OTHER_PROCESS;
            default -> Cause.of(errno);
        };
    }

    static Cause map(Errno errno) {
        return switch (errno) {
            case EPERM ->
                new Cause(
                        Kind.PERMISSION,
                        "nothing was registered in this container yet, the memory's pages are smaller than the window's,"
                                + " or another process opened the container",
                        "register the memory, and use a window whose pages are not larger than the memory's");
            case EINVAL ->
                new Cause(
                        Kind.KERNEL_REFUSED,
                        "the memory is not registered, or its pages are smaller than the window's",
                        "register the memory, and use a window whose pages are not larger than the memory's");
            case ENXIO -> new Cause(Kind.NOT_FOUND, "the IOVA is in no window", "use an address inside the window");
            case ENODEV -> failedWindows();
            case EINTR ->
                new Cause(Kind.KERNEL_REFUSED, "the hypervisor refused the address", "stay inside the window");
            case ENOMEM ->
                new Cause(
                        Kind.OUT_OF_MEMORY,
                        "the kernel has no memory for a level of the window's table",
                        "free some memory");
            default -> Cause.of(errno);
        };
    }

    static Cause createWindow(Errno errno) {
        return switch (errno) {
            case ENOSPC ->
                new Cause(
                        Kind.EXHAUSTED,
                        "the group has no free window",
                        "close a window first, perhaps the default window");
            case EINVAL ->
                new Cause(
                        Kind.UNSUPPORTED,
                        "the platform has no such window: page size, size or levels do not fit",
                        "see Container.iommuInfo");
            case EPERM ->
                new Cause(
                        Kind.PERMISSION,
                        "the container belongs to another process, or its platform takes one group in a container",
                        "use one container for each group, in the process that opened it");
            case ENODEV -> failedWindows();
            default -> Cause.of(errno);
        };
    }

    /** ENODEV of a call that creates a window: {@code failed_ddw_pdn_list}. */
    static Cause failedWindows() {
        return new Cause(
                Kind.KERNEL_REFUSED,
                "the kernel creates no window for this device until the next boot, because firmware has refused one: now,"
                        + " or when a driver of the host used the device before",
                "boot with disable_ddw on the kernel command line, or keep the host's driver off the device"
                        + " (vfio-pci.ids=VENDOR:DEVICE), and see dmesg; an earlier request may have been too large");
    }

    static Cause removeWindow(Errno errno) {
        return switch (errno) {
            case EINVAL -> new Cause(Kind.NOT_FOUND, "there is no such window any more", "close a window once");
            case EPERM -> OTHER_PROCESS;
            default -> Cause.of(errno);
        };
    }

    /**
     * @param state the state of the PE after the operation has failed, or a negated errno
     */
    static Cause eeh(Errno errno, int state) {
        return switch (errno) {
            case ENODEV -> new Cause(Kind.UNSUPPORTED, "the group has no EEH PE", "boot without eeh=off");
            case EIO ->
                state == vfio_h.VFIO_EEH_PE_STATE_NORMAL
                        ? new Cause(
                                Kind.UNSUPPORTED,
                                "the platform does not support it: the PE is not frozen",
                                "go on without it")
                        : new Cause(
                                Kind.FROZEN,
                                "the platform could not do it, and the PE is "
                                        + (PeState.of(state) == null ? "not accessible" : PeState.of(state)),
                                "call Device.recover, and see dmesg for the error data");
            default -> Cause.of(errno);
        };
    }

    static Cause eehInject(Errno errno) {
        return switch (errno) {
            case ENODEV -> new Cause(Kind.UNSUPPORTED, "the group has no EEH PE", "boot without eeh=off");
            case ENXIO ->
                new Cause(Kind.UNSUPPORTED, "the firmware injects no errors", "use a host whose firmware does");
            case EIO ->
                new Cause(
                        Kind.UNSUPPORTED,
                        "the firmware does not inject this error, or has no window to inject a DMA error into",
                        "create a window first, or inject an error of configuration space");
            case ERANGE, EINVAL ->
                new Cause(Kind.UNSUPPORTED, "the platform does not know this error", "inject another one");
            default -> Cause.of(errno);
        };
    }

    static Cause descriptor(Errno errno) {
        return switch (errno) {
            case EMFILE, ENFILE -> NO_DESCRIPTOR;
            default -> Cause.of(errno);
        };
    }

    static Cause setIrqs(Errno errno) {
        return switch (errno) {
            case EINVAL ->
                new Cause(
                        Kind.CONFLICT,
                        "another interrupt type is enabled, or this one is not",
                        "disable what was enabled through another descriptor of the device");
            case EBUSY ->
                new Cause(
                        Kind.BUSY,
                        "INTx is shared with another device, and this device cannot mask its own",
                        "use MSI or MSI-X, or unbind the other device's driver");
            case ENODEV -> new Cause(Kind.UNSUPPORTED, "the device's INTx is not connected", "use MSI or MSI-X");
            case ENOSPC ->
                new Cause(Kind.EXHAUSTED, "the platform has no more vectors", "ask for fewer, or close other devices");
            case ENOMEM -> NO_MEMORY;
            default -> Cause.of(errno);
        };
    }

    static Cause access(Errno errno) {
        return switch (errno) {
            case EIO ->
                new Cause(
                        Kind.FROZEN,
                        "the device's memory is disabled in its command register, or it is in a low power state",
                        "enable memory access, which a reset turns off");
            case ENODEV ->
                new Cause(
                        Kind.GONE,
                        "the PE is held in reset, or the device was removed",
                        "end the reset of the PE, and see dmesg");
            case EBUSY ->
                new Cause(
                        Kind.BUSY,
                        "a driver of the host has claimed the region",
                        "unbind that driver (a console or framebuffer, perhaps)");
            default -> Cause.of(errno);
        };
    }

    static Cause rom(Errno errno) {
        return errno == Errno.ENOMEM
                ? new Cause(
                        Kind.DEVICE_ERROR,
                        "the ROM has no image that the kernel recognizes, or does not respond: its PE may be frozen",
                        "see Device.condition, and dmesg for \"Invalid PCI ROM\"")
                : access(errno);
    }

    static Cause reset(Errno errno) {
        return switch (errno) {
            case EAGAIN -> new Cause(Kind.BUSY, "the device is in use by another reset", "try again");
            case EINVAL, ENOTTY ->
                new Cause(
                        Kind.UNSUPPORTED,
                        "the function cannot be reset alone",
                        "call hotReset, or recover if it does not respond");
            default -> Cause.of(errno);
        };
    }

    static Cause hotReset(Errno errno) {
        return switch (errno) {
            case EPERM ->
                new Cause(
                        Kind.HOST_SETUP,
                        "a device that is reset with it has no IOMMU group",
                        "bind all devices of the bus to vfio-pci");
            case EINVAL ->
                new Cause(
                        Kind.HOST_SETUP,
                        "a device that is reset with it is not bound to vfio-pci, or is in another group by now",
                        "bind all devices of the bus to vfio-pci");
            case EAGAIN, EBUSY -> new Cause(Kind.BUSY, "one of the devices is in use by another reset", "try again");
            default -> Cause.of(errno);
        };
    }

    static Cause feature(Errno errno) {
        return switch (errno) {
            case ENOTTY ->
                new Cause(Kind.UNSUPPORTED, "the kernel has no such feature for this device", "see Device.supports");
            case EINVAL -> new Cause(Kind.CONFLICT, "the device is in that state already", "do it once");
            default -> Cause.of(errno);
        };
    }

    static Cause ioEvent(Errno errno) {
        return switch (errno) {
            case EEXIST -> new Cause(Kind.CONFLICT, "there is such an event already", "use it, or close it first");
            case EINVAL ->
                new Cause(
                        Kind.UNSUPPORTED,
                        "the kernel makes such writes to registers in BARs only, and not to the MSI-X table",
                        "use another register");
            case ENOSPC ->
                new Cause(Kind.EXHAUSTED, "the device has as many events as the kernel allows", "close some");
            case ENOTTY ->
                new Cause(Kind.UNSUPPORTED, "this kernel makes no writes by events", "use Linux 4.17 or newer");
            default -> access(errno);
        };
    }
}
