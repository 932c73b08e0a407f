package org.jvfio.cli.lspci;

import static org.jvfio.cli.lspci.Flags.bits;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;

/**
 * The capabilities of a configuration space in words. A chain that is broken ends where it is broken, and what was
 * found is kept, as Linux and lspci do.
 */
public final class CapabilityWords {
    private static final int FIRST_EXTENDED = 0x100;
    private static final int STATUS = 6;
    private static final int LIST_BIT = 4;
    private static final int LIST = 0x34;
    private static final int VIRTIO = 0x1af4;
    private static final List<Integer> AUXILIARY_MILLIAMPERES = List.of(0, 55, 100, 160, 220, 270, 320, 375);

    private final ConfigImage config;
    private final boolean memoryBar;
    private final boolean firstFunction;
    private final Supplier<byte[]> productData;
    private final List<Capability> found = new ArrayList<>();
    private final List<String> defects = new ArrayList<>();
    private int expressType = -1;

    private CapabilityWords(
            ConfigImage config, boolean memoryBar, boolean firstFunction, Supplier<byte[]> productData) {
        this.config = config;
        this.memoryBar = memoryBar;
        this.firstFunction = firstFunction;
        this.productData = productData;
    }

    /**
     * All capabilities, those of the first 256 bytes first.
     *
     * @param memoryBar whether the device has a memory BAR
     * @param firstFunction whether it is function 0 of device 0
     * @param productData reads as many of its vital product data as can be read; called if it has such a capability
     */
    public static CapabilityWords of(
            ConfigImage config, boolean memoryBar, boolean firstFunction, Supplier<byte[]> productData) {
        CapabilityWords words = new CapabilityWords(config, memoryBar, firstFunction, productData);
        words.read();
        return words;
    }

    public List<Capability> list() {
        return List.copyOf(found);
    }

    /** Where a chain is broken, as lspci says it: {@code [44] <chain looped>}. */
    public List<String> defects() {
        return List.copyOf(defects);
    }

    private void read() {
        boolean canBeExtended = false;
        if (config.has(LIST, 1) && (config.get16(STATUS) >> LIST_BIT & 1) != 0) {
            canBeExtended = readStandard();
        }
        if (canBeExtended) {
            readExtended();
        }
    }

    private boolean readStandard() {
        boolean canBeExtended = false;
        Set<Integer> seen = new HashSet<>();
        for (int at = config.get8(LIST) & ~3; at != 0; at = config.get8(at + 1) & ~3) {
            if (!config.has(at, 4)) {
                defects.add("<access denied>");
                return canBeExtended;
            }
            int id = config.get8(at);
            if (!seen.add(at)) {
                defects.add("[%02x] <chain looped>".formatted(at));
                return canBeExtended;
            }
            if (id == 0xff) {
                defects.add("[%02x] <chain broken>".formatted(at));
                return canBeExtended;
            }
            if (id == 0x10) {
                expressType = ExpressWords.type(config, at);
            }
            canBeExtended |= id == 0x10 || id == 0x07;
            found.add(new Capability(at, id, false, 0, standard(id, at)));
        }
        return canBeExtended;
    }

    private List<String> vitalProductData() {
        List<String> lines = new ArrayList<>(List.of("Vital Product Data"));
        lines.addAll(ProductDataWords.of(productData.get()));
        return lines;
    }

    private List<String> standard(int id, int at) {
        int value = config.get16(at + 2);
        return switch (id) {
            case 0x00 -> List.of("Null");
            case 0x01 -> power(at, value);
            case 0x03 -> vitalProductData();
            case 0x04 ->
                List.of("Slot ID: %d slots, %s, chassis %02x"
                        .formatted(value & 0x1f, Flags.of(value, "First", 5), value >> 8));
            case 0x05 -> msi(at, value);
            case 0x06 -> List.of("CompactPCI hot-swap <?>");
            case 0x07 -> List.of("PCI-X <?>");
            case 0x08 -> List.of("HyperTransport: <?>");
            case 0x09 -> vendor(at, value);
            case 0x0a -> List.of("Debug port: BAR=%d offset=%04x".formatted(value >> 13, value & 0x1fff));
            case 0x0b -> List.of("CompactPCI central resource control <?>");
            case 0x0c -> List.of("Hot-plug capable");
            case 0x0d ->
                config.has(at, 8)
                        ? List.of("Subsystem: Device %04x:%04x".formatted(config.get16(at + 4), config.get16(at + 6)))
                        : List.of("Subsystem: <?>");
            case 0x0e -> List.of("AGP3 <?>");
            case 0x0f -> List.of("Secure device <?>");
            case 0x10 -> ExpressWords.of(config, at, memoryBar, firstFunction);
            case 0x11 -> msix(at, value);
            case 0x12 -> sata(at, value);
            case 0x13 -> advanced(at);
            default ->
                List.of("Capability ID 0x%02x [%04x]".formatted(id, value).replace("0x00", "0"));
        };
    }

