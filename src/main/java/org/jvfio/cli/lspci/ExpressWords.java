package org.jvfio.cli.lspci;

import static org.jvfio.cli.lspci.Flags.bits;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** The PCI Express capability in words. Offsets and bits are those of the PCI Express specification, 7.5.3. */
final class ExpressWords {
    private static final int ENDPOINT = 0;
    private static final int LEGACY_ENDPOINT = 1;
    private static final int ROOT_PORT = 4;
    private static final int UPSTREAM_PORT = 5;
    private static final int DOWNSTREAM_PORT = 6;
    private static final int TO_PCI_BRIDGE = 7;
    private static final int FROM_PCI_BRIDGE = 8;
    private static final int INTEGRATED_ENDPOINT = 9;
    private static final int EVENT_COLLECTOR = 10;

    private static final List<String> L0S =
            List.of("<64ns", "<128ns", "<256ns", "<512ns", "<1us", "<2us", "<4us", "unlimited");
    private static final List<String> L1 =
            List.of("<1us", "<2us", "<4us", "<8us", "<16us", "<32us", "<64us", "unlimited");

    private final ConfigImage config;
    private final int at;
    private final int type;
    private final boolean memoryBar;
    private final boolean firstFunction;
    private final List<String> lines = new ArrayList<>();

    private ExpressWords(ConfigImage config, int at, boolean memoryBar, boolean firstFunction) {
        this.config = config;
        this.at = at;
        this.type = bits(config.get16(at + 2), 4, 4);
        this.memoryBar = memoryBar;
        this.firstFunction = firstFunction;
    }

    /**
     * The lines of a capability.
     *
     * @param memoryBar whether the device has a memory BAR
     * @param firstFunction whether it is function 0 of device 0
     */
    static List<String> of(ConfigImage config, int at, boolean memoryBar, boolean firstFunction) {
        ExpressWords words = new ExpressWords(config, at, memoryBar, firstFunction);
        words.write();
        return words.lines;
    }

    /** Which kind of function a PCI Express capability is of. */
    static int type(ConfigImage config, int at) {
        return bits(config.get16(at + 2), 4, 4);
    }

    static boolean isRoot(int type) {
        return type == ROOT_PORT || type == EVENT_COLLECTOR;
    }

    private boolean is(int... types) {
        for (int each : types) {
            if (each == type) {
                return true;
            }
        }
        return false;
    }

    private void write() {
        int flags = config.get16(at + 2);
        int version = bits(flags, 0, 4);
        boolean slot = is(ROOT_PORT, DOWNSTREAM_PORT, FROM_PCI_BRIDGE) && (flags & 0x100) != 0;
        boolean link = !is(INTEGRATED_ENDPOINT, EVENT_COLLECTOR);
        lines.add("Express (v%d) %s, IntMsgNum %d%s"
                .formatted(
                        version, kind(flags), bits(flags, 9, 5), (flags & 0x8000) != 0 ? ", FLIT Mode Supported" : ""));
        int size = isRoot(type) ? 32 : slot ? 24 : 16;
        if (!config.has(at + 4, size)) {
            return;
        }
        device();
        if (link) {
            link();
        }
        if (version < 2 || !config.has(at + 0x24, 16)) {
            return;
        }
        device2();
        if (link) {
            link2();
        }
    }

    private String kind(int flags) {
        String slot = " (Slot" + Flags.sign(flags, 8) + ")";
        return switch (type) {
            case ENDPOINT -> "Endpoint";
            case LEGACY_ENDPOINT -> "Legacy Endpoint";
            case ROOT_PORT -> "Root Port" + slot;
            case UPSTREAM_PORT -> "Upstream Port";
            case DOWNSTREAM_PORT -> "Downstream Port" + slot;
            case TO_PCI_BRIDGE -> "PCI-Express to PCI/PCI-X Bridge";
            case FROM_PCI_BRIDGE -> "PCI/PCI-X to PCI-Express Bridge" + slot;
            case INTEGRATED_ENDPOINT -> "Root Complex Integrated Endpoint";
            case EVENT_COLLECTOR -> "Root Complex Event Collector";
            default -> "Unknown type " + type;
        };
    }

