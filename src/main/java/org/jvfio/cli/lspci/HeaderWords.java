package org.jvfio.cli.lspci;

import static org.jvfio.cli.lspci.Flags.bits;

import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;

/** The header of a configuration space in words. */
public final class HeaderWords {
    private static final int TYPE = 0xe;
    private static final int ROM_ADDRESS = ~0x7ff;
    private static final int HEADER = 0x40;
    private static final int FIRST_BAR = 0x10;
    private static final int BARS = 6;
    private static final int BRIDGE = 1;
    private static final int BARS_OF_BRIDGE = 2;
    private static final int CARDBUS = 2;
    private static final int BUS_MASTER_BIT = 2;
    private static final List<String> DEVSEL = List.of("fast", "medium", "slow", "??");

    private HeaderWords() {}

    /** Command, status and latency; none if the header is not there. */
    public static List<String> control(ConfigImage config) {
        List<String> lines = new ArrayList<>();
        if (!config.has(0, HEADER)) {
            return lines;
        }
        int command = config.get16(4);
        int status = config.get16(6);
        lines.add("\tControl: "
                + Flags.of(
                        command,
                        "I/O",
                        0,
                        "Mem",
                        1,
                        "BusMaster",
                        2,
                        "SpecCycle",
                        3,
                        "MemWINV",
                        4,
                        "VGASnoop",
                        5,
                        "ParErr",
                        6,
                        "Stepping",
                        7,
                        "SERR",
                        8,
                        "FastB2B",
                        9,
                        "DisINTx",
                        10));
        lines.add("\tStatus: %s DEVSEL=%s %s"
                .formatted(
                        Flags.of(status, "Cap", 4, "66MHz", 5, "UDF", 6, "FastB2B", 7, "ParErr", 8),
                        DEVSEL.get(bits(status, 9, 2)),
                        Flags.of(
                                status, ">TAbort", 11, "<TAbort", 12, "<MAbort", 13, ">SERR", 14, "<PERR", 15, "INTx",
                                3)));
        if ((command >> BUS_MASTER_BIT & 1) != 0) {
            boolean device = (config.get8(TYPE) & 0x7f) == 0;
            int minimum = device ? config.get8(0x3e) : 0;
            int maximum = device ? config.get8(0x3f) : 0;
            List<String> times = new ArrayList<>();
            if (minimum != 0) {
                times.add(minimum * 250 + "ns min");
            }
            if (maximum != 0) {
                times.add(maximum * 250 + "ns max");
            }
            int line = config.get8(0xc);
            lines.add("\tLatency: " + config.get8(0xd)
                    + (times.isEmpty() ? "" : " (" + String.join(", ", times) + ")")
                    + (line == 0 ? "" : ", Cache Line Size: " + line * 4 + " bytes"));
        }
        return lines;
    }

    /** The interrupt pin, 1 to 4 for INTA to INTD, 0 for none. */
    public static int pin(ConfigImage config) {
        return config.has(0, HEADER) ? config.get8(0x3d) : 0;
    }

    /** Whether memory, or I/O space, is decoded. */
    public static boolean decodes(ConfigImage config, boolean io) {
        return config.has(0, HEADER) && (config.get16(4) >> (io ? 0 : 1) & 1) != 0;
    }

    /**
     * The BARs as the header alone describes them, by number: without the addresses and sizes, which the kernel knows.
     * It may have given one no address, as I/O ports on a host that has none.
     */
    public static SortedMap<Integer, String> regions(ConfigImage config) {
        SortedMap<Integer, String> regions = new TreeMap<>();
        int type = config.has(0, HEADER) ? config.get8(TYPE) & 0x7f : CARDBUS;
        int count = type == 0 ? BARS : type == BRIDGE ? BARS_OF_BRIDGE : 0;
        for (int bar = 0; bar < count; bar++) {
            int value = config.get32(FIRST_BAR + 4 * bar);
            if (value != 0 && value != -1) {
                boolean io = (value & 1) != 0;
                regions.put(
                        bar,
                        "Region %d: %s%s"
                                .formatted(
                                        bar,
                                        io ? ports(config, value) : memory(value),
                                        decodes(config, io) ? "" : " [disabled]"));
            }
            bar += isWide(value) ? 1 : 0;
        }
        return regions;
    }

    private static String ports(ConfigImage config, int value) {
        return "I/O ports at " + (decodes(config, true) ? "0000" : place(value & ~3));
    }

    private static String memory(int value) {
        return "Memory at %s (%s, %sprefetchable)"
                .formatted(place(value & ~0xf), isWide(value) ? "64-bit" : "32-bit", (value & 8) == 0 ? "non-" : "");
    }

    private static String place(int address) {
        return address == 0 ? "<unassigned>" : "<ignored>";
    }

    private static boolean isWide(int value) {
        return value != -1 && (value & 7) == 4;
    }

    /** Whether the expansion ROM is decoded. */
    public static boolean decodesRom(ConfigImage config) {
        return config.has(0, HEADER) && (config.get32(0x30) & 1) != 0;
    }

    /** Whether the device has the address of a BAR; that of a virtual function is known to the kernel alone. */
    public static boolean hasAddress(ConfigImage config, int bar) {
        return !config.has(0, HEADER) || config.get32(0x10 + 4 * bar) != 0;
    }

    /** Whether the device has the address of its expansion ROM, which the kernel may keep from it. */
    public static boolean hasRomAddress(ConfigImage config) {
        return !config.has(0, HEADER) || (config.get32(0x30) & ROM_ADDRESS) != 0;
    }
}
