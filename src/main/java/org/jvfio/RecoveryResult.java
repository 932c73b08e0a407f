package org.jvfio;

import java.time.Duration;
import java.util.Objects;

/**
 * What {@link Device#recover} did.
 *
 * @param means what made the device respond
 * @param resets how many resets that took
 * @param before the condition that it was found in
 * @param took how long it took
 */
public record RecoveryResult(Means means, int resets, DeviceCondition before, Duration took) {
    /** What makes a device respond again. */
    public enum Means {
        /** It responded already; nothing was done. */
        NONE,
        /** Its command register was written: memory was disabled. */
        COMMAND_REGISTER,
        /** A reset of its PE ({@code VFIO_EEH_PE_OP}). */
        PE_RESET,
        /** A reset of its bus or slot ({@code VFIO_DEVICE_PCI_HOT_RESET}). */
        HOT_RESET,
        /** Its descriptor was closed and opened again: the kernel thaws the PE and resets the function. */
        REOPEN
    }

    /** Requires all components. */
    public RecoveryResult {
        Objects.requireNonNull(means, "means");
        Objects.requireNonNull(before, "before");
        Objects.requireNonNull(took, "took");
    }
}
