package org.jvfio;

import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_PROBE;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_SET;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_device_feature;
import org.jvfio.uapi.vfio_h;

/** What vfio-pci can do for some devices ({@code VFIO_DEVICE_FEATURE}), if the kernel is new enough. */
public enum DeviceFeature {
    /** {@link Device#setVfToken}: of a physical function with SR-IOV, where vfio-pci has {@code enable_sriov=1}. */
    VF_TOKEN(vfio_h.VFIO_DEVICE_FEATURE_PCI_VF_TOKEN),
    /** {@link Device#enterLowPower}: Linux 6.1 and newer. */
    LOW_POWER_ENTRY(vfio_h.VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY),
    /** {@link Device#enterLowPowerWithWakeup}: Linux 6.1 and newer. */
    LOW_POWER_ENTRY_WITH_WAKEUP(vfio_h.VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP),
    /** {@link Device#exitLowPower}: Linux 6.1 and newer. */
    LOW_POWER_EXIT(vfio_h.VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);

    private final int number;

    DeviceFeature(int number) {
        this.number = number;
    }

    /** Whether the kernel would set it for a device. */
    boolean isKnown(Descriptor device, String name) {
        int answer = call(device, VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET, MemorySegment.NULL);
        if (answer == 0) {
            return true;
        }
        if (answer == Errno.ENOTTY.negated() || answer == Errno.EINVAL.negated()) {
            return false;
        }
        throw failed("ask for " + this + " of " + name, "PROBE | SET", answer);
    }

    void set(Descriptor device, String asked, MemorySegment data) {
        int answer = call(device, VFIO_DEVICE_FEATURE_SET, data);
        if (answer != 0) {
            throw failed(asked, "SET", answer);
        }
    }

    private int call(Descriptor device, int operation, MemorySegment data) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = arena.allocate(vfio_device_feature.sizeof() + data.byteSize(), Integer.BYTES);
            vfio_device_feature.argsz(struct, (int) struct.byteSize());
            vfio_device_feature.flags(struct, operation | number);
            struct.asSlice(vfio_device_feature.sizeof()).copyFrom(data);
            return device.ioctl(VFIO_DEVICE_FEATURE, struct);
        }
    }

    private VfioException failed(String asked, String operation, int answer) {
        return VfioException.failed(
                asked,
                "VFIO_DEVICE_FEATURE(%s, feature %d)".formatted(operation, number),
                answer,
                VfioException.errnoOf(answer).map(KnownCauses::feature).orElseGet(Cause::unknown));
    }
}
