package org.jvfio.driver.nvme;

import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.jvfio.ConfigSpace;

/** What is known about a controller: its identity, and what follows from it. */
final class KnownController {
    private final NvmeOptions options;
    private final ConfigSpace config;
    private final ControllerRegisters registers;

    private volatile @Nullable NvmeIdentity identity;
    private volatile int version;
    private volatile RetryDelays retryDelays = RetryDelays.NONE;
    private volatile Set<NvmeQuirk> quirks;

    /**
     * A controller that is not identified yet.
     *
     * @param quirks those of its PCI ids, or of the options
     */
    KnownController(NvmeOptions options, ConfigSpace config, ControllerRegisters registers, Set<NvmeQuirk> quirks) {
        this.options = options;
        this.config = config;
        this.registers = registers;
        this.quirks = Set.copyOf(quirks);
    }

    /** Executes Identify, again after the controller was started: NN can change. */
    NvmeIdentity identify(String operation, AdminQueue admin) {
        ControllerData data = admin.identify(operation, AdminQueue.IDENTIFY_CONTROLLER, 0);
        version = registers.version();
        NvmeIdentity found = NvmeIdentity.of(operation, data, version);
        identity = found;
        retryDelays = RetryDelays.of(data);
        if (options.quirks().isEmpty()) {
            quirks = Set.copyOf(NvmeQuirks.of(config.vendorId(), config.deviceId(), found.model()));
            registers.adapt(quirks);
        }
        return found;
    }

    NvmeIdentity identity() {
        return Objects.requireNonNull(identity, "identity");
    }

    /** The version of the specification (VS), as {@code major << 16 | minor << 8 | tertiary}. */
    int version() {
        return version;
    }

    RetryDelays retryDelays() {
        return retryDelays;
    }

    Set<NvmeQuirk> quirks() {
        return quirks;
    }
}
