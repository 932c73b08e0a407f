package org.jvfio.driver.nvme;

/** How a program notices that commands are complete. */
public enum NvmeCompletion {
    /** Threads that wait look at the queue themselves; nobody else does, so {@link NvmeQueue#poll} has to be called. */
    POLLED,
    /** By interrupts, a message for each queue where the controller has so many. */
    MSIX,
    /** By the interrupt line, which all queues share. */
    INTX
}