    private void device() {
        long caps = config.getUnsigned32(at + 4);
        String latency = is(ENDPOINT, LEGACY_ENDPOINT)
                ? ", Latency L0s %s, L1 %s".formatted(L0S.get(bits(caps, 6, 3)), L1.get(bits(caps, 9, 3)))
                : "";
        lines.add("\t\tDevCap:\tMaxPayload %d bytes, PhantFunc %d%s"
                .formatted(128 << bits(caps, 0, 3), (1 << bits(caps, 3, 2)) - 1, latency));
        StringBuilder more = new StringBuilder("\t\t\t").append(Flags.of(caps, "ExtTag", 5));
        if (is(ENDPOINT, LEGACY_ENDPOINT, UPSTREAM_PORT, TO_PCI_BRIDGE)) {
            more.append(' ').append(Flags.of(caps, "AttnBtn", 12, "AttnInd", 13, "PwrInd", 14));
        }
        more.append(' ').append(Flags.of(caps, "RBE", 15));
        boolean canReset = is(ENDPOINT, LEGACY_ENDPOINT, INTEGRATED_ENDPOINT);
        if (canReset) {
            more.append(' ').append(Flags.of(caps, "FLReset", 28));
        }
        if (is(ENDPOINT, UPSTREAM_PORT, TO_PCI_BRIDGE)) {
            more.append(" SlotPowerLimit ").append(power(bits(caps, 18, 8), bits(caps, 26, 2)));
        }
        lines.add(more.append(' ').append(Flags.of(caps, "TEE-IO", 30)).toString());
        int control = config.get16(at + 8);
        lines.add("\t\tDevCtl:\t" + Flags.of(control, "CorrErr", 0, "NonFatalErr", 1, "FatalErr", 2, "UnsupReq", 3));
        String reset = canReset && (caps & 1L << 28) != 0 ? " " + Flags.of(control, "FLReset", 15) : "";
        String retry = is(TO_PCI_BRIDGE) ? " " + Flags.of(control, "BrConfRtry", 15) : "";
        lines.add("\t\t\t" + Flags.of(control, "RlxdOrd", 4, "ExtTag", 8, "PhantFunc", 9, "AuxPwr", 10, "NoSnoop", 11)
                + retry + reset);
        lines.add("\t\t\tMaxPayload %d bytes, MaxReadReq %d bytes"
                .formatted(128 << bits(control, 5, 3), 128 << bits(control, 12, 3)));
        lines.add("\t\tDevSta:\t"
                + Flags.of(
                        config.get16(at + 0xa),
                        "CorrErr",
                        0,
                        "NonFatalErr",
                        1,
                        "FatalErr",
                        2,
                        "UnsupReq",
                        3,
                        "AuxPwr",
                        4,
                        "TransPend",
                        5));
    }

    private static String power(int value, int scale) {
        if (scale == 0 && value == 0xff) {
            return ">600W";
        }
        int watts = scale == 0 && value >= 0xf0 ? 250 + 25 * (value - 0xf0) : value;
        double exact = watts * Math.pow(10, -scale);
        String text = String.format(Locale.ROOT, "%.3f", exact);
        return text.replaceFirst("\\.?0+$", "") + "W";
    }

    private static String speed(int code) {
        return switch (code) {
            case 1 -> "2.5GT/s";
            case 2 -> "5GT/s";
            case 3 -> "8GT/s";
            case 4 -> "16GT/s";
            case 5 -> "32GT/s";
            case 6 -> "64GT/s";
            default -> "unknown";
        };
    }

    private void link() {
        long caps = config.getUnsigned32(at + 0xc);
        int states = bits(caps, 10, 2);
        StringBuilder latency = new StringBuilder();
        if (states != 0) {
            latency.append(", Exit Latency ");
            if ((states & 1) != 0) {
                latency.append("L0s ").append(L0S.get(bits(caps, 12, 3)));
            }
            if ((states & 2) != 0) {
                latency.append((states & 1) != 0 ? ", " : "").append("L1 ").append(L1.get(bits(caps, 15, 3)));
            }
        }
        lines.add("\t\tLnkCap:\tPort #%d, Speed %s, Width x%d, ASPM %s%s"
                .formatted(
                        bits(caps, 24, 8),
                        speed(bits(caps, 0, 4)),
                        bits(caps, 4, 6),
                        List.of("not supported", "L0s", "L1", "L0s L1").get(states),
                        latency));
        lines.add("\t\t\t"
                + Flags.of(caps, "ClockPM", 18, "Surprise", 19, "LLActRep", 20, "BwNot", 21, "ASPMOptComp", 22));
        int control = config.get16(at + 0x10);
        String boundary = is(ROOT_PORT, ENDPOINT, LEGACY_ENDPOINT, TO_PCI_BRIDGE)
                ? " RCB %d bytes,".formatted((control & 8) != 0 ? 128 : 64)
                : "";
        lines.add("\t\tLnkCtl:\tASPM %s;%s %s"
                .formatted(
                        List.of("Disabled", "L0s Enabled", "L1 Enabled", "L0s L1 Enabled")
                                .get(bits(control, 0, 2)),
                        boundary,
                        Flags.of(control, "LnkDisable", 4, "CommClk", 6)));
        lines.add("\t\t\t"
                + Flags.of(
                        control,
                        "ExtSynch",
                        7,
                        "ClockPM",
                        8,
                        "AutWidDis",
                        9,
                        "BWInt",
                        10,
                        "AutBWInt",
                        11,
                        "FltModeDis",
                        13));
        int status = config.get16(at + 0x12);
        lines.add("\t\tLnkSta:\tSpeed %s%s, Width x%d%s"
                .formatted(
                        speed(bits(status, 0, 4)),
                        compared(bits(status, 0, 4), bits(caps, 0, 4)),
                        bits(status, 4, 6),
                        compared(bits(status, 4, 6), bits(caps, 4, 6))));
        lines.add("\t\t\t"
                + Flags.of(
                        status, "TrErr", 10, "Train", 11, "SlotClk", 12, "DLActive", 13, "BWMgmt", 14, "ABWMgmt", 15));
    }

