package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_device_feature;
import org.jvfio.uapi.vfio_device_low_power_entry_with_wakeup;
import org.jvfio.uapi.vfio_h;

/** DEVICE_FEATURE of a vfio-pci device: the VF token, and low power. */
final class DeviceFeatures {
    private static final int HEADER = 8;
    private static final int TOKEN_BYTES = 16;
    private static final int KNOWN_FLAGS = vfio_h.VFIO_DEVICE_FEATURE_MASK
            | vfio_h.VFIO_DEVICE_FEATURE_GET
            | vfio_h.VFIO_DEVICE_FEATURE_SET
            | vfio_h.VFIO_DEVICE_FEATURE_PROBE;
    private static final int BOTH = vfio_h.VFIO_DEVICE_FEATURE_GET | vfio_h.VFIO_DEVICE_FEATURE_SET;

    private final KernelVersion kernel;
    private final boolean hasVirtualFunctions;
    private boolean lowPower;
    private @Nullable EventFile wakeUp;

    /**
     * The features of one device.
     *
     * @param kernel the version of Linux
     * @param hasVirtualFunctions whether it can have virtual functions (SR-IOV), whose users need its token
     */
    DeviceFeatures(KernelVersion kernel, boolean hasVirtualFunctions) {
        this.kernel = kernel;
        this.hasVirtualFunctions = hasVirtualFunctions;
    }

    /** Whether the device is in low power between calls. */
    boolean isLowPower() {
        return lowPower;
    }

    /** A call wakes the device. If the user asked for a wakeup event it is signalled, and the device stays awake. */
    void wakeForCall() {
        EventFile told = wakeUp;
        if (told != null) {
            wakeUp = null;
            lowPower = false;
            told.signal();
        }
    }

    /** The last descriptor of the device is closed. */
    void release() {
        lowPower = false;
        wakeUp = null;
    }

    int operate(Argument argument) {
        MemorySegment asked = argument.copyIn(HEADER);
        if (asked == null) {
            return Errno.EFAULT.negated();
        }
        int argsz = vfio_device_feature.argsz(asked);
        int flags = vfio_device_feature.flags(asked);
        boolean probes = (flags & vfio_h.VFIO_DEVICE_FEATURE_PROBE) != 0;
        if (Integer.compareUnsigned(argsz, HEADER) < 0
                || (flags & ~KNOWN_FLAGS) != 0
                || (!probes && (flags & BOTH) == BOTH)) {
            return Errno.EINVAL.negated();
        }
        int feature = flags & vfio_h.VFIO_DEVICE_FEATURE_MASK;
        int needed = switch (feature) {
            case vfio_h.VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, vfio_h.VFIO_DEVICE_FEATURE_LOW_POWER_EXIT -> 0;
            case vfio_h.VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP ->
                (int) vfio_device_low_power_entry_with_wakeup.sizeof();
            case vfio_h.VFIO_DEVICE_FEATURE_PCI_VF_TOKEN -> hasVirtualFunctions ? TOKEN_BYTES : -1;
            default -> -1;
        };
        if (feature == kernel.featureOfNewerKernels()) {
            return Errno.EINVAL.negated();
        }
        if (needed < 0) {
            return Errno.ENOTTY.negated();
        }
        if ((flags & vfio_h.VFIO_DEVICE_FEATURE_GET) != 0) {
            return Errno.EINVAL.negated();
        }
        if (probes) {
            return 0;
        }
        if ((flags & vfio_h.VFIO_DEVICE_FEATURE_SET) == 0 || Integer.toUnsignedLong(argsz) - HEADER < needed) {
            return Errno.EINVAL.negated();
        }
        return switch (feature) {
            case vfio_h.VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY -> sleep(null);
            case vfio_h.VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP -> sleepUntilCall(argument);
            case vfio_h.VFIO_DEVICE_FEATURE_LOW_POWER_EXIT -> {
                release();
                yield 0;
            }
            default -> argument.copyIn(HEADER, TOKEN_BYTES) == null ? Errno.EFAULT.negated() : 0;
        };
    }

    private int sleep(@Nullable EventFile event) {
        if (lowPower) {
            return Errno.EINVAL.negated();
        }
        lowPower = true;
        wakeUp = event;
        return 0;
    }

    private int sleepUntilCall(Argument argument) {
        MemorySegment entry = argument.copyIn(HEADER, vfio_device_low_power_entry_with_wakeup.sizeof());
        if (entry == null) {
            return Errno.EFAULT.negated();
        }
        int descriptor = vfio_device_low_power_entry_with_wakeup.wakeup_eventfd(entry);
        if (descriptor < 0) {
            return Errno.EINVAL.negated();
        }
        OpenFile file = argument.task().file(descriptor);
        if (!(file instanceof EventFile event)) {
            return (file == null ? Errno.EBADF : Errno.EINVAL).negated();
        }
        return sleep(event);
    }
}
