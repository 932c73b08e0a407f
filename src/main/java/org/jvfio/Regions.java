package org.jvfio;

import static org.jvfio.uapi.vfio_h.PCI_BASE_ADDRESS_0;
import static org.jvfio.uapi.vfio_h.PCI_BASE_ADDRESS_MEM_PREFETCH;
import static org.jvfio.uapi.vfio_h.PCI_BASE_ADDRESS_MEM_TYPE_64;
import static org.jvfio.uapi.vfio_h.PCI_BASE_ADDRESS_SPACE;
import static org.jvfio.uapi.vfio_h.PCI_BASE_ADDRESS_SPACE_IO;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_BAR0_REGION_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_BAR5_REGION_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_CONFIG_REGION_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_ROM_REGION_INDEX;

import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.jvfio.VfioException.Kind;

/**
 * The regions of a device. Each is looked up, and mapped if it can be, at its first use. Guarded by the container's
 * lock.
 */
final class Regions {
    private static final int TYPE_64 = PCI_BASE_ADDRESS_MEM_TYPE_64;

    private final Device device;
    private final Descriptor descriptor;
    private final AccessDiagnosis diagnosis;
    // Written with the lock held; read without it.
    private final Map<Integer, Region> known = new ConcurrentHashMap<>();
    private final List<BarMapping> mappings = new ArrayList<>();
    private final List<IoEvent> ioEventFds = new ArrayList<>();

    private record IoEvent(IoEventWrite write, Descriptor eventfd, EventFd made) {}

    Regions(Device device, Descriptor descriptor) {
        this.device = device;
        this.descriptor = descriptor;
        this.diagnosis = new AccessDiagnosis(device);
    }

    /**
     * A BAR.
     *
     * @throws IndexOutOfBoundsException if the index is not 0 to 5
     * @throws VfioException if the device does not have it, or it cannot be mapped
     */
    Region bar(int index) {
        if (index < VFIO_PCI_BAR0_REGION_INDEX || index > VFIO_PCI_BAR5_REGION_INDEX) {
            throw new IndexOutOfBoundsException(
                    "BAR %d of %s: a PCI device has BARs 0 to %d".formatted(index, device, VFIO_PCI_BAR5_REGION_INDEX));
        }
        return region(index);
    }

    Region config() {
        return region(VFIO_PCI_CONFIG_REGION_INDEX);
    }

    Optional<Region> rom() {
        device.lock().lock();
        try {
            descriptor.requireOpen();
            return find(VFIO_PCI_ROM_REGION_INDEX);
        } finally {
            device.lock().unlock();
        }
    }

    private Region region(int index) {
        Region found = known.get(index);
        if (found != null) {
            descriptor.requireOpen();
            return found;
        }
        device.lock().lock();
        try {
            descriptor.requireOpen();
            return find(index).orElseThrow(() -> new VfioException("use " + name(index), absence(index)));
        } finally {
            device.lock().unlock();
        }
    }

    /** Why the kernel has no such region: the register of a BAR tells. */
    private Cause absence(int index) {
        Cause absent = new Cause(Kind.NOT_FOUND, "the device does not have it", "see the device's regions: lspci -v");
        if (!isBar(index)) {
            return absent;
        }
        if (index > 0 && (register(index - 1) & (PCI_BASE_ADDRESS_SPACE | TYPE_64)) == TYPE_64) {
            return new Cause(
                    Kind.NOT_FOUND,
                    "it is the upper half of BAR %d, which is 64 bits wide".formatted(index - 1),
                    "use BAR " + (index - 1));
        }
        int register = register(index);
        if ((register & PCI_BASE_ADDRESS_SPACE) == PCI_BASE_ADDRESS_SPACE_IO) {
            return new Cause(
                    Kind.UNSUPPORTED,
                    "it has I/O ports, to which the kernel has assigned no address; host bridges from PHB3 on have no"
                            + " I/O space",
                    "use the device's memory BARs, which have the same registers in most devices");
        }
        return (register & TYPE_64) != 0 || (register & PCI_BASE_ADDRESS_MEM_PREFETCH) != 0
                ? new Cause(
                        Kind.UNSUPPORTED,
                        "it is a memory BAR to which the kernel has assigned no address",
                        "see dmesg for \"can't assign\"")
                : absent;
    }