    private String compared(int actual, int possible) {
        if (actual > possible) {
            return " (overdriven)";
        }
        return actual == possible || is(ROOT_PORT, DOWNSTREAM_PORT, FROM_PCI_BRIDGE) ? "" : " (downgraded)";
    }

    private void device2() {
        long caps = config.getUnsigned32(at + 0x24);
        lines.add("\t\tDevCap2: Completion Timeout: %s, %s"
                .formatted(timeoutRange(bits(caps, 0, 4)), Flags.of(caps, "TimeoutDis", 4, "NROPrPrP", 10, "LTR", 11)));
        String prefixes =
                (caps & 1L << 21) != 0 ? ", MaxEETLPPrefixes " + (bits(caps, 22, 2) == 0 ? 4 : bits(caps, 22, 2)) : "";
        lines.add("\t\t\t %s OBFF %s, %s%s"
                .formatted(
                        Flags.of(caps, "10BitTagComp", 16, "10BitTagReq", 17),
                        List.of("Not Supported", "Via message", "Via WAKE#", "Via message/WAKE#")
                                .get(bits(caps, 18, 2)),
                        Flags.of(caps, "ExtFmt", 20, "EETLPPrefix", 21),
                        prefixes));
        lines.add("\t\t\t EmergencyPowerReduction %s, %s"
                .formatted(
                        List.of("Not Supported", "Form Factor Dev Specific", "Form Factor or Dev Specific", "Reserved")
                                .get(bits(caps, 24, 2)),
                        Flags.of(caps, "EmergencyPowerReductionInit", 26)));
        StringBuilder more = new StringBuilder("\t\t\t ").append(Flags.of(caps, "FRS", 31));
        if (is(ROOT_PORT)) {
            more.append(" LN System CLS ")
                    .append(List.of("Not Supported", "64byte cachelines", "128byte cachelines", "Reserved")
                            .get(bits(caps, 14, 2)))
                    .append(',');
        }
        if (is(ROOT_PORT, ENDPOINT)) {
            more.append(' ')
                    .append(List.of("TPHComp- ExtTPHComp-", "TPHComp+ ExtTPHComp-", "Reserved", "TPHComp+ ExtTPHComp+")
                            .get(bits(caps, 12, 2)));
        }
        if (is(ROOT_PORT, DOWNSTREAM_PORT)) {
            more.append(' ').append(Flags.of(caps, "ARIFwd", 5));
        }
        lines.add(more.toString());
        boolean port = is(ROOT_PORT, UPSTREAM_PORT, DOWNSTREAM_PORT);
        if (port || memoryBar) {
            lines.add("\t\t\t AtomicOpsCap:" + (port ? " " + Flags.of(caps, "Routing", 6) : "")
                    + (is(ROOT_PORT) || memoryBar ? " " + Flags.of(caps, "32bit", 7, "64bit", 8, "128bitCAS", 9) : ""));
        }
        int control = config.get16(at + 0x28);
        lines.add("\t\tDevCtl2: Completion Timeout: %s, %s%s"
                .formatted(
                        timeout(bits(control, 0, 4)),
                        Flags.of(control, "TimeoutDis", 4),
                        is(ROOT_PORT, DOWNSTREAM_PORT) ? " " + Flags.of(control, "ARIFwd", 5) : ""));
        boolean requester = is(ROOT_PORT, ENDPOINT, INTEGRATED_ENDPOINT, LEGACY_ENDPOINT);
        if (port || requester) {
            lines.add("\t\t\t AtomicOpsCtl:" + (requester ? " " + Flags.of(control, "ReqEn", 6) : "")
                    + (port ? " " + Flags.of(control, "EgressBlck", 7) : ""));
        }
        lines.add(
                "\t\t\t " + Flags.of(control, "IDOReq", 8, "IDOCompl", 9, "LTR", 10, "EmergencyPowerReductionReq", 11));
        lines.add("\t\t\t %s OBFF %s, %s"
                .formatted(
                        Flags.of(control, "10BitTagReq", 12),
                        List.of("Disabled", "Via message, A", "Via message, B", "Via WAKE#")
                                .get(bits(control, 13, 2)),
                        Flags.of(control, "EETLPPrefixBlk", 15)));
    }

