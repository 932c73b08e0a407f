package org.jvfio.driver.nvme;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.jvfio.InterruptType;

/** How completions are found. */
public enum NvmeCompletion {
    /** Threads that wait poll their queue. No other thread does, so a program has to call {@link NvmeQueue#poll}. */
    POLLED(null),
    /**
     * MSI-X, with a vector for each queue where the device and the platform have as many; otherwise queues share them.
     */
    MSIX(InterruptType.MSIX),
    /** MSI, as {@link #MSIX}; a device has 1, 2, 4, 8, 16 or 32 vectors. */
    MSI(InterruptType.MSI),
    /** INTx, one interrupt for all queues. */
    INTX(InterruptType.INTX);

    private final @Nullable InterruptType type;

    NvmeCompletion(@Nullable InterruptType type) {
        this.type = type;
    }

    /** The type of interrupt that it uses; empty for {@link #POLLED}. */
    public Optional<InterruptType> interrupts() {
        return Optional.ofNullable(type);
    }
}
