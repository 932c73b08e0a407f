package org.jvfio.driver.nvme;

/** Whether an {@link NvmeQueue} accepts commands and processes completions. */
enum QueueState {
    /** Neither: the controller does not know the queue yet, or is being reset. */
    STOPPED,
    /** Both. */
    RUNNING,
    /** Completes the commands in flight and accepts no others. */
    DRAINING,
    /** Final: the memory of the queue is about to be freed. */
    CLOSED
}
