package org.jvfio;

import java.util.EnumSet;
import java.util.Set;
import org.jvfio.uapi.vfio_h;

/** The bits of a device's command register. */
public enum PciCommand {
    /** The device decodes accesses of its I/O BARs. */
    IO(vfio_h.PCI_COMMAND_IO),
    /**
     * The device decodes accesses of its memory BARs. While it does not, the kernel refuses accesses, and invalidates
     * mappings of the BARs. For a virtual function the bit is the kernel's copy.
     */
    MEMORY(vfio_h.PCI_COMMAND_MEMORY),
    /** The device may do DMA and send MSI and MSI-X messages. */
    BUS_MASTER(vfio_h.PCI_COMMAND_MASTER),
    /** The device may use memory write and invalidate (conventional PCI). */
    INVALIDATE(vfio_h.PCI_COMMAND_INVALIDATE),
    /** The device responds to parity errors. */
    PARITY(vfio_h.PCI_COMMAND_PARITY),
    /** The device reports fatal errors (SERR#). */
    SERR(vfio_h.PCI_COMMAND_SERR),
    /** INTx is disabled. The bit is the kernel's copy: the kernel masks or unmasks INTx when it changes. */
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
