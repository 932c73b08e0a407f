package org.jvfio.driver.nvme;

import java.time.Duration;
import java.util.Objects;
import org.jvfio.RecoveryResult.Means;

/**
 * What the recovery of a controller from a freeze did ({@link NvmeOptions.Builder#recovery}).
 *
 * @param means what made the device respond again
 * @param resets how many resets of the device that took
 * @param completed I/O commands that the controller had completed before it froze
 * @param resubmitted I/O commands that were submitted again
 * @param failed I/O commands that failed, because they were repeated too often or their buffer was unmapped
 * @param took the time from the beginning of the recovery until the controller accepted commands
 */
public record NvmeRecovery(Means means, int resets, int completed, int resubmitted, int failed, Duration took) {
    /** Requires all components. */
    public NvmeRecovery {
        Objects.requireNonNull(means, "means");
        Objects.requireNonNull(took, "took");
    }
}
