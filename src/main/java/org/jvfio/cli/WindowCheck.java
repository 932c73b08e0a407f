package org.jvfio.cli;

import java.util.Optional;
import org.jvfio.cli.host.Host;
import org.jvfio.cli.host.HostFunction;

/** The check of {@link HostChecks} which DMA windows a driver can have. */
final class WindowCheck {
    private static final String ID = "windows";
    private static final String DEFAULT_ONLY = "There is the default window and no other.";

    private WindowCheck() {}

    /** The finding; empty on another architecture. */
    static Optional<Finding> of(Host host) {
        if (host.platform().isEmpty()) {
            return Optional.empty();
        }
        if (host.isPowernv()) {
            return Optional.of(
                    host.lendsTables()
                            ? Finding.warning(
                                    ID,
                                    "the bridges of this host lend their only table",
                                    "There is the default window of 4K pages and no other.")
                            : Finding.ok(ID, "each group can have 2 DMA windows"));
        }
        if (host.functions().stream().noneMatch(function -> hasDynamicWindows(host, function))) {
            return Optional.of(Finding.warning(
                    ID,
                    "the hypervisor offers no dynamic DMA windows (no ibm,ddw-applicable in the device tree)",
                    DEFAULT_ONLY,
                    "boot without disable_ddw; on QEMU, leave ddw of spapr-pci-host-bridge on"));
        }
        return Optional.of(
                host.hasVersion1()
                        ? Finding.warning(
                                ID,
                                "the hypervisor offers dynamic DMA windows, and this kernel does not create them",
                                DEFAULT_ONLY,
                                "boot Linux %s or newer".formatted(host.usableRelease()))
                        : Finding.ok(ID, "the hypervisor offers dynamic DMA windows"));
    }

    /** Whether a node above the device in the device tree says that windows can be made. */
    private static boolean hasDynamicWindows(Host host, HostFunction function) {
        String tree = "/sys/firmware/devicetree/base";
        String link = host.files()
                .link("/sys/bus/pci/devices/" + function.address() + "/of_node")
                .orElse("");
        int start = link.indexOf("devicetree/base");
        String node = start < 0 ? "" : link.substring(start + "devicetree/base".length());
        while (node.lastIndexOf('/') > 0) {
            node = node.substring(0, node.lastIndexOf('/'));
            if (host.files().list(tree + node).contains("ibm,ddw-applicable")) {
                return true;
            }
        }
        return false;
    }
}
