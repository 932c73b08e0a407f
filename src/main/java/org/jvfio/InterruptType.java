package org.jvfio;

import org.jvfio.uapi.vfio_h;

/**
 * The interrupt types of vfio-pci. Of {@link #INTX}, {@link #MSI} and {@link #MSIX} one can be enabled at a time; the
 * others are independent.
 */
public enum InterruptType {
    /**
     * INTx, level triggered. It stays asserted until the driver has acknowledged it in the device, so the kernel masks
     * it at each interrupt: call {@link Interrupts#unmask} after the acknowledgement.
     */
    INTX(vfio_h.VFIO_PCI_INTX_IRQ_INDEX, true),
    /** Message signalled interrupts, up to 32 vectors. They need bus mastering: {@link Device#enableBusMastering}. */
    MSI(vfio_h.VFIO_PCI_MSI_IRQ_INDEX, true),
    /** Message signalled interrupts with a table, up to 2048 vectors. They need bus mastering, as MSI. */
    MSIX(vfio_h.VFIO_PCI_MSIX_IRQ_INDEX, true),
    /**
     * The host has seen an uncorrectable error of the device (AER). Up to Linux 7.2 only PCI Express devices have this
     * type; later every PCI device has it, and one that is not PCI Express never signals it. On POWER such an error
     * freezes the PE, and nothing is signalled: check {@link Device#isFrozen}.
     */
    ERROR(vfio_h.VFIO_PCI_ERR_IRQ_INDEX, false),
    /** The kernel needs the device back, because it is unbound or unplugged: see {@link Device#onDeviceRequest}. */
    REQUEST(vfio_h.VFIO_PCI_REQ_IRQ_INDEX, false);

    private final int index;
    private final boolean exclusive;

    InterruptType(int index, boolean exclusive) {
        this.index = index;
        this.exclusive = exclusive;
    }

    /** {@code VFIO_PCI_*_IRQ_INDEX}. */
    int index() {
        return index;
    }

    /** Whether it is one of the types of which one can be enabled at a time. */
    boolean isExclusive() {
        return exclusive;
    }

    /** The name that the PCI specification uses. */
    @Override
    public String toString() {
        return switch (this) {
            case INTX -> "INTx";
            case MSI -> "MSI";
            case MSIX -> "MSI-X";
            case ERROR -> "error interrupt";
            case REQUEST -> "device request";
        };
    }
}
