package org.jvfio.ioctl;

import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_CONFIGURE;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_DISABLE;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_ENABLE;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_GET_STATE;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_INJECT_ERR;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_OP;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_RESET_DEACTIVATE;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_RESET_FUNDAMENTAL;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_RESET_HOT;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_UNFREEZE_DMA;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_UNFREEZE_IO;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import org.jvfio.uapi.vfio_eeh_pe_err;
import org.jvfio.uapi.vfio_eeh_pe_op;

/**
 * An operation on the PEs of a container's groups: {@code VFIO_EEH_PE_OP} of a container. {@code VFIO_EEH_PE_GET_STATE}
 * returns a state, {@code VFIO_EEH_PE_STATE_*}; the others 0.
 *
 * @param struct a {@code vfio_eeh_pe_op}
 */
public record EehPeOp(MemorySegment struct) implements Ioctl {

    /** Allocates and fills a struct, {@code op} being {@code VFIO_EEH_PE_*}. */
    public static EehPeOp of(SegmentAllocator allocator, int op) {
        return new EehPeOp(allocator.allocate(vfio_eeh_pe_op.layout())).fill(op);
    }

    /** Fills the struct of an operation that has no error to inject. */
    public EehPeOp fill(int op) {
        struct.fill((byte) 0);
        vfio_eeh_pe_op.op(struct, op);
        return argsz((int) vfio_eeh_pe_op.sizeof());
    }

    /**
     * Adds the error that {@code VFIO_EEH_PE_INJECT_ERR} injects, {@code EEH_ERR_*} of the kernel's {@code asm/eeh.h}.
     */
    public EehPeOp error(int type, int function, long address, long mask) {
        MemorySegment error = vfio_eeh_pe_op.err(struct);
        vfio_eeh_pe_err.type(error, type);
        vfio_eeh_pe_err.func(error, function);
        vfio_eeh_pe_err.addr(error, address);
        vfio_eeh_pe_err.mask(error, mask);
        return this;
    }

    /** Overwrites {@code argsz}, in bytes. */
    public EehPeOp argsz(int argsz) {
        vfio_eeh_pe_op.argsz(struct, argsz);
        return this;
    }

    /** Overwrites {@code flags}. */
    public EehPeOp flags(int flags) {
        vfio_eeh_pe_op.flags(struct, flags);
        return this;
    }

    @Override
    public int request() {
        return VFIO_EEH_PE_OP;
    }

    @Override
    public int call(IoctlFile file) {
        return file.ioctl(VFIO_EEH_PE_OP, struct);
    }

    @Override
    public String toString() {
        CallText text = new CallText("VFIO_EEH_PE_OP").word(operation());
        if (vfio_eeh_pe_op.op(struct) == VFIO_EEH_PE_INJECT_ERR) {
            MemorySegment error = vfio_eeh_pe_op.err(struct);
            text.decimal("type", vfio_eeh_pe_err.type(error))
                    .decimal("func", vfio_eeh_pe_err.func(error))
                    .hex("addr", vfio_eeh_pe_err.addr(error))
                    .hex("mask", vfio_eeh_pe_err.mask(error));
        }
        return text.argsz(vfio_eeh_pe_op.argsz(struct), vfio_eeh_pe_op.sizeof())
                .noFlags(vfio_eeh_pe_op.flags(struct))
                .toString();
    }

    private String operation() {
        int op = vfio_eeh_pe_op.op(struct);
        return switch (op) {
            case VFIO_EEH_PE_DISABLE -> "VFIO_EEH_PE_DISABLE";
            case VFIO_EEH_PE_ENABLE -> "VFIO_EEH_PE_ENABLE";
            case VFIO_EEH_PE_UNFREEZE_IO -> "VFIO_EEH_PE_UNFREEZE_IO";
            case VFIO_EEH_PE_UNFREEZE_DMA -> "VFIO_EEH_PE_UNFREEZE_DMA";
            case VFIO_EEH_PE_GET_STATE -> "VFIO_EEH_PE_GET_STATE";
            case VFIO_EEH_PE_RESET_DEACTIVATE -> "VFIO_EEH_PE_RESET_DEACTIVATE";
            case VFIO_EEH_PE_RESET_HOT -> "VFIO_EEH_PE_RESET_HOT";
            case VFIO_EEH_PE_RESET_FUNDAMENTAL -> "VFIO_EEH_PE_RESET_FUNDAMENTAL";
            case VFIO_EEH_PE_CONFIGURE -> "VFIO_EEH_PE_CONFIGURE";
            case VFIO_EEH_PE_INJECT_ERR -> "VFIO_EEH_PE_INJECT_ERR";
            default -> "op " + Integer.toUnsignedString(op);
        };
    }
}
