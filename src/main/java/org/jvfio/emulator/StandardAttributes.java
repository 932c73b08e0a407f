package org.jvfio.emulator;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.DeviceIdentity;
import org.jvfio.uapi.vfio_h;

/**
 * Files of sysfs that every PCI function of a real host has, and that say little of an emulated one: {@code
 * drivers/pci/pci-sysfs.c} and {@code drivers/base/power/sysfs.c}. Those that can only be written are empty here.
 */
final class StandardAttributes {
    private static final Map<String, Function<PciFunction, String>> ALWAYS = always();

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
        files.put("remove", _ -> "");
        files.put("rescan", _ -> "");
        files.put("uevent", StandardAttributes::event);
        return files;
    }

    /** One of the files that every function has; null if it is none. */
    static @Nullable Supplier<String> find(PciFunction function, String name) {
        Function<PciFunction, String> text = ALWAYS.get(name);
        return text == null ? null : () -> text.apply(function);
    }

    /** Adds all, by their names below the directory of the function. */
    static void addAll(Map<String, Supplier<String>> files, PciFunction function) {
        ALWAYS.forEach((name, text) -> files.put(name, () -> text.apply(function)));
        if (function.canReset()) {
            files.put("reset", () -> "");
        }
        PciBars bars = function.bars();
        for (int bar = 0; bar < bars.count(); bar++) {
            if (bars.isAssigned(bar)) {
                files.put("resource" + bar, () -> "");
            }
        }
        if (function.romBytes() > 0) {
            files.put("rom", () -> "");
        }
        if (function.options().vitalProductData().isPresent()) {
            files.put("vpd", () -> "");
        }
    }

    private static int subsystem(PciFunction function, int register) {
        return (function.access().register(register) & 0xff)
                | (function.access().register(register + 1) & 0xff) << Byte.SIZE;
    }

    private static String modalias(PciFunction function) {
        DeviceIdentity identity = function.identity();
        return "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X"
                .formatted(
                        identity.vendor(),
                        identity.device(),
                        subsystem(function, vfio_h.PCI_SUBSYSTEM_VENDOR_ID),
                        subsystem(function, vfio_h.PCI_SUBSYSTEM_ID),
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
                                subsystem(function, vfio_h.PCI_SUBSYSTEM_VENDOR_ID),
                                subsystem(function, vfio_h.PCI_SUBSYSTEM_ID),
                                function.address(),
                                modalias(function));
    }
}
