package org.jvfio.cli.host;

import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.jvfio.PciAddress;
import org.jvfio.PciFunction;
import org.jvfio.PeState;

/**
 * A PCI function with all that sysfs shows of it.
 *
 * @param numaNode empty if the host does not say
 * @param eeh empty where there is no EEH
 * @param resetMethods how the kernel can reset it, best first: {@code flr}, {@code bus} ...
 * @param runtimeStatus of power management, such as {@code suspended}
 * @param driverOverride the only driver it may be bound to
 * @param bootDisplay whether the console is on it
 * @param treeNode the path of its node in the device tree; empty where the device tree has none
 */
public record HostFunction(
        PciFunction function,
        int subsystemVendor,
        int subsystem,
        int revision,
        OptionalInt numaNode,
        List<HostBar> bars,
        Optional<PeState> eeh,
        List<String> resetMethods,
        Optional<String> powerState,
        Optional<String> runtimeStatus,
        Optional<String> driverOverride,
        int irq,
        boolean bootDisplay,
        Optional<String> treeNode) {
    static final String DEVICES = "/sys/bus/pci/devices/";

    private static final String FIRMWARE = "firmware/devicetree/";

    public HostFunction {
        bars = List.copyOf(bars);
        resetMethods = List.copyOf(resetMethods);
    }

    static HostFunction of(HostFiles files, PciFunction function) {
        String path = DEVICES + function.address() + "/";
        long node = files.number(path + "numa_node").orElse(-1L);
        return new HostFunction(
                function,
                files.number(path + "subsystem_vendor").orElse(0L).intValue(),
                files.number(path + "subsystem_device").orElse(0L).intValue(),
                files.number(path + "revision").orElse(0L).intValue(),
                node < 0 ? OptionalInt.empty() : OptionalInt.of((int) node),
                HostBar.parse(files.lines(path + "resource")),
                files.read(path + "eeh_pe_state").flatMap(PeState::parse),
                files.read(path + "reset_method")
                        .filter(text -> !text.isEmpty())
                        .map(text -> List.of(text.split(" ", -1)))
                        .orElse(List.of()),
                files.read(path + "power_state"),
                files.read(path + "power/runtime_status"),
                files.read(path + "driver_override").filter(name -> !name.equals("(null)") && !name.isEmpty()),
                files.number(path + "irq").orElse(0L).intValue(),
                files.read(path + "boot_vga").filter("1"::equals).isPresent(),
                files.link(path + "of_node")
                        .filter(target -> target.contains(FIRMWARE))
                        .map(target -> "/sys/" + target.substring(target.indexOf(FIRMWARE))));
    }

    public PciAddress address() {
        return function.address();
    }

    /** Whether it is a bridge, which VFIO takes nothing of. */
    public boolean isBridge() {
        return function.classCode() >> 16 == 0x06;
    }

    /** Vendor, device and revision by their names, or numbers where there are none. */
    public String title(PciIds ids) {
        Optional<String> vendor = ids.vendor(function.vendorId());
        String device = ids.device(function.vendorId(), function.deviceId())
                .orElseGet(() -> "Device %04x".formatted(function.deviceId()));
        return vendor.map(name -> name + " " + device).orElseGet(() -> "Device " + function.id());
    }

    /** What it is for, by its name, or number where there is none. */
    public String className(PciIds ids) {
        return ids.deviceClass(function.classCode()).orElseGet(() -> "Class %04x".formatted(function.classCode() >> 8));
    }
}