    private List<String> power(int at, int value) {
        List<String> lines = new ArrayList<>();
        lines.add("Power Management version " + bits(value, 0, 3));
        lines.add("\t\tFlags: %s AuxCurrent=%dmA PME(%s)"
                .formatted(
                        Flags.of(value, "PMEClk", 3, "DSI", 5, "D1", 9, "D2", 10),
                        AUXILIARY_MILLIAMPERES.get(bits(value, 6, 3)),
                        Flags.of(value, "D0", 11, "D1", 12, "D2", 13, "D3hot", 14, "D3cold", 15)
                                .replace(' ', ',')));
        if (config.has(at + 4, 4)) {
            int status = config.get16(at + 4);
            lines.add("\t\tStatus: D%d %s DSel=%d DScale=%d %s"
                    .formatted(
                            bits(status, 0, 2),
                            Flags.of(status, "NoSoftRst", 3, "PME-Enable", 8),
                            bits(status, 9, 4),
                            bits(status, 13, 2),
                            Flags.of(status, "PME", 15)));
            int bridge = config.get8(at + 6);
            if (bridge != 0) {
                lines.add("\t\tBridge: PM%c B3%c".formatted(Flags.sign(bridge, 7), Flags.sign(~bridge, 6)));
            }
        }
        return lines;
    }

    private List<String> msi(int at, int value) {
        List<String> lines = new ArrayList<>();
        lines.add("MSI: %s Count=%d/%d %s"
                .formatted(
                        Flags.of(value, "Enable", 0),
                        1 << bits(value, 4, 3),
                        1 << bits(value, 1, 3),
                        Flags.of(value, "Maskable", 8, "64bit", 7)));
        boolean wide = (value & 0x80) != 0;
        int data = at + (wide ? 12 : 8);
        if (config.has(data, 2)) {
            lines.add("\t\tAddress: %s%08x  Data: %04x"
                    .formatted(
                            wide ? "%08x".formatted(config.get32(at + 8)) : "",
                            config.get32(at + 4),
                            config.get16(data)));
            if ((value & 0x100) != 0 && config.has(data + 4, 8)) {
                lines.add("\t\tMasking: %08x  Pending: %08x".formatted(config.get32(data + 4), config.get32(data + 8)));
            }
        }
        return lines;
    }

    private List<String> msix(int at, int value) {
        List<String> lines = new ArrayList<>();
        lines.add("MSI-X: %s Count=%d %s"
                .formatted(Flags.of(value, "Enable", 15), bits(value, 0, 11) + 1, Flags.of(value, "Masked", 14)));
        if (config.has(at + 4, 8)) {
            lines.add("\t\tVector table: " + place(config.get32(at + 4)));
            lines.add("\t\tPBA: " + place(config.get32(at + 8)));
        }
        return lines;
    }

    private static String place(int register) {
        return "BAR=%d offset=%08x".formatted(register & 7, register & ~7);
    }

    private List<String> vendor(int at, int value) {
        int length = value & 0xff;
        if (config.get16(0) == VIRTIO && length >= 16 && config.has(at, length)) {
            int type = value >> 8;
            String name = switch (type) {
                case 1 -> "CommonCfg";
                case 2 -> "Notify";
                case 3 -> "ISR";
                case 4 -> "DeviceCfg";
                case 8 -> "SharedMemory";
                default -> "<unknown>";
            };
            String multiplier = type == 2 && length >= 20 ? " multiplier=%08x".formatted(config.get32(at + 16)) : "";
            return List.of(
                    "Vendor Specific Information: VirtIO: " + name,
                    "\t\tBAR=%d offset=%08x size=%08x%s"
                            .formatted(config.get8(at + 4), config.get32(at + 8), config.get32(at + 12), multiplier));
        }
        return List.of("Vendor Specific Information: Len=%02x <?>".formatted(length));
    }

    private List<String> sata(int at, int value) {
        String title = "SATA HBA v%d.%d".formatted(bits(value, 4, 4), bits(value, 0, 4));
        if (!config.has(at + 4, 4)) {
            return List.of(title);
        }
        int bars = config.get32(at + 4);
        int bar = bits(bars, 0, 4);
        if (bar >= 4 && bar <= 9) {
            return List.of(title + " BAR%d Offset=%08x".formatted(bar - 4, bits(bars, 4, 20)));
        }
        return List.of(title + (bar == 15 ? " InCfgSpace" : " BAR??" + bar));
    }

    private List<String> advanced(int at) {
        List<String> lines = new ArrayList<>();
        lines.add("PCI Advanced Features");
        if (config.has(at + 3, 3)) {
            lines.add("\t\tAFCap: " + Flags.of(config.get8(at + 3), "TP", 0, "FLR", 1));
            lines.add("\t\tAFCtrl: " + Flags.of(config.get8(at + 4), "FLR", 0));
            lines.add("\t\tAFStatus: " + Flags.of(config.get8(at + 5), "TP", 0));
        }
        return lines;
    }

    private void readExtended() {
        Set<Integer> seen = new HashSet<>();
        for (int at = FIRST_EXTENDED; at != 0 && config.has(at, 4); at = config.get32(at) >>> 20 & ~3) {
            int header = config.get32(at);
            if (header == 0 || header == -1) {
                return;
            }
            int version = bits(header, 16, 4);
            if (!seen.add(at)) {
                defects.add("[%03x v%d] <chain looped>".formatted(at, version));
                return;
            }
            int id = header & 0xffff;
            found.add(new Capability(at, id, true, version, ExtendedWords.of(config, id, at, expressType)));
        }
    }
}
