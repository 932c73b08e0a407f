package org.jvfio;

import java.util.EnumSet;
import java.util.Set;
import org.jvfio.uapi.vfio_h;

/** The bits of a device's command register. */
public enum PciCommand {
    /** It answers at its I/O BARs. */
    IO(vfio_h.PCI_COMMAND_IO),
    /**
     * It answers at its memory BARs. While it does not, the kernel refuses accesses of them, and takes their mappings away;
     * of a virtual function the bit exists in the kernel's copy only.
     */
    MEMORY(vfio_h.PCI_COMMAND_MEMORY),
    /** It may do DMA and send interrupt messages. */
    BUS_MASTER(vfio_h.PCI_COMMAND_MASTER),
    /** It may use memory write and invalidate (conventional PCI). */
    INVALIDATE(vfio_h.PCI_COMMAND_INVALIDATE),
    /** It acts on parity errors. */
    PARITY(vfio_h.PCI_COMMAND_PARITY),
    /** It reports fatal errors (SERR#). */
    SERR(vfio_h.PCI_COMMAND_SERR),
    /** Its line does not interrupt. The kernel has this bit in its copy only, and masks or unmasks the line when it changes. */
    INTX_DISABLE(vfio_h.PCI_COMMAND_INTX_DISABLE);

    private final int bit;

    PciCommand(int bit) {
        this.bit = bit;
    }

    static Set<PciCommand> of(int register) {
        Set<PciCommand> set = EnumSet.noneOf(PciCommand.class);
        for (PciCommand each : values()) {
            if ((register & each.bit) != 0) {
                set.add(each);
            }
        }
        return set;
    }

    static int bits(PciCommand... set) {
        int bits = 0;
        for (PciCommand each : set) {
            bits |= each.bit;
        }
        return bits;
    }
}
