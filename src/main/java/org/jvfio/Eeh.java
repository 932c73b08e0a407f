package org.jvfio;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jvfio.uapi.vfio_eeh_pe_op;
import org.jvfio.uapi.vfio_h;

/**
 * Enhanced error handling (EEH) of a container's group: {@code VFIO_EEH_PE_OP}. A DMA that no mapping allows freezes the
 * group's PE: its registers then read all ones, stores and DMA are dropped. No interrupt tells of it, so a driver that
 * reads all ones asks for {@link #state}.
 *
 * <p>All methods throw {@link VfioException} if the kernel or the platform refuses, or the container has several groups by
 * now, and {@link IllegalStateException} if it has none, or is closed.
 */
public final class Eeh {
    private final Container container;

    Eeh(Container container) {
        this.container = container;
    }

    /** What the platform lets through now. */
    public PeState state() {
        int answer = call(vfio_h.VFIO_EEH_PE_GET_STATE);
        for (PeState state : PeState.values()) {
            if (state.number() == answer) {
                return state;
            }
        }
        throw failed("read the state of the PE", "GET_STATE", answer);
    }

    /** Turns EEH on for the group, and thaws its PE if it is frozen. */
    public void enable() {
        operate(vfio_h.VFIO_EEH_PE_ENABLE, "enable EEH for the PE", "ENABLE");
    }

    /** Makes registers accessible again in a frozen PE, to look for the reason; DMA stays off. */
    public void unfreezeIo() {
        operate(vfio_h.VFIO_EEH_PE_UNFREEZE_IO, "unfreeze the registers of the PE", "UNFREEZE_IO");
    }

    /** Lets DMA through again in a frozen PE. */
    public void unfreezeDma() {
        operate(vfio_h.VFIO_EEH_PE_UNFREEZE_DMA, "unfreeze the DMA of the PE", "UNFREEZE_DMA");
    }

    /** Asserts a hot reset of the PE, until {@link #endReset}: configuration space is not accessible meanwhile. */
    public void hotReset() {
        operate(vfio_h.VFIO_EEH_PE_RESET_HOT, "reset the PE", "RESET_HOT");
    }

    /** Asserts a fundamental reset of the PE, until {@link #endReset}. */
    public void fundamentalReset() {
        operate(vfio_h.VFIO_EEH_PE_RESET_FUNDAMENTAL, "reset the PE", "RESET_FUNDAMENTAL");
    }

    /** Ends a reset; the kernel restores the BARs, and the PE is no longer frozen. */
    public void endReset() {
        operate(vfio_h.VFIO_EEH_PE_RESET_DEACTIVATE, "end the reset of the PE", "RESET_DEACTIVATE");
    }

    /** Has the bridges of the PE configured again, as after a reset. */
    public void configure() {
        operate(vfio_h.VFIO_EEH_PE_CONFIGURE, "configure the PE", "CONFIGURE");
    }

    /**
     * Brings a frozen PE back to life: hot reset, end of it, configuration of the bridges. The devices are then as after
     * power on: {@link Device#enableMemory} and {@link Device#enableBusMastering} are to be called, and the device set up,
     * anew. Windows and mappings stay.
     */
    public void recover() {
        hotReset();
        endReset();
        configure();
    }

    private void operate(int operation, String asked, String name) {
        int answer = call(operation);
        if (answer != 0) {
            throw failed(asked, name, answer);
        }
    }

    private int call(int operation) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = vfio_eeh_pe_op.allocate(arena);
            vfio_eeh_pe_op.argsz(struct, (int) struct.byteSize());
            vfio_eeh_pe_op.op(struct, operation);
            return container.eehOperation(struct);
        }
    }

    private static VfioException failed(String asked, String operation, int answer) {
        return VfioException.failed(
                asked,
                "VFIO_EEH_PE_OP(VFIO_EEH_PE_" + operation + ")",
                answer,
                VfioException.errnoOf(answer).map(KnownCauses::eeh).orElseGet(Cause::unknown));
    }
}
