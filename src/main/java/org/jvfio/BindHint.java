package org.jvfio;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jvfio.kernel.Kernel;

/** How devices get bound to vfio-pci, as a hint to the user. */
final class BindHint {
    private static final String RELEASE_FILE = "/proc/sys/kernel/osrelease";
    private static final Pattern RELEASE = Pattern.compile("([0-9]{1,3})\\.([0-9]{1,3})\\b.*", Pattern.DOTALL);
    /** From 5.19 to 6.3 the probe of vfio-pci fails with EINVAL, as powerpc had no IOMMU driver. */
    private static final int FIRST_WITHOUT_BINDING = 5019;

    private static final int LAST_WITHOUT_BINDING = 6003;
    /** The base class of bridges, which vfio-pci does not bind. */
    private static final int BRIDGE = 0x06;

    private BindHint() {}

    /** For a function that is not bound: the commands that bind it, or another kernel where this one cannot. */
    static String of(Kernel kernel, PciFunction function) {
        return otherKernel(kernel).orElseGet(() -> "bind it, as root: " + commands(function));
    }

    /** For a group none of whose functions is bound. */
    static String of(Kernel kernel, IommuGroup group) {
        return otherKernel(kernel)
                .orElseGet(() -> "bind its devices"
                        + group.functions().stream()
                                .filter(function -> function.classCode() >> 16 != BRIDGE)
                                .findFirst()
                                .map(function -> ", as root: " + commands(function))
                                .orElse("")
                        + "; see dmesg if that fails");
    }

    private static Optional<String> otherKernel(Kernel kernel) {
        Matcher release =
                RELEASE.matcher(Sysfs.find(kernel, RELEASE_FILE).orElse("").strip());
        if (!release.matches()) {
            return Optional.empty();
        }
        int version = 1000 * Integer.parseInt(release.group(1)) + Integer.parseInt(release.group(2));
        if (version < FIRST_WITHOUT_BINDING || version > LAST_WITHOUT_BINDING) {
            return Optional.empty();
        }
        return Optional.of(
                "boot Linux %s or newer: this is %s, and Linux 5.19 to 6.3 cannot bind a device to vfio-pci on POWER"
                        .formatted(HostPlatform.of(kernel) == HostPlatform.PSERIES ? "6.11" : "6.4", release.group()));
    }

    private static String commands(PciFunction function) {
        String device = "/sys/bus/pci/devices/" + function.address();
        String unbind = function.driver().isPresent()
                ? "; echo %s > %s/driver/unbind".formatted(function.address(), device)
                : "";
        return "modprobe vfio-pci; echo vfio-pci > %s/driver_override%s; echo %s > /sys/bus/pci/drivers_probe"
                .formatted(device, unbind, function.address());
    }
}
