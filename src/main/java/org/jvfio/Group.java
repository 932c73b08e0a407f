package org.jvfio;

import static org.jvfio.uapi.vfio_h.VFIO_GROUP_FLAGS_VIABLE;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jvfio.VfioException.Kind;
import org.jvfio.ioctl.GetDeviceFd;
import org.jvfio.ioctl.GetGroupStatus;
import org.jvfio.ioctl.SetContainer;
import org.jvfio.ioctl.ValueIoctl;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_h;

/**
 * An IOMMU group that this process has taken from the host, with {@link Container#attach}. Closing it gives it back:
 * the host then has its own window and bypass again.
 */
public final class Group implements AutoCloseable {
    private final Kernel kernel;
    private final Container container;
    private final IommuGroup iommuGroup;
    private final Descriptor descriptor;
    private final List<Device> devices = new ArrayList<>();
    private boolean closed;

    private Group(Kernel kernel, Container container, IommuGroup iommuGroup, Descriptor descriptor) {
        this.kernel = kernel;
        this.container = container;
        this.iommuGroup = iommuGroup;
        this.descriptor = descriptor;
    }

    static Group open(Kernel kernel, Container container, IommuGroup iommuGroup) {
        int number = iommuGroup.number();
        String path = "/dev/vfio/" + number;
        if (iommuGroup.functions().isEmpty()) {
            throw new VfioException(
                    Kind.NOT_FOUND,
                    "open IOMMU group " + number,
                    "it has no devices, like the group that a bridge of an LPAR comes with",
                    "use the group of a device");
        }
        return new Group(
                kernel,
                container,
                iommuGroup,
                Descriptor.open(
                        kernel,
                        path,
                        vfio_h.O_RDWR,
                        "open IOMMU group " + number,
                        errno -> errno == Errno.EBUSY
                                ? KnownCauses.busyGroup(path, FileUsers.of(kernel, path))
                                : KnownCauses.openGroup(errno, path, () -> BindHint.of(kernel, iommuGroup))));
    }

    /** Attaches the group to the container, if no driver of the host uses it. */
    void enter(Descriptor containerDescriptor) {
        String asked = "take IOMMU group " + number() + " from the host";
        requireViable(asked);
        try (Arena arena = Arena.ofConfined()) {
            int result = SetContainer.of(arena, containerDescriptor.number()).call(descriptor);
            if (result != 0) {
                throw VfioException.failed(
                        asked,
                        "VFIO_GROUP_SET_CONTAINER(group " + number() + ")",
                        result,
                        Cause.of(result, KnownCauses::setContainer));
            }
        }
    }

    /** Detaches the only group of the container and attaches it again, so that another type of IOMMU can be set. */
    void enterAgain(Descriptor containerDescriptor) {
        int result = ValueIoctl.unsetContainer().call(descriptor);
        if (result != 0) {
            throw VfioException.failed(
                    "give IOMMU group " + number() + " back",
                    "VFIO_GROUP_UNSET_CONTAINER(group " + number() + ")",
                    result,
                    Cause.of(result, Cause::of));
        }
        enter(containerDescriptor);
    }

    private void requireViable(String asked) {
        try (Arena arena = Arena.ofConfined()) {
            GetGroupStatus call = GetGroupStatus.of(arena);
            int result = call.call(descriptor);
            if (result != 0) {
                throw VfioException.failed(
                        asked, "VFIO_GROUP_GET_STATUS(group " + number() + ")", result, Cause.of(result, Cause::of));
            }
            if ((call.flags() & VFIO_GROUP_FLAGS_VIABLE) == 0) {
                String holders = iommuGroup.functions().stream()
                        .filter(PciFunction::holdsGroup)
                        .map(PciFunction::toString)
                        .collect(Collectors.joining(", "));
                throw new VfioException(
                        Kind.HOST_SETUP,
                        asked,
                        "it is not viable: drivers of the host use " + (holders.isEmpty() ? "it" : holders),
                        "bind all its devices to vfio-pci, or unbind them");
            }
        }
    }

    /** Its number, N in {@code /dev/vfio/N}. */
    public int number() {
        return iommuGroup.number();
    }

    /** Its description in sysfs at the time when it was attached. */
    public IommuGroup iommuGroup() {
        return iommuGroup;
    }

    /**
     * Opens a device of this group ({@code VFIO_GROUP_GET_DEVICE_FD}). The kernel resets it if it can, and turns its
     * bus mastering off.
     *
     * @throws VfioException if it is not in this group, not bound to vfio-pci, or does not respond
     * @throws IllegalStateException if the group is closed
     */
    public Device openDevice(PciAddress address) {
        Objects.requireNonNull(address, "address");
        return openDevice(address, address.toString());
    }

