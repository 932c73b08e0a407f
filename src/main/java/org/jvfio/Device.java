package org.jvfio;

import static org.jvfio.uapi.vfio_h.PCI_COMMAND;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND_MASTER;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND_MEMORY;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FLAGS_RESET;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_GET_INFO;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_GET_REGION_INFO;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_RESET;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_BAR0_REGION_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_BAR5_REGION_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_CONFIG_REGION_INDEX;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.locks.Lock;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_device_info;
import org.jvfio.uapi.vfio_region_info;

/**
 * A PCI device that this process drives, opened with {@link #open}, or with {@link Group#openDevice} where it shares a
 * container with others.
 */
public final class Device implements AutoCloseable {
    // What a load gives from a device that does not answer, as when its PE is frozen.
    private static final short NO_ANSWER = -1;

    private final Group group;
    private final PciAddress address;
    private final Descriptor descriptor;
    private final boolean resettable;
    private boolean ownsContainer;

    private Device(Group group, PciAddress address, Descriptor descriptor, boolean resettable) {
        this.group = group;
        this.address = address;
        this.descriptor = descriptor;
        this.resettable = resettable;
    }

    /**
     * Opens a device by its address alone, in a container of its own: finds its group, takes that from the host, and opens
     * the device. Closing it closes the container.
     *
     * @throws VfioException if the device does not exist, is not bound to vfio-pci, or its group cannot be taken; nothing
     *     is left open then
     */
    public static Device open(Kernel kernel, PciAddress address) {
        Container container = Container.open(kernel);
        try {
            Device device = container.attach(address).openDevice(address);
            device.ownsContainer = true;
            return device;
        } catch (RuntimeException e) {
            try {
                container.close();
            } catch (VfioException suppressed) {
                e.addSuppressed(suppressed);
            }
            throw e;
        }
    }

