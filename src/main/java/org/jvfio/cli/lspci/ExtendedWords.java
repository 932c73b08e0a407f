package org.jvfio.cli.lspci;

import static org.jvfio.cli.lspci.Flags.bits;

import java.util.ArrayList;
import java.util.List;

/** Extended capabilities in words. Offsets and bits are those of the PCI Express specification, 7.7 to 7.9. */
final class ExtendedWords {
    private static final Object[] UNCORRECTABLE_1 = {
        "DLP",
        4,
        "SDES",
        5,
        "TLP",
        12,
        "FCP",
        13,
        "CmpltTO",
        14,
        "CmpltAbrt",
        15,
        "UnxCmplt",
        16,
        "RxOF",
        17,
        "MalfTLP",
        18
    };
    private static final Object[] UNCORRECTABLE_2 = {
        "ECRC",
        19,
        "UnsupReq",
        20,
        "ACSViol",
        21,
        "UncorrIntErr",
        22,
        "BlockedTLP",
        23,
        "AtomicOpBlocked",
        24,
        "TLPBlockedErr",
        25
    };
    private static final Object[] UNCORRECTABLE_3 = {
        "PoisonTLPBlocked",
        26,
        "DMWrReqBlocked",
        27,
        "IDECheck",
        28,
        "MisIDETLP",
        29,
        "PCRC_CHECK",
        30,
        "TLPXlatBlocked",
        31
    };
    private static final Object[] CORRECTABLE = {
        "RxErr",
        0,
        "BadTLP",
        6,
        "BadDLLP",
        7,
        "Rollover",
        8,
        "Timeout",
        12,
        "AdvNonFatalErr",
        13,
        "CorrIntErr",
        14,
        "HeaderOF",
        15
    };
    private static final int MEMORY_64 = 4;

    private final ConfigImage config;
    private final int at;
    private final List<String> lines = new ArrayList<>();

    private ExtendedWords(ConfigImage config, int at) {
        this.config = config;
        this.at = at;
    }

    static List<String> of(ConfigImage config, int id, int at, int expressType) {
        ExtendedWords words = new ExtendedWords(config, at);
        words.write(id, expressType);
        return words.lines;
    }

    private void write(int id, int expressType) {
        switch (id) {
            case 0x00 -> lines.add("Null");
            case 0x01 -> errors(expressType);
            case 0x02, 0x09 -> lines.add("Virtual Channel");
            case 0x03 -> serialNumber();
            case 0x04 -> lines.add("Power Budgeting <?>");
            case 0x0b -> vendor();
            case 0x0d -> services();
            case 0x0e -> routing();
            case 0x0f -> translation();
            case 0x10 -> virtualization();
            case 0x13 -> pages();
            case 0x15 -> lines.add("Physical Resizable BAR");
            case 0x17 -> lines.add("Transaction Processing Hints");
            case 0x18 -> latency();
            case 0x19 -> lines.add("Secondary PCI Express");
            case 0x1b -> processes();
            case 0x1d -> lines.add("Downstream Port Containment");
            case 0x1e -> lines.add("L1 PM Substates");
            case 0x1f -> lines.add("Precision Time Measurement");
            case 0x23 -> designated();
            case 0x25 -> lines.add("Data Link Feature <?>");
            case 0x26 -> lines.add("Physical Layer 16.0 GT/s <?>");
            case 0x27 -> lines.add("Lane Margining at the Receiver");
            case 0x2a -> lines.add("Physical Layer 32.0 GT/s <?>");
            default -> lines.add("Extended Capability ID 0x%x".formatted(id));
        }
    }

