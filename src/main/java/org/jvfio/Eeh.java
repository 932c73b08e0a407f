package org.jvfio;

import java.lang.foreign.Arena;
import java.util.stream.Collectors;
import org.jvfio.ioctl.EehPeOp;
import org.jvfio.uapi.vfio_h;

/**
 * Enhanced error handling (EEH) of the PE of a container's group ({@code VFIO_EEH_PE_OP}). A DMA access that no mapping
 * allows, or an error on the bus, freezes the PE: its registers then read all ones, stores and DMA are dropped. No
 * interrupt reports it: a driver that reads all ones checks {@link #state}. These are its operations one by one; {@link
 * Device#recover} is all that makes a device respond again.
 *
 * <p>All methods throw {@link VfioException} if the kernel or the platform refuses, or the container has several groups
 * by then, and {@link IllegalStateException} if it has none, or is closed.
 */
public final class Eeh {
    private final Container container;

    Eeh(Container container) {
        this.container = container;
    }

    /** The state of the PE ({@code VFIO_EEH_PE_GET_STATE}). */
    public PeState state() {
        try (Arena arena = Arena.ofConfined()) {
            EehPeOp call = EehPeOp.of(arena, vfio_h.VFIO_EEH_PE_GET_STATE);
            int answer = container.eehOperation(call);
            PeState state = PeState.of(answer);
            if (state == null) {
                throw failed("read the state of the PE", call, answer);
            }
            return state;
        }
    }

    /**
     * Disables EEH for the group ({@code VFIO_EEH_PE_DISABLE}). The kernel accepts it and does nothing: EEH stays
     * enabled.
     */
    public void disable() {
        operate(vfio_h.VFIO_EEH_PE_DISABLE, "disable EEH for the PE");
    }

    /** Enables EEH for the group ({@code VFIO_EEH_PE_ENABLE}), and unfreezes its PE if it is frozen. */
    public void enable() {
        operate(vfio_h.VFIO_EEH_PE_ENABLE, "enable EEH for the PE");
    }

    /**
     * Makes the registers of a frozen PE accessible, to find the error; DMA stays frozen ({@code
     * VFIO_EEH_PE_UNFREEZE_IO}).
     */
    public void unfreezeIo() {
        operate(vfio_h.VFIO_EEH_PE_UNFREEZE_IO, "unfreeze the registers of the PE");
    }

    /** Allows DMA of a frozen PE again ({@code VFIO_EEH_PE_UNFREEZE_DMA}). */
    public void unfreezeDma() {
        operate(vfio_h.VFIO_EEH_PE_UNFREEZE_DMA, "unfreeze DMA of the PE");
    }

    /**
     * Asserts a hot reset of the PE until {@link #endReset}; configuration space is not accessible during the reset.
     */
    public void hotReset() {
        operate(vfio_h.VFIO_EEH_PE_RESET_HOT, "assert a hot reset of the PE");
    }

    /** Asserts a fundamental reset of the PE until {@link #endReset}. */
    public void fundamentalReset() {
        operate(vfio_h.VFIO_EEH_PE_RESET_FUNDAMENTAL, "assert a fundamental reset of the PE");
    }

    /**
     * Deasserts a reset ({@code VFIO_EEH_PE_RESET_DEACTIVATE}); the kernel restores the BARs, and the PE is not frozen.
     */
    public void endReset() {
        operate(vfio_h.VFIO_EEH_PE_RESET_DEACTIVATE, "end the reset of the PE");
    }

    /** Configures the bridges of the PE, as needed after a reset ({@code VFIO_EEH_PE_CONFIGURE}). */
    public void configure() {
        operate(vfio_h.VFIO_EEH_PE_CONFIGURE, "configure the PE");
    }

    /**
     * Injects an error ({@code VFIO_EEH_PE_INJECT_ERR}): the next access of its kind freezes the PE. POWER8 injects all
     * kinds except those of I/O space, and those of DMA once there is a window; POWER9 those of configuration space
     * alone; an LPAR those of memory BARs.
     *
     * @throws VfioException {@code UNSUPPORTED} if the platform cannot inject it
     */
    public void inject(EehError error) {
        try (Arena arena = Arena.ofConfined()) {
            EehPeOp call = EehPeOp.of(arena, vfio_h.VFIO_EEH_PE_INJECT_ERR)
                    .error(error.width().number(), error.function().number(), error.address(), error.mask());
            String asked = "inject " + error;
            int answer = container.eehOperation(call);
            if (answer != 0) {
                throw VfioException.failed(asked, call, answer, Cause.of(answer, KnownCauses::eehInject));
            }
        }
    }

    private void operate(int operation, String asked) {
        try (Arena arena = Arena.ofConfined()) {
            EehPeOp call = EehPeOp.of(arena, operation);
            int answer = container.eehOperation(call);
            if (answer != 0) {
                throw failed(asked, call, answer);
            }
        }
    }

    private VfioException failed(String asked, EehPeOp call, int answer) {
        return VfioException.failed(
                asked, call, answer, Cause.of(answer, errno -> KnownCauses.eeh(errno, container.peStates())));
    }

    /** The IOMMU group whose PE it is, as in {@code EEH of IOMMU group 3}. */
    @Override
    public String toString() {
        return container.groups().stream()
                .map(group -> "IOMMU group " + group.number())
                .collect(Collectors.joining(", ", "EEH of ", ""));
    }
}