    /** Takes over the descriptor of an open device; closes it if the device does not say what it is. */
    static Device of(Group group, PciAddress address, Descriptor descriptor) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = vfio_device_info.allocate(arena);
            vfio_device_info.argsz(struct, (int) struct.byteSize());
            int answer = descriptor.ioctl(VFIO_DEVICE_GET_INFO, struct);
            if (answer != 0) {
                throw VfioException.failed(
                        "ask what " + address + " is", "VFIO_DEVICE_GET_INFO", answer, Cause.unknown());
            }
            boolean resettable = (vfio_device_info.flags(struct) & VFIO_DEVICE_FLAGS_RESET) != 0;
            return new Device(group, address, descriptor, resettable);
        } catch (RuntimeException e) {
            descriptor.close();
            throw e;
        }
    }

    /** The group that it is in. */
    public Group group() {
        return group;
    }

    /** The container that its DMA goes through. */
    public Container container() {
        return group.container();
    }

    /** Where it sits. */
    public PciAddress address() {
        return address;
    }

    /**
     * A region of registers or memory: a BAR.
     *
     * @param index 0 to 5; a 64-bit BAR has the index of its lower half
     * @throws VfioException if the device has no such BAR
     * @throws IllegalStateException if the device is closed
     */
    public Region bar(int index) {
        if (index < VFIO_PCI_BAR0_REGION_INDEX || index > VFIO_PCI_BAR5_REGION_INDEX) {
            throw new VfioException(
                    "use BAR " + index + " of " + address, "a PCI device has BARs 0 to 5", "use one of them");
        }
        return region(index, "BAR " + index + " of " + address);
    }

    /**
     * The configuration space, of which the kernel hides, and keeps from being written, what would harm the host.
     *
     * @throws IllegalStateException if the device is closed
     */
    public Region config() {
        return region(VFIO_PCI_CONFIG_REGION_INDEX, "the configuration space of " + address);
    }

    private Region region(int index, String name) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = vfio_region_info.allocate(arena);
            vfio_region_info.argsz(struct, (int) struct.byteSize());
            vfio_region_info.index(struct, index);
            int answer = descriptor.ioctl(VFIO_DEVICE_GET_REGION_INFO, struct);
            if (answer != 0) {
                throw VfioException.failed(
                        "use " + name,
                        "VFIO_DEVICE_GET_REGION_INFO(index " + index + ")",
                        answer,
                        VfioException.errnoOf(answer).map(KnownCauses::access).orElseGet(Cause::unknown));
            }
            if (vfio_region_info.size(struct) == 0) {
                throw new VfioException(
                        "use " + name, "the device does not have it", "see the device's regions: lspci -v");
            }
            return new Region(
                    descriptor,
                    name,
                    vfio_region_info.size(struct),
                    vfio_region_info.flags(struct),
                    vfio_region_info.offset(struct));
        }
    }

    /**
     * Lets the device do DMA and signal interrupts: sets bit 2 of its command register.
     *
     * @throws VfioException if the configuration space cannot be accessed
     * @throws IllegalStateException if the device is closed
     */
    public void enableBusMastering() {
        setCommand(PCI_COMMAND_MASTER);
    }

    /**
     * Lets the device answer at its BARs: sets bit 1 of its command register. It is set when a device is opened, and
     * cleared by a reset of its PE.
     *
     * @throws VfioException if the configuration space cannot be accessed
     * @throws IllegalStateException if the device is closed
     */
    public void enableMemory() {
        setCommand(PCI_COMMAND_MEMORY);
    }

    /**
     * Keeps the device from doing DMA: clears bit 2 of its command register. A device that does not answer is left as it
     * is; its PE is frozen, and lets no DMA through.
     *
     * @throws VfioException if the configuration space cannot be accessed
     * @throws IllegalStateException if the device is closed
     */
    public void disableBusMastering() {
        lock().lock();
        try {
            Region config = config();
            short command = config.readShort(PCI_COMMAND);
            if (command != NO_ANSWER && (command & PCI_COMMAND_MASTER) != 0) {
                config.writeShort(PCI_COMMAND, (short) (command & ~PCI_COMMAND_MASTER));
            }
        } finally {
            lock().unlock();
        }
    }

    private void setCommand(int bits) {
        lock().lock();
        try {
            Region config = config();
            short command = config.readShort(PCI_COMMAND);
            if (command == NO_ANSWER) {
                throw new VfioException(
                        "set up " + address,
                        "it does not answer: it is dead, or its PE is frozen",
                        "look at the PE's state");
            }
            config.writeShort(PCI_COMMAND, (short) (command | bits));
        } finally {
            lock().unlock();
        }
    }

    /** Whether {@link #reset} can work. */
    public boolean isResettable() {
        return resettable;
    }

    /**
     * Resets the device alone ({@code VFIO_DEVICE_RESET}); the kernel restores its configuration space.
     *
     * @throws VfioException if the device has no way to be reset alone, or the reset fails
     * @throws IllegalStateException if the device is closed
     */
    public void reset() {
        String asked = "reset " + address;
        if (!resettable) {
            throw new VfioException(asked, "it has no way to be reset alone", "reset its PE instead");
        }
        int answer = descriptor.ioctl(VFIO_DEVICE_RESET, 0);
        if (answer != 0) {
            throw VfioException.failed(
                    asked,
                    "VFIO_DEVICE_RESET",
                    answer,
                    VfioException.errnoOf(answer).map(KnownCauses::reset).orElseGet(Cause::unknown));
        }
    }

    /**
     * Closes it; the kernel turns its bus mastering off and resets it if it can. If it was opened with {@link #open}, its
     * container is closed, with all that belongs to it.
     */
    @Override
    public void close() {
        lock().lock();
        try {
            if (ownsContainer) {
                container().close(); // which closes this device; its call of this method finds it closed
            }
            group.closed(this);
            descriptor.close();
        } finally {
            lock().unlock();
        }
    }

    private Lock lock() {
        return group.container().lock();
    }

    /** Its address. */
    @Override
    public String toString() {
        return address.toString();
    }
}
