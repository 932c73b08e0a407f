package org.jvfio.driver.nvme;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The I/O queues of a controller and their memory. */
final class IoQueues {
    /** No queues, before a controller is open. */
    static final IoQueues NONE = new IoQueues(List.of(), null);

    private final List<NvmeQueue> queues;
    private final @Nullable DmaArea memory;

    private IoQueues(List<NvmeQueue> queues, @Nullable DmaArea memory) {
        this.queues = List.copyOf(queues);
        this.memory = memory;
    }

    /**
     * Makes queues that the controller does not know yet.
     *
     * @param memory {@link QueueLayout#memoryBytes} for each pair; freed by {@link #freeMemory}
     */
    static IoQueues of(
            ControllerLifecycle owner, ControllerRegisters registers, int pairs, QueueLayout layout, DmaArea memory) {
        List<NvmeQueue> queues = new ArrayList<>();
        for (int number = 1; number <= pairs; number++) {
            queues.add(new NvmeQueue(owner, registers, number, layout, memory));
        }
        return new IoQueues(queues, memory);
    }

    List<NvmeQueue> list() {
        return queues;
    }

    int count() {
        return queues.size();
    }

    /** Creates all queues in the controller, empty. */
    void create(String operation, AdminQueue admin, QueueInterrupts interrupts) {
        for (NvmeQueue queue : queues) {
            queue.reset();
            admin.create(operation, queue, interrupts.vectorOf(queue.number()));
        }
    }

    /** Deletes all queues in the controller. */
    void delete(String operation, AdminQueue admin) {
        queues.forEach(queue -> admin.delete(operation, queue));
    }

    void start() {
        queues.forEach(NvmeQueue::start);
    }

    void drain() {
        queues.forEach(NvmeQueue::drain);
    }

    void stop() {
        queues.forEach(NvmeQueue::stop);
    }

    void runWaiters() {
        queues.forEach(NvmeQueue::runWaiters);
    }

    /**
     * Polls all queues, until their commands in flight have completed, the controller stops or a deadline has passed.
     */
    void awaitIdle(ControllerRegisters registers, long endNanos) {
        for (NvmeQueue queue : queues) {
            while (queue.inFlight() > 0 && System.nanoTime() - endNanos < 0) {
                if (queue.poll() == 0) {
                    ReusableCompletion.pause();
                    if (registers.health() != ControllerHealth.RUNNING) {
                        return;
                    }
                }
            }
        }
    }

    /** Fails all commands in flight, in front of a list of failed requests, and returns the list. */
    @Nullable
    NvmeRequest failAll(@Nullable NvmeRequest failed, CommandFailure why) {
        NvmeRequest list = failed;
        for (NvmeQueue queue : queues) {
            list = queue.failAll(list, why);
        }
        return list;
    }

    /** Ends the commands in flight before the queues are created again: {@link NvmeQueue#end} of each. */
    void end(EndedCommands ended, CommandFailure why, int maxRepeats) {
        queues.forEach(queue -> queue.end(ended, why, maxRepeats));
    }

    /** Ends the use of the memory; {@link #freeMemory} follows when interrupts are disabled too. */
    void close() {
        queues.forEach(NvmeQueue::close);
    }

    void freeMemory() {
        if (memory != null) {
            memory.close();
        }
    }
}
