package org.jvfio;

import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_PROBE;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_SET;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.Supplier;
import org.jvfio.ioctl.Feature;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

/** Features that vfio-pci has for some devices ({@code VFIO_DEVICE_FEATURE}), depending on the kernel version. */
public enum DeviceFeature {
    /**
     * {@link Device#setVfToken}: of a physical function with SR-IOV, whether or not vfio-pci is loaded with {@code
     * enable_sriov=1}, which only allows virtual functions to be made (Linux 7.2). Where Linux has SR-IOV off, the
     * function does not have the feature, although it has the capability: for instance with 64K pages, if the BARs of
     * virtual functions are smaller than a page.
     */
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

    /** Whether the kernel can set the feature for a device. */
    boolean isSupported(Descriptor device, PciAddress address) {
        try (Arena arena = Arena.ofConfined()) {
            Feature call =
                    Feature.of(arena, VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET | number, MemorySegment.NULL);
            int answer = call.call(device);
            if (answer == 0) {
                return true;
            }
            if (answer == Errno.ENOTTY.negated() || answer == Errno.EINVAL.negated()) {
                return false;
            }
            throw failed("probe " + this + " of " + address, call, answer);
        }
    }

    /**
     * Sets the feature.
     *
     * @param asked what it is set for, as it follows "cannot"
     * @throws VfioException if the kernel refuses
     */
    void set(Descriptor device, Supplier<String> asked, MemorySegment data) {
        try (Arena arena = Arena.ofConfined()) {
            make(device, asked, Feature.of(arena, VFIO_DEVICE_FEATURE_SET | number, data));
        }
    }

    /** Sets the feature, whose data are an eventfd that reports a wakeup. */
    void setWakeup(Descriptor device, Supplier<String> asked, Descriptor eventfd) {
        try (Arena arena = Arena.ofConfined()) {
            make(device, asked, Feature.ofWakeup(arena, VFIO_DEVICE_FEATURE_SET | number, eventfd.number()));
        }
    }

    private static void make(Descriptor device, Supplier<String> asked, Feature call) {
        int answer = call.call(device);
        if (answer != 0) {
            throw failed(asked.get(), call, answer);
        }
    }

    private static VfioException failed(String asked, Feature call, int answer) {
        return VfioException.failed(asked, call, answer, Cause.of(answer, KnownCauses::feature));
    }
}
