package org.jvfio;

import org.jvfio.kernel.Errno;

/** What each errno of each call means in VFIO on POWER, and what helps: read in the kernel's source, seen on kernels. */
final class KnownCauses {
    private static final Cause OTHER_PROCESS = new Cause(
            "the container belongs to the process that registered the first memory, and this is another one",
            "open a container in this process");
    private static final Cause NO_DESCRIPTOR =
            new Cause("there are too many open files", "close some, or raise the limit: ulimit -n");

    private KnownCauses() {}

    static Cause openContainer(Errno errno) {
        return switch (errno) {
            case ENOENT, ENODEV, ENXIO ->
                new Cause("this kernel has no VFIO", "load it: modprobe vfio-pci vfio_iommu_spapr_tce");
            case EACCES, EPERM ->
                new Cause("this user may not open it", "run as root, or give access: chmod 0666 /dev/vfio/vfio");
            case EMFILE, ENFILE -> NO_DESCRIPTOR;
            default -> Cause.unknown();
        };
    }

    static Cause openGroup(Errno errno, String path) {
        return switch (errno) {
            case ENOENT, ENODEV, ENXIO ->
                new Cause(
                        "it has no device file, as none of its devices is bound to vfio-pci",
                        "bind them, and see dmesg if that fails (Linux 5.19 to 6.3 cannot on POWER)");
            case EACCES, EPERM ->
                new Cause("this user may not open it", "run as root, or give access: chown $USER " + path);
            case EMFILE, ENFILE -> NO_DESCRIPTOR;
            default -> Cause.unknown();
        };
    }

    /** Why a group is busy: it can be open once. It stays so while a device is open that was opened by it. */
    static Cause busyGroup(String path, FileUsers users) {
        if (users.own()) {
            return new Cause(
                    "it is busy: this process has it open already",
                    "attach it once, and use that container; or close that first");
        }
        if (!users.others().isEmpty()) {
            return new Cause(
                    "it is busy: " + String.join(", ", users.others())
                            + (users.others().size() == 1 ? " has" : " have") + " it open",
                    "wait for its end, or end it");
        }
        return new Cause(
                "it is busy: a process has it open, or still has one of its devices open",
                "find that process, as root: fuser -v %s; or, if it has a device only, ls -l /proc/[0-9]*/fd | grep vfio"
                        .formatted(path));
    }

    static Cause setContainer(Errno errno) {
        return switch (errno) {
            case EPERM ->
                new Cause(
                        "the group cannot be taken from the host: a driver of the host uses it, another group of the"
                                + " container is incompatible, or the firmware keeps the host's window",
                        "bind all its devices to vfio-pci, use a container for each group, and see dmesg");
            case EBUSY ->
                new Cause(
                        "the host still uses the group's DMA, or this kind of container takes one group only",
                        "unbind the host's drivers from the group, or use a container for each group");
            case ENOMEM -> new Cause("the kernel has no memory for it", "free some memory");
            default -> Cause.unknown();
        };
    }

    static Cause setIommu(Errno errno) {
        return switch (errno) {
            case ENODEV ->
                new Cause(
                        "the kernel's driver for the SPAPR TCE IOMMU is missing",
                        "load it: modprobe vfio_iommu_spapr_tce");
            case EINVAL ->
                new Cause(
                        "the group's platform has no dynamic DMA windows",
                        "on pseries use Linux 6.11 or newer, with firmware that has ibm,ddw-applicable");
            case EPERM ->
                new Cause(
                        "this kernel has no SPAPR TCE v2 for the group's platform",
                        "use Linux 6.4 or newer (6.11 on pseries)");
            case ENOMEM ->
                new Cause(
                        "too little memory may be locked for the table of the default window, which Linux before 4.10 makes"
                                + " at once",
                        "allow 8M more: ulimit -l, or LimitMEMLOCK in its systemd unit");
            default -> Cause.unknown();
        };
    }

