package org.jvfio;

import static org.jvfio.uapi.vfio_h.PCI_CLASS_REVISION;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND_MEMORY;
import static org.jvfio.uapi.vfio_h.PCI_STATUS;
import static org.jvfio.uapi.vfio_h.PCI_VENDOR_ID;

import java.util.Optional;
import java.util.function.Supplier;
import org.jvfio.DeviceCondition.State;
import org.jvfio.VfioException.Kind;

/**
 * Finds out whether a device responds, from the state of its PE and from its configuration space. It takes no lock, so
 * that a thread may read registers whatever it holds.
 */
final class AccessDiagnosis {
    private static final int ALL_ONES_32 = -1;
    private static final short ALL_ONES_16 = -1;

    private static final String ALL_ONES = "its configuration space reads all ones";

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
            return DeviceCondition.of(State.ASLEEP, Optional.empty(), "the device is in a low power state");
        }
        boolean responds = false;
        String evidence = ALL_ONES;
        try {
            responds = isResponding();
        } catch (VfioException e) {
            evidence = "reading its configuration space fails: " + e.reason();
        }
        // After the access, which may be what froze the PE.
        int answer = device.container().peStates();
        Optional<PeState> pe = peState(answer);
        if (!responds) {
            return silent(pe, answer, evidence);
        }
        try {
            return responding(pe);
        } catch (VfioException e) {
            return silent(pe, answer, "reading its configuration space fails: " + e.reason());
        }
    }

    /** The state of the device's own PE; empty if the platform does not report it. */
    Optional<PeState> peState() {
        return peState(device.container().peStates());
    }

    /** The kernel answers for all groups of the container at once, but shows the state of each device in sysfs. */
    private Optional<PeState> peState(int answer) {
        Optional<PeState> reported = Optional.ofNullable(PeState.of(answer));
        if (device.container().attachedGroups().size() == 1 || reported.isEmpty()) {
            return reported;
        }
        try {
            return Sysfs.find(device.kernel(), "/sys/bus/pci/devices/" + device.address() + "/eeh_pe_state")
                    .flatMap(PeState::parse);
        } catch (VfioException unreadable) {
            return Optional.empty();
        }
    }

    private DeviceCondition responding(Optional<PeState> pe) {
        PeState state = pe.orElse(PeState.NORMAL);
        if (state == PeState.STOPPED_DMA) {
            return DeviceCondition.of(State.FROZEN, pe, describe(state, true) + "; its registers respond");
        }
        if (state == PeState.UNAVAILABLE) {
            return DeviceCondition.of(State.FROZEN, pe, describe(state, true));
        }
        Optional<DeviceCondition> inaccessible = inaccessible(pe);
        if (inaccessible.isPresent()) {
            return inaccessible.get();
        }
        return DeviceCondition.of(
                State.RESPONDING,
                pe,
                "its configuration space responds"
                        + (state == PeState.NORMAL ? "" : ", although EEH reports that " + describe(state, false)));
    }

    private DeviceCondition silent(Optional<PeState> pe, int answer, String evidence) {
        PeState state = pe.orElse(null);
        if (state != null && state != PeState.NORMAL) {
            // While a reset is asserted, the log has but the error before it.
            boolean frozen = evidence.equals(ALL_ONES) || state == PeState.UNAVAILABLE;
            return DeviceCondition.of(State.FROZEN, pe, describe(state, frozen));
        }
        PeState reported = PeState.of(answer);
        if (state == PeState.NORMAL || reported == PeState.NORMAL) {
            return DeviceCondition.of(State.GONE, pe, evidence + ", and its PE is not frozen");
        }
        return DeviceCondition.of(
                State.UNKNOWN,
                pe,
                evidence
                        + (reported == null
                                ? "; the platform does not report its PE (EEH_PE_OP: " + answer + ")"
                                : "; a PE of the container's groups is " + reported.withNumber())
                        + ": frozen or gone"
                        + device.freezeLog().describe());
    }

    private String describe(PeState state, boolean withLog) {
        return withLog ? device.freezeLog().describe(state) : "its PE is " + state.withNumber();
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
        return inaccessible(Optional.empty()).map(DeviceCondition::cause);
    }

    private Optional<DeviceCondition> inaccessible(Optional<PeState> pe) {
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
