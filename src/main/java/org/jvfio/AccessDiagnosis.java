package org.jvfio;

import static org.jvfio.uapi.vfio_h.PCI_CLASS_REVISION;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND_MEMORY;
import static org.jvfio.uapi.vfio_h.PCI_STATUS;
import static org.jvfio.uapi.vfio_h.PCI_VENDOR_ID;

import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.jvfio.DeviceCondition.State;
import org.jvfio.VfioException.Kind;

/**
 * Finds out whether a device responds, from the state of its PE and from its configuration space. It takes no lock, so
 * that a thread may read registers whatever it holds.
 */
final class AccessDiagnosis {
    private static final int ALL_ONES_32 = -1;
    private static final short ALL_ONES_16 = -1;

    private final Device device;

    AccessDiagnosis(Device device) {
        this.device = device;
    }

    /** Why a load or store of a mapped BAR ended in a bus error (SIGBUS). */
    Cause busError() {
        DeviceCondition condition = condition();
        return condition.isResponding()
                ? new Cause(
                        Kind.DEVICE_ERROR,
                        "the bus reports an error, although the device responds: " + condition.evidence(),
                        "see dmesg")
                : condition.cause();
    }

    /**
     * Checks whether a device of which a register read all ones responds: by two system calls if it does.
     *
     * @param mapped whether the register is mapped: the kernel checks other accesses for disabled memory itself
     * @throws VfioException if it does not
     */
    void requireResponse(boolean mapped, Supplier<String> operation) {
        int pe = device.container().peStates();
        if ((pe == PeState.NORMAL.number() || pe < 0) && !device.isInLowPower()) {
            int commandAndStatus = device.config().readInt(PCI_COMMAND);
            boolean decodes = (commandAndStatus & PCI_COMMAND_MEMORY) != 0;
            if ((short) (commandAndStatus >>> Short.SIZE) != ALL_ONES_16 && (decodes || !mapped)) {
                return;
            }
        }
        DeviceCondition condition = condition();
        if (!condition.isResponding()) {
            throw condition.failure(operation.get());
        }
    }

    /** Whether the device responds, and if not, why. */
    DeviceCondition condition() {
        if (device.isInLowPower()) {
            return DeviceCondition.of(State.ASLEEP, null, "the device is in a low power state");
        }
        boolean responds = false;
        String evidence = "its configuration space reads all ones";
        try {
            responds = isResponding();
        } catch (VfioException e) {
            evidence = "reading its configuration space fails: " + e.reason();
        }
        // After the access, which may be what froze the PE.
        int answer = device.container().peStates();
        PeState reported = PeState.of(answer);
        PeState pe = device.container().attachedGroups().size() == 1 ? reported : null;
        if (!responds) {
            return silent(pe, reported, answer, evidence);
        }
        try {
            return responding(pe);
        } catch (VfioException e) {
            return silent(pe, reported, answer, "reading its configuration space fails: " + e.reason());
        }
    }

    private DeviceCondition responding(@Nullable PeState pe) {
        if (pe == PeState.STOPPED_DMA) {
            return DeviceCondition.of(State.FROZEN, pe, "its PE is " + describe(pe) + "; its registers respond");
        }
        if (pe == PeState.UNAVAILABLE) {
            return DeviceCondition.of(State.FROZEN, pe, "its PE is " + describe(pe));
        }
        Optional<DeviceCondition> inaccessible = inaccessible(pe);
        if (inaccessible.isPresent()) {
            return inaccessible.get();
        }
        return DeviceCondition.of(
                State.RESPONDING,
                pe,
                "its configuration space responds"
                        + (pe == null || pe == PeState.NORMAL
                                ? ""
                                : ", although EEH reports that its PE is " + describe(pe)));
    }

    private static DeviceCondition silent(
            @Nullable PeState pe, @Nullable PeState reported, int answer, String evidence) {
        if (pe != null && pe != PeState.NORMAL) {
            return DeviceCondition.of(State.FROZEN, pe, "its PE is " + describe(pe));
        }
        if (reported == PeState.NORMAL) {
            return DeviceCondition.of(State.GONE, pe, evidence + ", and its PE is not frozen");
        }
        return DeviceCondition.of(
                State.UNKNOWN,
                null,
                evidence
                        + (reported == null
                                ? "; the platform does not report its PE (EEH_PE_OP: " + answer + ")"
                                : "; a PE of the container's groups is " + describe(reported))
                        + ": frozen or gone");
    }

    private static String describe(PeState state) {
        return "%s (EEH state %d)".formatted(state, state.number());
    }

    /**
     * Whether the device responds. The ids are the kernel's copy, and read all ones if the device did not respond when
     * it was opened; class, revision and status are read from the device.
     */
    boolean isResponding() {
        Region config = device.config();
        return config.readInt(PCI_VENDOR_ID) != ALL_ONES_32
                && (config.readInt(PCI_CLASS_REVISION) != ALL_ONES_32 || config.readShort(PCI_STATUS) != ALL_ONES_16);
    }

    /**
     * Why the device does not decode accesses of its memory, according to its configuration space; empty if it does.
     */
    Optional<Cause> memoryDisabled() {
        return inaccessible(null).map(DeviceCondition::cause);
    }

    private Optional<DeviceCondition> inaccessible(@Nullable PeState pe) {
        ConfigSpace config = device.configSpace();
        if (!config.command().contains(PciCommand.MEMORY)) {
            return Optional.of(
                    DeviceCondition.of(State.DISABLED, pe, "the device's memory is disabled in its command register"));
        }
        return config.capability(PciCapability.PowerManagement.class)
                .map(PciCapability.PowerManagement::state)
                .filter(state -> state != PowerState.D0)
                .map(state -> DeviceCondition.of(State.ASLEEP, pe, "the device is in power state " + state));
    }

    /** Why the configuration space reads all ones. */
    Cause allOnes() {
        return condition().cause();
    }
}
