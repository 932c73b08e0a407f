package org.jvfio.emulator;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Supplier;
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

    /**
     * Adds the files below the directory of a function.
     *
     * @param directory ends with a slash
     * @param wanted the path of one of them, or of the directory
     */
    static void add(Map<String, Supplier<String>> files, PciFunction function, String directory, String wanted) {
        String name = wanted.startsWith(directory) ? wanted.substring(directory.length()) : "";
        Function<PciFunction, String> one = ALWAYS.get(name);
        if (one != null) {
            files.put(wanted, () -> one.apply(function));
        } else if (name.isEmpty() || name.equals("power/")) {
            ALWAYS.forEach((file, text) -> files.put(directory + file, () -> text.apply(function)));
            if (function.canReset()) {
                files.put(directory + "reset", () -> "");
            }
            PciBars bars = function.bars();
            for (int bar = 0; bar < bars.count(); bar++) {
                if (bars.isAssigned(bar)) {
                    files.put(directory + "resource" + bar, () -> "");
                }
            }
            if (function.romBytes() > 0) {
                files.put(directory + "rom", () -> "");
            }
            if (function.options().vitalProductData().isPresent()) {
                files.put(directory + "vpd", () -> "");
            }
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
