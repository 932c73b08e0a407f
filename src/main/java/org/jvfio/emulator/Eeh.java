package org.jvfio.emulator;

import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_CONFIGURE;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_DISABLE;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_ENABLE;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_GET_STATE;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_INJECT_ERR;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_RESET_DEACTIVATE;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_RESET_FUNDAMENTAL;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_RESET_HOT;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_UNFREEZE_DMA;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_UNFREEZE_IO;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_eeh_pe_err;
import org.jvfio.uapi.vfio_eeh_pe_op;

/** EEH of one partitionable endpoint: {@code arch/powerpc/kernel/eeh.c} below {@code VFIO_EEH_PE_OP}. */
final class Eeh {
    private static final long SHORT_SIZE = 12;
    private static final int LAST_FUNCTION = 19;
    private static final int FIRST_STORE = 6;
    private static final int FIRST_CONFIG_STORE = 10;
    private static final int FIRST_DMA_FUNCTION = 12;
    private static final int FIRST_DMA_WRITE_FUNCTION = 16;
    private static final List<Integer> MEMORY_FUNCTIONS = List.of(0, 1, 6, 7);
    private static final List<Integer> CONFIG_FUNCTIONS = List.of(4, 5, 10, 11);

    private final Pe pe;
    private final List<PciFunction> functions;

    Eeh(Pe pe, List<PciFunction> functions) {
        this.pe = pe;
        this.functions = functions;
    }

    int operate(Argument argument) {
        if (!pe.machine().eeh()) {
            return Errno.ENODEV.negated();
        }
        MemorySegment op = argument.copyIn(SHORT_SIZE);
        if (op == null) {
            return Errno.EFAULT.negated();
        }
        int argsz = vfio_eeh_pe_op.argsz(op);
        if (Integer.compareUnsigned(argsz, (int) SHORT_SIZE) < 0 || vfio_eeh_pe_op.flags(op) != 0) {
            return Errno.EINVAL.negated();
        }
        return switch (vfio_eeh_pe_op.op(op)) {
            case VFIO_EEH_PE_DISABLE, VFIO_EEH_PE_CONFIGURE -> 0;
            case VFIO_EEH_PE_ENABLE -> thaw();
            case VFIO_EEH_PE_UNFREEZE_IO -> pe.thawRegisters() ? 0 : Errno.EIO.negated();
            case VFIO_EEH_PE_UNFREEZE_DMA -> pe.thawDma() ? 0 : Errno.EIO.negated();
            case VFIO_EEH_PE_GET_STATE -> pe.state().number();
            case VFIO_EEH_PE_RESET_HOT, VFIO_EEH_PE_RESET_FUNDAMENTAL -> assertReset();
            case VFIO_EEH_PE_RESET_DEACTIVATE -> deassertReset();
            case VFIO_EEH_PE_INJECT_ERR -> inject(argsz, argument);
            default -> Errno.EINVAL.negated();
        };
    }

    private int thaw() {
        return pe.thawRegisters() & pe.thawDma() ? 0 : Errno.EIO.negated();
    }

    private int assertReset() {
        if (pe.isOutOfReach()) {
            return Errno.EIO.negated();
        }
        pe.freeze();
        pe.configBlocked(true);
        pe.resetAsserted(true);
        functions.forEach(PciFunction::resetByBus);
        return 0;
    }

    private int deassertReset() {
        if (pe.isOutOfReach()) {
            return Errno.EIO.negated();
        }
        pe.resetAsserted(false);
        pe.configBlocked(false);
        functions.forEach(PciFunction::restoreAfterReset);
        return thaw();
    }

    private int inject(int argsz, Argument argument) {
        long size = vfio_eeh_pe_op.sizeof();
        if (Integer.compareUnsigned(argsz, (int) size) < 0) {
            return Errno.EINVAL.negated();
        }
        MemorySegment op = argument.copyIn(size);
        if (op == null) {
            return Errno.EFAULT.negated();
        }
        MemorySegment error = vfio_eeh_pe_op.err(op);
        int type = vfio_eeh_pe_err.type(error);
        int function = vfio_eeh_pe_err.func(error);
        if (function < 0 || function > LAST_FUNCTION) {
            return Errno.EINVAL.negated();
        }
        boolean knownType = type == 0 || type == 1;
        if (pe.bridge().platform() == Platform.PSERIES) {
            if (!knownType) {
                return Errno.EINVAL.negated();
            }
            if (!MEMORY_FUNCTIONS.contains(function)) {
                return Errno.ERANGE.negated();
            }
        } else if (!knownType) {
            return Errno.ERANGE.negated();
        } else if (!firmwareInjects(type, function)) {
            return Errno.EIO.negated();
        }
        if (pe.isOutOfReach()) {
            return Errno.EIO.negated();
        }
        pe.inject(error(type, function, vfio_eeh_pe_err.addr(error), vfio_eeh_pe_err.mask(error)));
        return 0;
    }

    /** The error that firmware sets up: at the address if it belongs to the endpoint, else at any of its addresses. */
    private InjectedError error(int type, int function, long address, long mask) {
        InjectedError.Kind kind;
        boolean write;
        boolean belongs;
        if (CONFIG_FUNCTIONS.contains(function)) {
            kind = InjectedError.Kind.CONFIG;
            write = function >= FIRST_CONFIG_STORE;
            belongs = functions.stream().anyMatch(each -> each.bus() == InjectedError.busOf(address));
        } else if (function < FIRST_DMA_FUNCTION) {
            kind = InjectedError.Kind.REGISTER;
            write = function >= FIRST_STORE;
            belongs = functions.stream().anyMatch(each -> each.hasBarAt(address));
        } else {
            kind = InjectedError.Kind.DMA;
            write = function >= FIRST_DMA_WRITE_FUNCTION;
            TceTable window = pe.window(type);
            belongs = window != null && window.index(address) >= 0;
        }
        return new InjectedError(kind, write, type, address, belongs ? mask : 0);
    }

    /**
     * The injections that skiboot supports. {@code phb4_err_inject}: configuration space only. {@code phb3_err_inject}:
     * also registers, in the 32-bit and the 64-bit memory space of the bridge, and DMA, through a window below (32-bit)
     * or above (64-bit) bit 59.
     */
    private boolean firmwareInjects(int type, int function) {
        if (CONFIG_FUNCTIONS.contains(function)) {
            return true;
        }
        if (pe.bridge().platform() != Platform.PHB3) {
            return false;
        }
        return function >= FIRST_DMA_FUNCTION ? pe.window(type) != null : MEMORY_FUNCTIONS.contains(function);
    }
}
