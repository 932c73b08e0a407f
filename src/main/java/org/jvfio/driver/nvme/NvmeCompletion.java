package org.jvfio.driver.nvme;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.jvfio.InterruptType;

/** How a program notices that commands are complete. */
public enum NvmeCompletion {
    /** Threads that wait look at the queue themselves; nobody else does, so {@link NvmeQueue#poll} has to be called. */
    POLLED(null),
    /** By interrupts, a message for each queue where the controller and the platform have so many; queues share others. */
    MSIX(InterruptType.MSIX),
    /** The same by the older kind of messages, of which a controller has 1, 2, 4, 8, 16 or 32. */
    MSI(InterruptType.MSI),
    /** By the interrupt line, which all queues share. */
    INTX(InterruptType.INTX);

    private final @Nullable InterruptType type;

    NvmeCompletion(@Nullable InterruptType type) {
        this.type = type;
    }

    /** The interrupts that it takes; empty if none. */
    public Optional<InterruptType> interrupts() {
        return Optional.ofNullable(type);
    }
}
