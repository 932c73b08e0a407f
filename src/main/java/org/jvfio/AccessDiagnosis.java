package org.jvfio;

import java.util.Optional;
import org.jvfio.VfioException.Kind;

/** Finds out why a device does not respond; called after an access has failed. */
final class AccessDiagnosis {
    private final Device device;

    AccessDiagnosis(Device device) {
        this.device = device;
    }

    /** Why a load or store of a mapped BAR ended in a bus error (SIGBUS). */
    Cause busError() {
        if (device.isInLowPower()) {
            return new Cause(Kind.FROZEN, "the device is in a low power state", "call exitLowPower first");
        }
        try {
            return memoryDisabled()
                    .orElseGet(() -> new Cause(
                            Kind.GONE,
                            "the bus reports an error: the device is held in reset, or gone",
                            "end the reset of its PE, and see dmesg"));
        } catch (VfioException e) {
            return new Cause(
                    e.kind(),
                    "the bus reports an error, and the configuration space cannot be read: " + e.reason(),
                    e.hint());
        }
    }

    /**
     * Why the device does not decode accesses of its memory, according to its configuration space; empty if it does.
     */
    Optional<Cause> memoryDisabled() {
        ConfigSpace config = device.configSpace();
        if (!config.command().contains(PciCommand.MEMORY)) {
            return Optional.of(new Cause(
                    Kind.FROZEN,
                    "the device's memory is disabled in its command register",
                    "call enableMemory: a reset of the PE disables it"));
        }
        return config.capability(PciCapability.PowerManagement.class)
                .map(PciCapability.PowerManagement::state)
                .filter(state -> state != PowerState.D0)
                .map(state -> new Cause(Kind.FROZEN, "the device is in power state " + state, "set power state D0"));
    }

    /** Why the configuration space reads all ones. */
    Cause allOnes() {
        try {
            return device.isFrozen()
                    ? new Cause(Kind.FROZEN, "it does not respond: its PE is frozen", "recover the PE: Eeh.recover")
                    : new Cause(
                            Kind.GONE,
                            "it does not respond: it is gone, or its PE is frozen and the platform does not report it",
                            "close the device and open it again, and see dmesg");
        } catch (VfioException e) {
            return new Cause(
                    Kind.GONE,
                    "it does not respond: it is gone, or its PE is frozen; the state of the PE cannot be read: "
                            + e.reason(),
                    "close the device and open it again, and see dmesg");
        }
    }
}
