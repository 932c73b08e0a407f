package org.jvfio.emulator;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.DeviceIdentity;
import org.jvfio.uapi.vfio_h;

/**
 * Files of sysfs that every PCI function of a real host has, and that say little of an emulated one: {@code
 * drivers/pci/pci-sysfs.c} and {@code drivers/base/power/sysfs.c}.
 */
final class StandardAttributes {
    private static final Map<String, Function<PciFunction, String>> ALWAYS = always();
    private static final Map<String, Function<PciFunction, String>> EXPRESS = Map.of(
            "current_link_speed", function -> speed(express(function, vfio_h.PCI_EXP_LNKSTA)),
            "current_link_width", function -> width(express(function, vfio_h.PCI_EXP_LNKSTA)),
            "max_link_speed", StandardAttributes::maxSpeed,
            "max_link_width", function -> width(express(function, vfio_h.PCI_EXP_LNKCAP)));
    /** The speeds of a link by their code in its registers, in GT/s. */
    private static final List<String> SPEEDS = List.of("2.5", "5.0", "8.0", "16.0", "32.0", "64.0");

    private StandardAttributes() {}

    private static Map<String, Function<PciFunction, String>> always() {
        Map<String, Function<PciFunction, String>> files = new LinkedHashMap<>();
        files.put("ari_enabled", _ -> "0\n");
        files.put("broken_parity_status", _ -> "0\n");
        files.put("consistent_dma_mask_bits", _ -> "32\n");
        files.put("dma_mask_bits", _ -> "32\n");
        files.put("local_cpulist", _ -> "0\n");
        files.put("local_cpus", _ -> "1\n");
        files.put("modalias", function -> modalias(function) + "\n");
        files.put("msi_bus", _ -> "1\n");
        files.put("power/async", _ -> "enabled\n");
        files.put("power/runtime_active_kids", _ -> "0\n");
        files.put("power/runtime_enabled", _ -> "enabled\n");
        files.put("power/runtime_usage", function -> function.isOpen() ? "1\n" : "0\n");
        files.put("power/wakeup", _ -> "disabled\n");
        files.put("uevent", StandardAttributes::event);
        return files;
    }

    /** One of them that is text; null if it is none. */
    static @Nullable Supplier<String> find(PciFunction function, String name) {
        Function<PciFunction, String> text = ALWAYS.get(name);
        if (text == null && function.found().isExpress()) {
            text = EXPRESS.get(name);
        }
        Function<PciFunction, String> found = text;
        return found == null ? null : () -> found.apply(function);
    }

    /** The names of those that are text. */
    static Set<String> names(PciFunction function) {
        Set<String> names = new TreeSet<>(ALWAYS.keySet());
        if (function.found().isExpress()) {
            names.addAll(EXPRESS.keySet());
        }
        return names;
    }

    /** The names of those that can only be written. */
    static Set<String> commands(PciFunction function) {
        return function.canReset() ? Set.of("remove", "rescan", "reset") : Set.of("remove", "rescan");
    }

    /** A register of the PCI Express capability, of 2 bytes. */
    private static int express(PciFunction function, int register) {
        return word(function, function.found().offset(vfio_h.PCI_CAP_ID_EXP) + register);
    }

    /** {@code pcie_get_speed_cap}: the second register of capabilities, if there is one, else the first. */
    private static String maxSpeed(PciFunction function) {
        int supported = express(function, vfio_h.PCI_EXP_LNKCAP2) & vfio_h.PCI_EXP_LNKCAP2_SLS;
        int highest = Integer.SIZE - 1 - Integer.numberOfLeadingZeros(supported);
        return speed(supported == 0 ? express(function, vfio_h.PCI_EXP_LNKCAP) : highest);
    }

    private static String speed(int register) {
        int code = register & vfio_h.PCI_EXP_LNKSTA_CLS;
        return code == 0 || code > SPEEDS.size() ? "Unknown\n" : SPEEDS.get(code - 1) + " GT/s PCIe\n";
    }

    private static String width(int register) {
        return ((register & vfio_h.PCI_EXP_LNKSTA_NLW) >> vfio_h.PCI_EXP_LNKSTA_NLW_SHIFT) + "\n";
    }

    private static int word(PciFunction function, int register) {
        int high = function.access().register(register + 1) & 0xff;
        return (high << Byte.SIZE) | (function.access().register(register) & 0xff);
    }

    private static String modalias(PciFunction function) {
        DeviceIdentity identity = function.identity();
        return "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X"
                .formatted(
                        identity.vendor(),
                        identity.device(),
                        word(function, vfio_h.PCI_SUBSYSTEM_VENDOR_ID),
                        word(function, vfio_h.PCI_SUBSYSTEM_ID),
                        identity.classCode() >>> 16,
                        identity.classCode() >>> 8 & 0xff,
                        identity.classCode() & 0xff);
    }

    private static String event(PciFunction function) {
        DeviceIdentity identity = function.identity();
        String driver = function.driver() == HostDriver.NONE ? "" : "DRIVER=" + function.driverName() + "\n";
        return driver
                + "PCI_CLASS=%X\nPCI_ID=%04X:%04X\nPCI_SUBSYS_ID=%04X:%04X\nPCI_SLOT_NAME=%s\nMODALIAS=%s\n"
                        .formatted(
                                identity.classCode(),
                                identity.vendor(),
                                identity.device(),
                                word(function, vfio_h.PCI_SUBSYSTEM_VENDOR_ID),
                                word(function, vfio_h.PCI_SUBSYSTEM_ID),
                                function.address(),
                                modalias(function));
    }
}