    private void errors(int expressType) {
        lines.add("Advanced Error Reporting");
        if (!config.has(at + 4, 40)) {
            return;
        }
        uncorrectable("UESta", config.getUnsigned32(at + 4));
        uncorrectable("UEMsk", config.getUnsigned32(at + 8));
        uncorrectable("UESvrt", config.getUnsigned32(at + 0xc));
        lines.add("\t\tCESta:\t" + Flags.of(config.getUnsigned32(at + 0x10), CORRECTABLE));
        lines.add("\t\tCEMsk:\t" + Flags.of(config.getUnsigned32(at + 0x14), CORRECTABLE));
        long control = config.getUnsigned32(at + 0x18);
        lines.add("\t\tAERCap:\tFirst Error Pointer: %02x, %s"
                .formatted(
                        bits(control, 0, 5),
                        Flags.of(control, "ECRCGenCap", 5, "ECRCGenEn", 6, "ECRCChkCap", 7, "ECRCChkEn", 8)));
        lines.add("\t\t\t"
                + Flags.of(control, "MultHdrRecCap", 9, "MultHdrRecEn", 10, "TLPPfxPres", 11, "HdrLogCap", 12));
        lines.add("\t\tHeaderLog: %08x %08x %08x %08x"
                .formatted(
                        config.get32(at + 0x1c),
                        config.get32(at + 0x20),
                        config.get32(at + 0x24),
                        config.get32(at + 0x28)));
        if (ExpressWords.isRoot(expressType) && config.has(at + 0x2c, 12)) {
            lines.add("\t\tRootCmd: "
                    + Flags.of(config.getUnsigned32(at + 0x2c), "CERptEn", 0, "NFERptEn", 1, "FERptEn", 2));
        }
    }

    private void uncorrectable(String name, long value) {
        lines.add("\t\t" + name + ":\t" + Flags.of(value, UNCORRECTABLE_1));
        lines.add("\t\t\t" + Flags.of(value, UNCORRECTABLE_2));
        lines.add("\t\t\t" + Flags.of(value, UNCORRECTABLE_3));
    }

    private void serialNumber() {
        if (!config.has(at + 4, 8)) {
            lines.add("Device Serial Number <?>");
            return;
        }
        StringBuilder number = new StringBuilder("Device Serial Number ");
        for (int each = 11; each >= 4; each--) {
            number.append("%02x".formatted(config.get8(at + each))).append(each > 4 ? "-" : "");
        }
        lines.add(number.toString());
    }

    private void vendor() {
        if (!config.has(at + 4, 4)) {
            lines.add("Vendor Specific Information: <?>");
            return;
        }
        int header = config.get32(at + 4);
        lines.add("Vendor Specific Information: ID=%04x Rev=%d Len=%03x <?>"
                .formatted(header & 0xffff, bits(header, 16, 4), bits(header, 20, 12)));
    }

    private void designated() {
        if (!config.has(at + 4, 6)) {
            lines.add("Designated Vendor-Specific: <?>");
            return;
        }
        int header = config.get32(at + 4);
        lines.add("Designated Vendor-Specific: Vendor=%04x ID=%04x Rev=%d Len=%d <?>"
                .formatted(header & 0xffff, config.get16(at + 8), bits(header, 16, 4), bits(header, 20, 12)));
    }

    private void services() {
        lines.add("Access Control Services");
        if (config.has(at + 4, 4)) {
            Object[] names = {
                "SrcValid",
                0,
                "TransBlk",
                1,
                "ReqRedir",
                2,
                "CmpltRedir",
                3,
                "UpstreamFwd",
                4,
                "EgressCtrl",
                5,
                "DirectTrans",
                6
            };
            lines.add("\t\tACSCap:\t" + Flags.of(config.get16(at + 4), names));
            lines.add("\t\tACSCtl:\t" + Flags.of(config.get16(at + 6), names));
        }
    }

    private void routing() {
        lines.add("Alternative Routing-ID Interpretation (ARI)");
        if (config.has(at + 4, 4)) {
            int caps = config.get16(at + 4);
            int control = config.get16(at + 6);
            lines.add("\t\tARICap:\t%s, Next Function: %d".formatted(Flags.of(caps, "MFVC", 0, "ACS", 1), caps >> 8));
            lines.add("\t\tARICtl:\t%s, Function Group: %d"
                    .formatted(Flags.of(control, "MFVC", 0, "ACS", 1), bits(control, 4, 3)));
        }
    }