    static Cause getDevice(Errno errno) {
        return switch (errno) {
            case ENODEV -> new Cause("it is not bound to vfio-pci", "bind it to vfio-pci, and see dmesg if that fails");
            case EINVAL -> new Cause("it takes no VF token", "open it without one");
            case EACCES ->
                new Cause(
                        "it is a virtual function, or has some, and needs the VF token",
                        "bind the physical function to the host's driver, or give the token");
            case EIO ->
                new Cause(
                        "it does not answer: it is dead, or its PE is frozen",
                        "see dmesg, and reset or power-cycle the slot");
            case EAGAIN -> new Cause("it is being reset", "try again");
            case EMFILE, ENFILE -> NO_DESCRIPTOR;
            default -> Cause.unknown();
        };
    }

    static Cause mmap(Errno errno, long bytes, PageSize page, boolean huge) {
        if (!huge) {
            return errno == Errno.ENOMEM
                    ? new Cause("the kernel has no memory for it", "ask for less, or look at ulimit -v")
                    : Cause.unknown();
        }
        String pool = "/sys/kernel/mm/hugepages/hugepages-%dkB/nr_hugepages".formatted(page.bytes() / 1024);
        return switch (errno) {
            case ENOMEM ->
                new Cause(
                        "too few huge pages of that size are free: it takes %d".formatted(bytes / page.bytes()),
                        "add to the pool, as root: %s, or at boot".formatted(pool));
            case EINVAL, ENODEV ->
                new Cause("this kernel has no huge pages of that size", "see what it has: ls /sys/kernel/mm/hugepages");
            default -> Cause.unknown();
        };
    }

    static Cause register(Errno errno) {
        return switch (errno) {
            case EFAULT ->
                new Cause(
                        "some of it is not mapped, is read-only, or is a file's that cannot be pinned",
                        "use memory that is mapped and writable");
            case EINVAL ->
                new Cause(
                        "it overlaps memory that this process has registered without this library's knowledge",
                        "register memory through one kernel object, or memory that does not overlap");
            case EBUSY -> new Cause("this very range is registered already", "register each range once");
            case EPERM -> OTHER_PROCESS;
            default -> Cause.unknown();
        };
    }

    static Cause unregister(Errno errno) {
        return switch (errno) {
            case ENOENT ->
                new Cause(
                        "no such range is registered in this container",
                        "unregister ranges exactly as they were registered");
            case EPERM -> OTHER_PROCESS;
            default -> Cause.unknown();
        };
    }

    static Cause map(Errno errno) {
        return switch (errno) {
            case EPERM ->
                new Cause(
                        "nothing was registered in this container yet, the memory's pages are smaller than the window's, or"
                                + " another process opened the container",
                        "register the memory, and use a window whose pages are not larger than the memory's");
            case EINVAL ->
                new Cause(
                        "the memory is not registered, or its pages are smaller than the window's",
                        "register the memory, and use a window whose pages are not larger than the memory's");
            case ENXIO -> new Cause("the IOVA is in no window", "use an address inside the window");
            case EINTR -> new Cause("the hypervisor refused the address", "stay inside the window");
            case ENOMEM -> new Cause("the kernel has no memory for a level of the window's table", "free some memory");
            default -> Cause.unknown();
        };
    }

    static Cause createWindow(Errno errno) {
        return switch (errno) {
            case ENOSPC -> new Cause("the group has no free window", "close a window first, the default one perhaps");
            case EINVAL ->
                new Cause(
                        "the platform has no such window: page size, size or levels do not fit",
                        "see the container's TceInfo");
            case EPERM ->
                new Cause(
                        "the container belongs to another process, or its platform takes one group for a container",
                        "use one container for each group, in the process that opened it");
            case ENODEV ->
                new Cause(
                        "the firmware refused the window, and the kernel then refuses all others until it is booted again",
                        "see dmesg, ask for a smaller window after a reboot");
            default -> Cause.unknown();
        };
    }