    /** The register of a BAR in the device; 0 if it cannot be read. */
    private int register(int bar) {
        int offset = PCI_BASE_ADDRESS_0 + bar * Integer.BYTES;
        return HostRegister.readInt(device.kernel(), device.address(), offset).orElse(0);
    }

    private Optional<Region> find(int index) {
        Region region = known.get(index);
        if (region == null) {
            region = lookUp(index);
        }
        return Optional.ofNullable(region);
    }

    private @Nullable Region lookUp(int index) {
        String name = name(index);
        RegionInfo info = RegionInfo.of(descriptor, index, name);
        if (info.size() == 0) {
            return null;
        }
        if (isBar(index)) {
            // A read of all ones looks at configuration space, without the lock.
            config();
        }
        BarMapping mapping = null;
        if (!info.mappable().isEmpty()) {
            PageSize page = device.container().systemPage();
            List<RegionArea> table = msixTable(index);
            info = info.without(table, page);
            mapping = BarMapping.map(device.kernel(), descriptor, name, info, page, table);
            mappings.add(mapping);
        }
        Region region = new Region(this, descriptor, name, info, mapping, ByteOrder.LITTLE_ENDIAN, isBar(index));
        known.put(index, region);
        return region;
    }

    /** Configuration space may have registers that read all ones, and is what tells whether a device responds. */
    private static boolean isBar(int index) {
        return index <= VFIO_PCI_BAR5_REGION_INDEX;
    }

    private String name(int index) {
        return switch (index) {
            case VFIO_PCI_CONFIG_REGION_INDEX -> "the configuration space of " + device;
            case VFIO_PCI_ROM_REGION_INDEX -> "the expansion ROM of " + device;
            default -> "BAR " + index + " of " + device;
        };
    }

    /**
     * The MSI-X table, if it is in this BAR: it is not mapped, as a store there would break the kernel's interrupts.
     */
    private List<RegionArea> msixTable(int bar) {
        return device.configSpace().capability(PciCapability.Msix.class).stream()
                .filter(msix -> msix.tableBar() == bar)
                .map(msix -> new RegionArea(msix.tableOffset(), msix.tableBytes()))
                .toList();
    }

    /** A register of configuration space was written; the value is little-endian. */
    void wroteConfig(long offset, int width, long value) {
        device.driverConfig().wrote(offset, width, value);
    }

    AccessDiagnosis diagnosis() {
        return diagnosis;
    }

    IllegalStateException closed() {
        return new IllegalStateException(device + " is closed");
    }

    /** Has the kernel make a write at each signal of an eventfd, until the device or the eventfd is closed. */
    EventFd addIoEventFd(IoEventWrite write) {
        device.lock().lock();
        try {
            descriptor.requireOpen();
            Descriptor eventfd = Descriptor.eventfd(device.kernel(), "the ioeventfd of " + device, write::asked);
            try {
                write.add(descriptor, eventfd);
            } catch (RuntimeException e) {
                Teardown.after(e, eventfd::close);
                throw e;
            }
            EventFd made = new EventFd(
                    eventfd,
                    () -> {
                        // A device that could not be opened again makes no more writes.
                        if (descriptor.isOpen()) {
                            write.remove(descriptor);
                        }
                    },
                    device.lock());
            ioEventFds.add(new IoEvent(write, eventfd, made));
            return made;
        } finally {
            device.lock().unlock();
        }
    }

    void closeIoEventFds(Teardown teardown) {
        ioEventFds.forEach(event -> teardown.step(event.made()::close));
        ioEventFds.clear();
    }

    /** Maps all BARs again, and has the kernel make the writes of eventfds again, for a descriptor opened anew. */
    void reopened() {
        mappings.forEach(mapping -> mapping.map(descriptor));
        ioEventFds.removeIf(event -> event.made().isClosed());
        ioEventFds.forEach(event -> event.write().add(descriptor, event.eventfd()));
    }

    /** Unmaps all BARs. A mapping keeps the kernel's device open, so this is done before its descriptor is closed. */
    void unmap(Teardown teardown) {
        mappings.forEach(mapping -> mapping.unmap(teardown));
    }
}
