package org.jvfio;

import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Collectors;
import org.jvfio.VfioException.Kind;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.TraceProperty;

/**
 * A PCI function as sysfs describes it.
 *
 * @param address its PCI address
 * @param vendorId the vendor id, 16 bits
 * @param deviceId the device id, 16 bits
 * @param classCode base class, subclass and programming interface, 8 bits each
 * @param driver the kernel driver that it is bound to, if any
 * @param group the number of its IOMMU group, if it has one
 */
public record PciFunction(
        PciAddress address, int vendorId, int deviceId, int classCode, Optional<String> driver, OptionalInt group) {
    private static final String DEVICES = "/sys/bus/pci/devices";
    private static final int SHOWN = 6;

    /**
     * All PCI functions of this host, ordered by address.
     *
     * @throws VfioException if sysfs cannot be read
     */
    public static List<PciFunction> all(Kernel host) {
        Kernel kernel = TraceProperty.observe(host);
        return addresses(kernel).stream().map(name -> read(kernel, name)).toList();
    }

    /**
     * The function at an address.
     *
     * @throws VfioException if there is none; the hint names those that there are
     */
    public static PciFunction at(Kernel host, PciAddress address) {
        Kernel kernel = TraceProperty.observe(host);
        if (Sysfs.find(kernel, DEVICES + "/" + address + "/vendor").isEmpty()) {
            List<String> names = addresses(kernel);
            throw new VfioException(
                    Kind.NOT_FOUND,
                    "use " + address,
                    "there is no such PCI device",
                    names.isEmpty()
                            ? "this host has no PCI device"
                            : "this host has " + names.stream().limit(SHOWN).collect(Collectors.joining(", "))
                                    + (names.size() > SHOWN ? ", ... (see lspci -D)" : ""));
        }
        return read(kernel, address.toString());
    }

    private static List<String> addresses(Kernel kernel) {
        return Sysfs.list(kernel, DEVICES).orElse(List.of());
    }

    private static PciFunction read(Kernel kernel, String name) {
        String path = DEVICES + "/" + name;
        Optional<String> group = Sysfs.linkName(kernel, path + "/iommu_group");
        return new PciFunction(
                PciAddress.parse(name),
                Integer.decode(Sysfs.read(kernel, path + "/vendor")),
                Integer.decode(Sysfs.read(kernel, path + "/device")),
                Integer.decode(Sysfs.read(kernel, path + "/class")),
                Sysfs.linkName(kernel, path + "/driver"),
                group.isPresent() ? OptionalInt.of(Integer.parseInt(group.get())) : OptionalInt.empty());
    }

    /** Vendor and device id as lspci prints them, as in {@code 1234:11e8}. */
    public String id() {
        HexFormat hex = HexFormat.of();
        return hex.toHexDigits((short) vendorId) + ":" + hex.toHexDigits((short) deviceId);
    }

    /** Whether it is bound to vfio-pci, or a variant of that driver. */
    public boolean isForVfio() {
        return driver.isPresent()
                && (driver.get().startsWith("vfio-")
                        || driver.get().endsWith("vfio-pci")
                        || driver.get().endsWith("vfio_pci"));
    }

    /**
     * Whether its driver prevents the group from being attached, as all drivers of the host do except those that do no
     * DMA ({@code driver_managed_dma}: pcieport and pci-stub).
     */
    public boolean holdsGroup() {
        return driver.isPresent()
                && !isForVfio()
                && !driver.get().equals("pcieport")
                && !driver.get().equals("pci-stub");
    }

    /** Address and driver, as in {@code 0000:01:00.0 (vfio-pci)}. */
    @Override
    public String toString() {
        return address + " (" + driver.orElse("no driver") + ")";
    }
}