    private void translation() {
        lines.add("Address Translation Service (ATS)");
        if (config.has(at + 4, 4)) {
            int control = config.get16(at + 6);
            lines.add("\t\tATSCap:\tInvalidate Queue Depth: %02x".formatted(bits(config.get16(at + 4), 0, 5)));
            lines.add("\t\tATSCtl:\t%s, Smallest Translation Unit: %02x"
                    .formatted(Flags.of(control, "Enable", 15), bits(control, 0, 5)));
        }
    }

    private void virtualization() {
        lines.add("Single Root I/O Virtualization (SR-IOV)");
        if (!config.has(at + 4, 0x3c)) {
            return;
        }
        long caps = config.getUnsigned32(at + 4);
        lines.add("\t\tIOVCap:\t%s IntMsgNum %d"
                .formatted(Flags.of(caps, "Migration", 0, "10BitTagReq", 2), bits(caps, 21, 11)));
        lines.add("\t\tIOVCtl:\t"
                + Flags.of(
                        config.get16(at + 8),
                        "Enable",
                        0,
                        "Migration",
                        1,
                        "Interrupt",
                        2,
                        "MSE",
                        3,
                        "ARIHierarchy",
                        4,
                        "10BitTagReq",
                        5));
        lines.add("\t\tIOVSta:\t" + Flags.of(config.get16(at + 0xa), "Migration", 0));
        lines.add("\t\tInitial VFs: %d, Total VFs: %d, Number of VFs: %d, Function Dependency Link: %02x"
                .formatted(
                        config.get16(at + 0xc),
                        config.get16(at + 0xe),
                        config.get16(at + 0x10),
                        config.get8(at + 0x12)));
        lines.add("\t\tVF offset: %d, stride: %d, Device ID: %04x"
                .formatted(config.get16(at + 0x14), config.get16(at + 0x16), config.get16(at + 0x1a)));
        lines.add("\t\tSupported Page Size: %08x, System Page Size: %08x"
                .formatted(config.get32(at + 0x1c), config.get32(at + 0x20)));
        for (int bar = 0; bar < 6; bar++) {
            int register = config.get32(at + 0x24 + 4 * bar);
            if (register == 0 || register == -1) {
                continue;
            }
            boolean wide = (register & 6) == MEMORY_64;
            String high = wide && bar < 5 ? "%08x".formatted(config.get32(at + 0x28 + 4 * bar)) : "";
            lines.add("\t\tRegion %d: Memory at %s%08x (%s-bit, %sprefetchable)"
                    .formatted(bar, high, register & ~0xf, wide ? "64" : "32", (register & 8) != 0 ? "" : "non-"));
            bar += wide ? 1 : 0;
        }
        int migration = config.get32(at + 0x3c);
        lines.add("\t\tVF Migration: offset: %08x, BIR: %x".formatted(migration & ~7, migration & 7));
    }

    private void pages() {
        lines.add("Page Request Interface (PRI)");
        if (config.has(at + 4, 12)) {
            lines.add("\t\tPRICtl: " + Flags.of(config.get16(at + 4), "Enable", 0, "Reset", 1));
        }
    }

    private void latency() {
        lines.add("Latency Tolerance Reporting");
        if (config.has(at + 4, 4)) {
            lines.add("\t\tMax snoop latency: " + nanoseconds(config.get16(at + 4)));
            lines.add("\t\tMax no snoop latency: " + nanoseconds(config.get16(at + 6)));
        }
    }

    private static String nanoseconds(int register) {
        return (bits(register, 0, 10) * (1L << (5 * bits(register, 10, 3)))) + "ns";
    }

    private void processes() {
        lines.add("Process Address Space ID (PASID)");
        if (config.has(at + 4, 4)) {
            int caps = config.get16(at + 4);
            lines.add("\t\tPASIDCap: %s, Max PASID Width: %02x"
                    .formatted(Flags.of(caps, "Exec", 1, "Priv", 2), bits(caps, 8, 5)));
            lines.add("\t\tPASIDCtl: " + Flags.of(config.get16(at + 6), "Enable", 0, "Exec", 1, "Priv", 2));
        }
    }
}