    private static String timeoutRange(int code) {
        return switch (code) {
            case 0 -> "Not Supported";
            case 1 -> "Range A";
            case 2 -> "Range B";
            case 3 -> "Range AB";
            case 6 -> "Range BC";
            case 7 -> "Range ABC";
            case 14 -> "Range BCD";
            case 15 -> "Range ABCD";
            default -> "Unknown";
        };
    }

    private static String timeout(int code) {
        return switch (code) {
            case 0 -> "50us to 50ms";
            case 1 -> "50us to 100us";
            case 2 -> "1ms to 10ms";
            case 5 -> "16ms to 55ms";
            case 6 -> "65ms to 210ms";
            case 9 -> "260ms to 900ms";
            case 10 -> "1s to 3.5s";
            case 13 -> "4s to 13s";
            case 14 -> "17s to 64s";
            default -> "Unknown";
        };
    }

    private void link2() {
        if (!is(ENDPOINT, LEGACY_ENDPOINT) || firstFunction) {
            long caps = config.getUnsigned32(at + 0x2c);
            if (caps != 0) {
                lines.add("\t\tLnkCap2: Supported Link Speeds: %s, %s"
                        .formatted(
                                speeds(bits(caps, 1, 7)),
                                Flags.of(caps, "Crosslink", 8, "Retimer", 23, "2Retimers", 24, "DRS", 31)));
            }
            int control = config.get16(at + 0x30);
            String target = speed(Math.max(1, bits(control, 0, 4)));
            lines.add("\t\tLnkCtl2: Target Link Speed: %s, %s%s"
                    .formatted(
                            target.equals("unknown") ? "Unknown" : target,
                            Flags.of(control, "EnterCompliance", 4, "SpeedDis", 5),
                            is(DOWNSTREAM_PORT) ? ", Selectable De-emphasis: " + deemphasis(bits(control, 6, 1)) : ""));
            lines.add("\t\t\t Transmit Margin: %s, %s"
                    .formatted(
                            margin(bits(control, 7, 3)),
                            Flags.of(control, "EnterModifiedCompliance", 10, "ComplianceSOS", 11)));
            lines.add("\t\t\t Compliance Preset/De-emphasis: " + preset(bits(control, 12, 4)));
        }
        int status = config.get16(at + 0x32);
        lines.add("\t\tLnkSta2: Current De-emphasis Level: %s, %s"
                .formatted(
                        deemphasis(bits(status, 0, 1)),
                        Flags.of(status, "EqualizationComplete", 1, "EqualizationPhase1", 2)));
        lines.add("\t\t\t "
                + Flags.of(status, "EqualizationPhase2", 3, "EqualizationPhase3", 4, "LinkEqualizationRequest", 5));
        lines.add("\t\t\t %s CrosslinkRes: %s, %s"
                .formatted(
                        Flags.of(status, "Retimer", 6, "2Retimers", 7),
                        List.of("unsupported", "Upstream Port", "Downstream Port", "incomplete")
                                .get(bits(status, 8, 2)),
                        Flags.of(status, "FltMode", 10)));
    }

    private static String speeds(int vector) {
        if (vector == 0) {
            return "Unknown";
        }
        int highest = Integer.numberOfTrailingZeros(Integer.highestOneBit(vector)) + 1;
        return highest == 1 ? "2.5GT/s" : "2.5-" + (highest == 7 ? "128GT/s" : speed(highest));
    }

    private static String deemphasis(int code) {
        return code == 0 ? "-6dB" : "-3.5dB";
    }

    private static String margin(int code) {
        return switch (code) {
            case 0 -> "Normal Operating Range";
            case 1 -> "800-1200mV(full-swing)/400-700mV(half-swing)";
            case 2, 3, 4, 5 -> "200-400mV(full-swing)/100-200mV(half-swing)";
            default -> "Unknown";
        };
    }

    private static String preset(int code) {
        return switch (code) {
            case 0 -> "-6dB de-emphasis, 0dB preshoot";
            case 1 -> "-3.5dB de-emphasis, 0dB preshoot";
            case 2 -> "-4.4dB de-emphasis, 0dB preshoot";
            case 3 -> "-2.5dB de-emphasis, 0dB preshoot";
            case 4 -> "0dB de-emphasis, 0dB preshoot";
            case 5 -> "0dB de-emphasis, 1.9dB preshoot";
            case 6 -> "0dB de-emphasis, 2.5dB preshoot";
            case 7 -> "-6.0dB de-emphasis, 3.5dB preshoot";
            case 8 -> "-3.5dB de-emphasis, 3.5dB preshoot";
            case 9 -> "0dB de-emphasis, 3.5dB preshoot";
            default -> "Unknown";
        };
    }
}
