package org.jvfio.emulator;

import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.DeviceIdentity;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

/**
 * The files that sysfs has in the directory of a PCI function: its ids, resources, power and EEH. They are found by
 * their short names, as a program reads many of them, one by one.
 */
final class FunctionFiles {
    private static final HexFormat HEX = HexFormat.of();
    /** Flags of a resource in {@code linux/ioport.h}. */
    private static final long MEMORY = 0x40200;

    private static final long MEMORY_64 = 0x100004;
    private static final long PREFETCHABLE = 0x2008;
    private static final long PORTS = 0x40101;
    private static final long ROM = 0x6000;
    private static final int BARS = 6;
    /** BARs, the ROM, and the BARs of virtual functions. */
    private static final int RESOURCES = 13;
    /** Bits of {@code eeh_ops->get_state}: {@code asm/eeh.h}. */
    private static final int EEH_UNAVAILABLE = 1;

    private static final int EEH_RESET = 1 << 2;
    private static final int EEH_REGISTERS = 1 << 3 | 1 << 5;
    private static final int EEH_DMA = 1 << 4 | 1 << 6;

    private final EmulatedHost host;
    private final EmulatedMachine machine;

    FunctionFiles(EmulatedHost host) {
        this.host = host;
        this.machine = host.machine();
    }

    /**
     * A file of a function.
     *
     * @param name below its directory
     * @param root whether it is read with the capabilities of root
     */
    @Nullable
    HostFile find(PciFunction function, String name, boolean root) {
        Supplier<String> text = StandardAttributes.find(function, name);
        text = text != null ? text : own(function).get(name);
        if (text != null) {
            return HostFile.ofText(text);
        }
        // They have no text, and the emulator does not do what a write to them does.
        return StandardAttributes.commands(function).contains(name)
                ? HostFile.of(0, (_, _) -> Errno.EIO.negated())
                : BinaryAttributes.find(function, name, root);
    }

    /** The names of all files of a function, below its directory. */
    Set<String> names(PciFunction function) {
        Set<String> names = new TreeSet<>(own(function).keySet());
        names.addAll(StandardAttributes.names(function));
        names.addAll(StandardAttributes.commands(function));
        names.addAll(BinaryAttributes.names(function));
        return names;
    }

    private Map<String, Supplier<String>> own(PciFunction function) {
        Map<String, Supplier<String>> files = new HashMap<>();
        DeviceIdentity identity = function.identity();
        files.put("vendor", () -> "0x" + HEX.toHexDigits((short) identity.vendor()) + "\n");
        files.put("device", () -> "0x" + HEX.toHexDigits((short) identity.device()) + "\n");
        files.put("class", () -> "0x" + HEX.toHexDigits(identity.classCode(), 6) + "\n");
        files.put("driver_override", () -> DriverFile.overrideText(function));
        files.put("revision", () -> "0x" + HEX.toHexDigits((byte) identity.revision()) + "\n");
        files.put("subsystem_vendor", () -> hex16(function, vfio_h.PCI_SUBSYSTEM_VENDOR_ID));
        files.put("subsystem_device", () -> hex16(function, vfio_h.PCI_SUBSYSTEM_ID));
        files.put("irq", () -> "0\n");
        if (machine.hostUses().get(function.address()) == HostUse.BOOT_DISPLAY) {
            files.put("boot_vga", () -> "1\n");
        }
        files.put("enable", () -> function.isOpen() ? "1\n" : "0\n");
        files.put(
                "devspec",
                () -> "/" + HostTree.node(function, machine.platform().isPowernv()) + "\n");
        files.put("numa_node", () -> "0\n");
        files.put("resource", () -> resources(function));
        if (function.canReset()) {
            files.put("reset_method", () -> String.join(" ", function.resetMethods()) + "\n");
        }
        files.put("d3cold_allowed", () -> "1\n");
        boolean suspended = function.isBoundToVfio()
                && !function.isOpen()
                && function.found().managesPower();
        files.put("power/control", () -> "auto\n");
        files.put("power/runtime_status", () -> suspended ? "suspended\n" : "active\n");
        files.put("power_state", () -> suspended ? "D3hot\n" : "D0\n");
        if (machine.eeh()) {
            Pe pe = host.groupOf(function).pe();
            files.put("eeh_mode", () -> "0x200\n");
            files.put(
                    "eeh_pe_config_addr",
                    () -> "0x" + Integer.toHexString(pe.bridge().platform().eehEndpoint(function.domain())) + "\n");
            files.put("eeh_pe_state", () -> "0x" + HEX.toHexDigits(state(pe.state())) + " 0x00000000\n");
        }
        return files;
    }

    private static String hex16(PciFunction function, int register) {
        int low = function.access().register(register) & 0xff;
        int high = function.access().register(register + 1) & 0xff;
        return "0x" + HEX.toHexDigits((short) (high << 8 | low)) + "\n";
    }

    private static int state(EehState state) {
        return switch (state) {
            case NORMAL -> EEH_REGISTERS | EEH_DMA;
            case RESET -> EEH_RESET;
            case STOPPED -> 0;
            case STOPPED_DMA -> EEH_REGISTERS;
            case UNAVAILABLE -> EEH_UNAVAILABLE;
        };
    }

    private static String resources(PciFunction function) {
        StringBuilder lines = new StringBuilder();
        for (int index = 0; index < RESOURCES; index++) {
            long bytes = 0;
            long start = 0;
            long flags = 0;
            PciBars bars = function.bars();
            if (index < BARS && bars.isAssigned(index)) {
                bytes = bars.bytes(index);
                start = function.barAddress(index);
                flags = bars.hasPorts(index)
                        ? PORTS
                        : MEMORY
                                | (bars.isWide(index) ? MEMORY_64 : 0)
                                | (bars.isPrefetchable(index) ? PREFETCHABLE : 0);
            } else if (index == BARS && function.romBytes() > 0) {
                bytes = function.romBytes();
                start = function.romAddress();
                flags = MEMORY | ROM;
            }
            long last = bytes == 0 ? 0 : start + bytes - 1;
            lines.append("0x")
                    .append(HEX.toHexDigits(start))
                    .append(" 0x")
                    .append(HEX.toHexDigits(last))
                    .append(" 0x")
                    .append(HEX.toHexDigits(flags))
                    .append('\n');
        }
        return lines.toString();
    }
}
