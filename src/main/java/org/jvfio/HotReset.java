package org.jvfio;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jvfio.VfioException.Kind;
import org.jvfio.ioctl.GetHotResetInfo;
import org.jvfio.ioctl.PciHotReset;
import org.jvfio.kernel.Errno;

/** {@code VFIO_DEVICE_GET_PCI_HOT_RESET_INFO} and {@code VFIO_DEVICE_PCI_HOT_RESET} of a device. */
final class HotReset {
    private final Descriptor device;
    private final PciAddress address;

    HotReset(Descriptor device, PciAddress address) {
        this.device = device;
        this.address = address;
    }

    /** The devices that are reset together, this one included; empty if neither bus nor slot can be reset. */
    List<DependentDevice> devices() {
        try (Arena arena = Arena.ofConfined()) {
            GetHotResetInfo info = GetHotResetInfo.of(arena, 0);
            int answer = info.call(device);
            // ENOSPC comes with the number of devices, which may have grown by the next call.
            while (answer == Errno.ENOSPC.negated() && Integer.toUnsignedLong(info.count()) > info.capacity()) {
                info = GetHotResetInfo.of(arena, info.count());
                answer = info.call(device);
            }
            if (answer == Errno.ENODEV.negated()) {
                return List.of();
            }
            if (answer != 0) {
                throw VfioException.failed(
                        "list the devices that are reset with " + address,
                        info,
                        answer,
                        Cause.of(answer, KnownCauses::hotReset));
            }
            return read(info);
        }
    }

    private static List<DependentDevice> read(GetHotResetInfo info) {
        List<DependentDevice> devices = new ArrayList<>();
        for (int each = 0; each < info.count(); each++) {
            int devfn = info.devfn(each);
            devices.add(new DependentDevice(
                    new PciAddress(info.domain(each), info.bus(each), devfn >> 3, devfn & 0x7), info.group(each)));
        }
        return List.copyOf(devices);
    }

    /**
     * Resets all of them.
     *
     * @param held the groups that this process has attached, which no thread closes during the call
     */
    void reset(Collection<Group> held) {
        List<DependentDevice> devices = devices();
        if (devices.isEmpty()) {
            throw new VfioException(
                    Kind.UNSUPPORTED,
                    asked(),
                    "neither the bus nor the slot can be reset",
                    "reset the function alone, or call recover if it does not respond");
        }
        Map<Integer, Group> byNumber = new TreeMap<>();
        held.forEach(group -> byNumber.put(group.number(), group));
        List<DependentDevice> missing = devices.stream()
                .filter(device -> !byNumber.containsKey(device.group()))
                .toList();
        if (!missing.isEmpty()) {
            throw new VfioException(
                    Kind.CONFLICT,
                    asked(),
                    "it would reset devices of groups that are not attached: "
                            + missing.stream().map(DependentDevice::toString).collect(Collectors.joining(", ")),
                    "attach these groups, and pass them if they are in other containers");
        }
        int[] descriptors = devices.stream()
                .map(DependentDevice::group)
                .distinct()
                .map(byNumber::get)
                .mapToInt(Group::descriptorNumber)
                .toArray();
        try (Arena arena = Arena.ofConfined()) {
            PciHotReset reset = PciHotReset.of(arena, descriptors);
            int answer = reset.call(device);
            if (answer != 0) {
                throw VfioException.failed(asked(), reset, answer, Cause.of(answer, KnownCauses::hotReset));
            }
        }
    }

    private String asked() {
        return "reset the bus of " + address;
    }
}
