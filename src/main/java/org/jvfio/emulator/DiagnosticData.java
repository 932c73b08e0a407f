package org.jvfio.emulator;

import java.util.ArrayList;
import java.util.List;

/**
 * What a host bridge reports about an error, as {@code pnv_pci_dump_phb_diag_data} of {@code
 * arch/powerpc/platforms/powernv/pci.c} logs it. Registers that are zero have no line. The values are those of real
 * bridges, which do not report the address of a failed DMA.
 */
final class DiagnosticData {
    private DiagnosticData() {}

    /**
     * The lines for an endpoint that was frozen.
     *
     * @param translation whether a DMA could not be translated
     */
    static List<String> lines(Platform platform, PeName pe, boolean translation) {
        return switch (platform) {
            case PHB4, PHB5 -> phb4(pe, translation);
            case PHB3 -> phb3("PHB3", pe, translation);
            case IODA1, P5IOC2 -> phb3("P7IOC", pe, translation);
            case PSERIES -> List.of(); // the hypervisor keeps them
        };
    }

    private static List<String> phb4(PeName pe, boolean translation) {
        List<String> lines = new ArrayList<>();
        lines.add("PHB4 PHB#%d Diag-data (Version: 1)".formatted(pe.domain()));
        lines.add("brdgCtl:    00000002");
        lines.add("RootSts:    00000040 00402000 e0820008 00100107 00000000");
        lines.add("PhbSts:     0000001c00000000 0000001c00000000");
        if (translation) {
            lines.add("Lem:        0000000000000080 0000000000000000 0000000000000080");
            lines.add("PhbErr:     0000020000000000 0000020000000000 2148000098000240 a008400000000000");
            lines.add("RxeTceErr:  6000000000000000 2000000000000000 40000000%08x 0000000000000000"
                    .formatted(pe.number()));
        }
        lines.add("PE[%03x] A/B: %s 8000000000000000"
                .formatted(pe.number(), translation ? "8000b03800000000" : "8000000000000000"));
        return lines;
    }

    private static List<String> phb3(String name, PeName pe, boolean translation) {
        List<String> lines = new ArrayList<>();
        lines.add("%s PHB#%x Diag-data (Version: 1)".formatted(name, pe.domain()));
        lines.add("brdgCtl:     00000002");
        lines.add("RootSts:     0000000f 00400000 b0830008 00100147 00002000");
        lines.add("PhbSts:      0000001c00000000 0000001c00000000");
        if (translation) {
            lines.add("Lem:         0000000000100000 42498e327f502eae 0000000000000000");
            lines.add("InAErr:      8000000000000000 8000000000000000 0402030000000000 0000000000000000");
        }
        lines.add("PE[%03x] A/B: %s 8000000000000000"
                .formatted(pe.number(), translation ? "8480002b00000000" : "8000000000000000"));
        return lines;
    }
}
