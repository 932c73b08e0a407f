package org.jvfio;

import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_PCI_HOT_RESET;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_pci_dependent_device;
import org.jvfio.uapi.vfio_pci_hot_reset;
import org.jvfio.uapi.vfio_pci_hot_reset_info;

/** {@code VFIO_DEVICE_GET_PCI_HOT_RESET_INFO} and {@code VFIO_DEVICE_PCI_HOT_RESET} of a device. */
final class HotReset {
    private final Descriptor device;
    private final String name;

    HotReset(Descriptor device, String name) {
        this.device = device;
        this.name = name;
    }

    /** All that are reset together, the device itself among them; empty if neither its bus nor its slot can be reset. */
    List<DependentDevice> devices() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = arena.allocate(vfio_pci_hot_reset_info.layout());
            int answer = ask(struct);
            // The kernel tells how many there are, by an error, and may find more of them a moment later.
            while (answer == Errno.ENOSPC.negated()) {
                long count = Integer.toUnsignedLong(vfio_pci_hot_reset_info.count(struct));
                long size = vfio_pci_hot_reset_info.sizeof() + count * vfio_pci_dependent_device.sizeof();
                if (size <= struct.byteSize()) {
                    break;
                }
                struct = arena.allocate(size, Integer.BYTES);
                answer = ask(struct);
            }
            if (answer == Errno.ENODEV.negated()) {
                return List.of();
            }
            if (answer != 0) {
                throw VfioException.failed(
                        "ask what is reset with " + name,
                        "VFIO_DEVICE_GET_PCI_HOT_RESET_INFO",
                        answer,
                        VfioException.errnoOf(answer).map(KnownCauses::hotReset).orElseGet(Cause::unknown));
            }
            return read(struct);
        }
    }

    private int ask(MemorySegment struct) {
        vfio_pci_hot_reset_info.argsz(struct, (int) struct.byteSize());
        return device.ioctl(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, struct);
    }

    private static List<DependentDevice> read(MemorySegment struct) {
        List<DependentDevice> devices = new ArrayList<>();
        int count = vfio_pci_hot_reset_info.count(struct);
        for (int each = 0; each < count; each++) {
            MemorySegment entry = struct.asSlice(
                    vfio_pci_hot_reset_info.sizeof() + each * vfio_pci_dependent_device.sizeof(),
                    vfio_pci_dependent_device.sizeof());
            int function = Byte.toUnsignedInt(vfio_pci_dependent_device.devfn(entry));
            devices.add(new DependentDevice(
                    new PciAddress(
                            Short.toUnsignedInt(vfio_pci_dependent_device.segment(entry)),
                            Byte.toUnsignedInt(vfio_pci_dependent_device.bus(entry)),
                            function >> 3,
                            function & 0x7),
                    vfio_pci_dependent_device.group_id(entry)));
        }
        return List.copyOf(devices);
    }

    /**
     * Resets all of them.
     *
     * @param taken the groups that this process has, which nobody closes meanwhile
     */
    void reset(Collection<Group> taken) {
        String asked = "reset the bus of " + name;
        List<DependentDevice> devices = devices();
        if (devices.isEmpty()) {
            throw new VfioException(
                    asked, "neither its bus nor its slot can be reset", "reset the device alone, or its PE");
        }
        Map<Integer, Group> byNumber = new TreeMap<>();
        taken.forEach(group -> byNumber.put(group.number(), group));
        List<DependentDevice> missing = devices.stream()
                .filter(device -> !byNumber.containsKey(device.group()))
                .toList();
        if (!missing.isEmpty()) {
            throw new VfioException(
                    asked,
                    "that resets devices of groups which were not taken: "
                            + missing.stream().map(DependentDevice::toString).collect(Collectors.joining(", ")),
                    "attach those groups, and name them if they are in other containers");
        }
        List<Integer> numbers =
                devices.stream().map(DependentDevice::group).distinct().toList();
        try (Arena arena = Arena.ofConfined()) {
            long size = vfio_pci_hot_reset.sizeof() + (long) numbers.size() * Integer.BYTES;
            MemorySegment struct = arena.allocate(size, Integer.BYTES);
            vfio_pci_hot_reset.argsz(struct, (int) size);
            vfio_pci_hot_reset.count(struct, numbers.size());
            long at = vfio_pci_hot_reset.sizeof();
            for (int number : numbers) {
                Group group = byNumber.get(number);
                if (group != null) {
                    struct.set(ValueLayout.JAVA_INT, at, group.descriptorNumber());
                }
                at += Integer.BYTES;
            }
            int answer = device.ioctl(VFIO_DEVICE_PCI_HOT_RESET, struct);
            if (answer != 0) {
                throw VfioException.failed(
                        asked,
                        "VFIO_DEVICE_PCI_HOT_RESET(groups " + numbers + ")",
                        answer,
                        VfioException.errnoOf(answer).map(KnownCauses::hotReset).orElseGet(Cause::unknown));
            }
        }
    }
}
