package org.jvfio.emulator;

import java.nio.ByteBuffer;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

/** The accesses of the host to the configuration space of a PCI function, through its partitionable endpoint. */
final class ConfigAccess {
    private final PciFunction function;
    private final Pe pe;
    private final ConfigRegisters registers;
    private final VfioInterrupts interrupts;
    private final boolean powernv;

    ConfigAccess(PciFunction function, Pe pe, ConfigRegisters registers, VfioInterrupts interrupts, boolean powernv) {
        this.function = function;
        this.pe = pe;
        this.registers = registers;
        this.interrupts = interrupts;
        this.powernv = powernv;
    }

    boolean isBlocked() {
        return pe.configBlocked();
    }

    private int blockedError() {
        return (powernv ? Errno.ENODEV : Errno.EIO).negated();
    }

    /** A byte of configuration space, including the device's live status bits. */
    byte register(int register) {
        int value = registers.get(register);
        if (register == vfio_h.PCI_STATUS && interrupts.line().isAsserted()) {
            value |= vfio_h.PCI_STATUS_INTERRUPT;
        }
        int extended = registers.found().offset(vfio_h.PCI_CAP_ID_MSIX);
        if (extended != 0 && register == extended + vfio_h.PCI_MSIX_FLAGS + 1 && interrupts.isMsixEnabled()) {
            value |= vfio_h.PCI_MSIX_FLAGS_ENABLE >> Byte.SIZE;
        }
        return (byte) value;
    }

    /** The host reads up to 4 bytes: the value, or a negated errno. */
    long read(int register, int bytes) {
        if (pe.configBlocked()) {
            return blockedError();
        }
        boolean reaches = reaches(register, false);
        long value = 0;
        for (int each = bytes - 1; each >= 0; each--) {
            value = value << Byte.SIZE | (reaches ? register(register + each) & 0xff : 0xff);
        }
        return value;
    }

    /** The host writes up to 4 bytes: 0, or a negated errno. */
    long write(int register, int bytes, int value) {
        if (pe.configBlocked()) {
            return blockedError();
        }
        if (reaches(register, true)) {
            for (int each = 0; each < bytes; each++) {
                registers.put(register + each, (byte) (value >>> (each * Byte.SIZE)));
            }
        }
        return 0;
    }

    private boolean reaches(int register, boolean write) {
        return pe.configAccess(InjectedError.configAddress(function.bus(), function.devfn(), register), write)
                && !function.isRemoved();
    }

    /**
     * Clears the address bits of BARs in a copy of configuration space that cannot be set, so that they show the size.
     */
    void showBarSizes(ByteBuffer copy) {
        // In an LPAR, Linux takes BAR types from the device tree, which does not mark 64-bit BARs.
        function.bars().showSizes(copy, powernv);
        int romMask = function.romBytes() == 0 ? 0 : -function.romBytes() | vfio_h.PCI_ROM_ADDRESS_ENABLE;
        copy.putInt(vfio_h.PCI_ROM_ADDRESS, copy.getInt(vfio_h.PCI_ROM_ADDRESS) & romMask);
    }
}