    static Cause removeWindow(Errno errno) {
        return switch (errno) {
            case EINVAL -> new Cause("there is no such window any more", "close a window once");
            case EPERM -> OTHER_PROCESS;
            default -> Cause.unknown();
        };
    }

    static Cause eeh(Errno errno) {
        return switch (errno) {
            case ENODEV -> new Cause("the group has no EEH PE", "boot without eeh=off");
            case EIO ->
                new Cause(
                        "the platform could not do it, or the PE froze again",
                        "reset the PE, and see dmesg for the error data");
            default -> Cause.unknown();
        };
    }

    static Cause descriptor(Errno errno) {
        return switch (errno) {
            case EMFILE, ENFILE -> NO_DESCRIPTOR;
            default -> Cause.unknown();
        };
    }

    static Cause setIrqs(Errno errno) {
        return switch (errno) {
            case EINVAL ->
                new Cause(
                        "another type of interrupts is enabled, or these are not",
                        "disable what was enabled through another descriptor of the device");
            case EBUSY ->
                new Cause(
                        "the line is shared with another device, and this one cannot be masked by itself",
                        "use MSI or MSI-X, or unbind the other device's driver");
            case ENODEV -> new Cause("the device's interrupt line is not connected", "use MSI or MSI-X");
            case ENOSPC -> new Cause("the platform has no more vectors", "ask for fewer, or close other devices");
            case ENOMEM -> new Cause("the kernel has no memory for it", "free some memory");
            default -> Cause.unknown();
        };
    }

    static Cause access(Errno errno) {
        return switch (errno) {
            case EIO ->
                new Cause(
                        "the device's memory is disabled in its command register, or it is in a low power state",
                        "enable memory access, which a reset turns off");
            case ENODEV ->
                new Cause("the PE is held in reset, or the device is gone", "end the reset of the PE, and see dmesg");
            case EBUSY ->
                new Cause(
                        "a driver of the host has claimed the region",
                        "unbind that driver (a console or framebuffer, perhaps)");
            default -> Cause.unknown();
        };
    }

    static Cause rom(Errno errno) {
        return errno == Errno.ENOMEM
                ? new Cause(
                        "the ROM has no image that the kernel knows as one, or does not answer: its PE may be frozen",
                        "see Device.isFrozen, and dmesg for \"Invalid PCI ROM\"")
                : access(errno);
    }

    static Cause reset(Errno errno) {
        return switch (errno) {
            case EAGAIN -> new Cause("the device is in use by another reset", "try again");
            case EINVAL, ENOTTY -> new Cause("the device has no way to be reset alone", "reset its PE instead");
            default -> Cause.unknown();
        };
    }

    static Cause hotReset(Errno errno) {
        return switch (errno) {
            case EPERM ->
                new Cause(
                        "a device that is reset with it has no IOMMU group", "bind all devices of the bus to vfio-pci");
            case EINVAL ->
                new Cause(
                        "a device that is reset with it is not bound to vfio-pci, or is in another group by now",
                        "bind all devices of the bus to vfio-pci");
            case EAGAIN, EBUSY -> new Cause("one of the devices is in use by another reset", "try again");
            default -> Cause.unknown();
        };
    }

    static Cause feature(Errno errno) {
        return switch (errno) {
            case ENOTTY -> new Cause("the kernel has no such feature for this device", "see Device.supports");
            case EINVAL -> new Cause("the device is in that state already", "do it once");
            default -> Cause.unknown();
        };
    }

    static Cause ioEvent(Errno errno) {
        return switch (errno) {
            case EEXIST -> new Cause("there is such an event already", "use it, or close it first");
            case EINVAL ->
                new Cause(
                        "the kernel makes such writes to registers in BARs only, and not to the MSI-X table",
                        "use another register");
            case ENOSPC -> new Cause("the device has as many events as the kernel allows", "close some");
            case ENOTTY -> new Cause("this kernel makes no writes by events", "use Linux 4.17 or newer");
            default -> access(errno);
        };
    }
}