    /**
     * Opens a virtual function whose physical function is driven through VFIO too, by a driver that has set a token
     * with {@link Device#setVfToken}: the kernel opens the device only with that token. Otherwise as {@link
     * #openDevice(PciAddress)}.
     *
     * @throws VfioException if the token differs, or the device takes none; and as without a token
     * @throws IllegalStateException if the group is closed
     */
    public Device openDevice(PciAddress address, UUID vfToken) {
        Objects.requireNonNull(address, "address");
        Objects.requireNonNull(vfToken, "vfToken");
        return openDevice(address, address + " vf_token=" + vfToken);
    }

    private Device openDevice(PciAddress address, String name) {
        String asked = "open " + address;
        if (iommuGroup.functions().stream()
                .noneMatch(function -> function.address().equals(address))) {
            throw new VfioException(
                    Kind.NOT_FOUND,
                    asked,
                    "it is not in IOMMU group " + number(),
                    "this group has "
                            + iommuGroup.functions().stream()
                                    .map(PciFunction::toString)
                                    .collect(Collectors.joining(", ")));
        }
        container.lock().lock();
        try (Arena arena = Arena.ofConfined()) {
            GetDeviceFd call = GetDeviceFd.of(arena, name);
            int fd = call.call(descriptor);
            if (fd < 0) {
                throw VfioException.failed(asked, call, fd, Cause.of(fd, KnownCauses::getDevice));
            }
            Device device = Device.of(this, address, name, new Descriptor(kernel, address.toString(), fd));
            devices.add(device);
            return device;
        } finally {
            container.lock().unlock();
        }
    }

    /** Opens a device whose descriptor was closed; returns a descriptor, or a negated errno. */
    int openAgain(String name) {
        try (Arena arena = Arena.ofConfined()) {
            return GetDeviceFd.of(arena, name).call(descriptor);
        }
    }

    /**
     * Closes its devices and gives it back to the host. If it is the container's only group, everything of the
     * container is released first: mappings, memory, windows. If one of its devices was opened with {@link
     * Device#open}, its container is closed.
     *
     * @throws VfioException if the container has other groups, and something is mapped: Linux 6.11 and newer would
     *     unmap it under the other groups' devices; nothing has changed then. Or if the kernel refuses a step of the
     *     release: all others are made, and the group is closed; memory that could not be freed, as another thread had
     *     a call run on its segment, is freed when it, or the container, is closed again
     */
    @Override
    public void close() {
        if (!container.lock().isHeldByCurrentThread()) {
            awaitHandlers();
        }
        container.lock().lock();
        try {
            if (closed) {
                return;
            }
            Teardown teardown = new Teardown();
            if (container.isClosed()) {
                leave(teardown);
            } else if (devices.stream().anyMatch(Device::ownsContainer)) {
                container.close();
            } else if (container.isOnly(this)) {
                container.releaseDma(teardown);
                leave(teardown);
            } else {
                List<DmaMapping> held = container
                        .holdMappings()
                        .orElseThrow(() -> new VfioException(
                                Kind.CONFLICT,
                                "give IOMMU group " + number() + " back",
                                "the kernel would clear the mappings of the container's other groups too",
                                "unmap or close all mappings first, or close the container"));
                try {
                    leave(teardown);
                } finally {
                    held.forEach(DmaMapping::endHold);
                }
            }
            teardown.end();
        } finally {
            container.lock().unlock();
        }
    }

    private void leave(Teardown teardown) {
        closed = true;
        List.copyOf(devices).forEach(device -> teardown.step(device::close));
        teardown.step(descriptor::close);
        container.detached(this, teardown);
    }

    /** Undoes {@link #open} and {@link #enter}. */
    void closeDescriptor() {
        descriptor.close();
    }

    void requireRestorable(Supplier<String> asked) {
        devices.forEach(device -> device.requireRestorable(asked));
    }

    /** Waits for interrupt handlers that are running. Called without the container's lock, which they may need. */
    private void awaitHandlers() {
        openDevices().forEach(Device::awaitHandler);
    }

    /** Starts no more interrupt handlers, and waits for those that are running. Called without the container's lock. */
    void stopHandlers() {
        openDevices().forEach(Device::stopHandlers);
    }

    /** The devices that are open. */
    List<Device> openDevices() {
        container.lock().lock();
        try {
            return List.copyOf(devices);
        } finally {
            container.lock().unlock();
        }
    }

    void disableBusMastering(Teardown teardown) {
        devices.forEach(device -> teardown.step(device::disableBusMastering));
    }

    void closed(Device device) {
        devices.remove(device);
    }

    /** The number of the descriptor. Caller holds the container's lock, so that it stays open. */
    int descriptorNumber() {
        return descriptor.number();
    }

    Kernel kernel() {
        return kernel;
    }

    /** The container that it is attached to. */
    public Container container() {
        return container;
    }

    /** The number, as in {@code IOMMU group 3}. */
    @Override
    public String toString() {
        return "IOMMU group " + number();
    }
}
