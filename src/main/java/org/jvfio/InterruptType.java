package org.jvfio;

import org.jvfio.uapi.vfio_h;

/**
 * The kinds of interrupts that vfio-pci passes on. Of {@link #INTX}, {@link #MSI} and {@link #MSIX} a device uses one at a
 * time; the others are independent of them.
 */
public enum InterruptType {
    /**
     * The interrupt line. The kernel masks it when it has fired, since it stays asserted until the driver has told the
     * device: call {@link Interrupts#unmask} after that.
     */
    INTX(vfio_h.VFIO_PCI_INTX_IRQ_INDEX, true),
    /** Message signalled interrupts, up to 32 vectors. The device must be a bus master to send them. */
    MSI(vfio_h.VFIO_PCI_MSI_IRQ_INDEX, true),
    /** Message signalled interrupts by a table of up to 2048 vectors. The device must be a bus master to send them. */
    MSIX(vfio_h.VFIO_PCI_MSIX_IRQ_INDEX, true),
    /**
     * The host's error handling (AER) saw an uncorrectable error of the device. Up to Linux 7.2 only PCI Express devices
     * have this interrupt; later every PCI device has it, and one that is not PCI Express never signals it. On POWER such
     * an error freezes the PE, and nothing is signalled: ask {@link Device#isFrozen}.
     */
    ERROR(vfio_h.VFIO_PCI_ERR_IRQ_INDEX, false),
    /** The kernel wants the device back, as somebody unbinds or removes it: see {@link Device#onDeviceRequest}. */
    REQUEST(vfio_h.VFIO_PCI_REQ_IRQ_INDEX, false);

    private final int index;
    private final boolean exclusive;

    InterruptType(int index, boolean exclusive) {
        this.index = index;
        this.exclusive = exclusive;
    }

    /** Its {@code VFIO_PCI_*_IRQ_INDEX}. */
    int index() {
        return index;
    }

    /** Whether it is one of those of which a device uses one at a time. */
    boolean isExclusive() {
        return exclusive;
    }

    /** Its name as PCI writes it. */
    @Override
    public String toString() {
        return switch (this) {
            case INTX -> "INTx";
            case MSI -> "MSI";
            case MSIX -> "MSI-X";
            case ERROR -> "error interrupt";
            case REQUEST -> "release request";
        };
    }
}
