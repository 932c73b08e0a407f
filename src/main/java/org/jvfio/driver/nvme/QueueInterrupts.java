package org.jvfio.driver.nvme;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.jvfio.Device;
import org.jvfio.InterruptType;
import org.jvfio.Interrupts;

/**
 * The interrupt vectors of a controller and the queues that each serves. Vector 0 is the admin queue's, which I/O
 * queues share only if it is the only one; they share the others if there are fewer than queues.
 */
final class QueueInterrupts {
    /** No interrupts: the queues are polled. */
    static final QueueInterrupts NONE = new QueueInterrupts(null, 0);

    private static final int SILENT_CHECKS = 3;
    private static final System.Logger LOGGER = System.getLogger("org.jvfio.driver.nvme");

    private final @Nullable Interrupts interrupts;
    private final int vectors;

    /** How often a handler ran. */
    private final AtomicLong handled = new AtomicLong();

    private volatile boolean isSilent;

    // Of the watchdog alone.
    private long handledBefore;
    private int silentChecks;

    private QueueInterrupts(@Nullable Interrupts interrupts, int vectors) {
        this.interrupts = interrupts;
        this.vectors = vectors;
    }

    /**
     * Enables as many vectors as there are for the queues.
     *
     * @param type the type of interrupt; null for none
     * @param ioQueues the number of I/O queues
     */
    static QueueInterrupts enable(Device device, @Nullable InterruptType type, int ioQueues, Set<NvmeQuirk> quirks) {
        if (type == null) {
            return NONE;
        }
        if (type == InterruptType.MSI && quirks.contains(NvmeQuirk.BROKEN_MSI)) {
            QueueInterrupts none = new QueueInterrupts(null, 0);
            none.reportSilence(device + " is known to send no MSI interrupts");
            return none;
        }
        int wanted = ioQueues + 1;
        int max = switch (type) {
            case INTX -> 1;
            // MSI vectors are allocated in powers of two, and firmware may refuse any other number.
            case MSI -> Integer.highestOneBit(2 * wanted - 1);
            default -> wanted;
        };
        Interrupts enabled = device.enableInterrupts(type, 1, max);
        return new QueueInterrupts(enabled, Math.min(enabled.vectors(), wanted));
    }

    /** Whether interrupts that were asked for never come. */
    boolean areSilent() {
        return isSilent;
    }

    /**
     * Takes note of completions that the watchdog has found: if it finds some again and again, and no handler ever
     * runs, the interrupts are silent.
     */
    void found(Device device, int completions) {
        long now = handled.get();
        if (now != handledBefore) {
            handledBefore = now;
            silentChecks = 0;
        } else if (completions > 0 && ++silentChecks == SILENT_CHECKS && !isSilent) {
            reportSilence(device + " completes commands without an interrupt");
        }
    }

    private void reportSilence(String reason) {
        isSilent = true;
        LOGGER.log(
                System.Logger.Level.WARNING, "{0}: the driver polls instead; choose another type of interrupt", reason);
    }

    boolean areEnabled() {
        return interrupts != null;
    }

    /** The number of vectors in use; 0 if there are none. */
    int vectors() {
        return vectors;
    }

    /** The vector of an I/O queue; -1 if there are no interrupts. */
    int vectorOf(int queueNumber) {
        int others = vectors - 1;
        return others <= 0 ? others : 1 + (queueNumber - 1) % others;
    }

    /** Polls the queues of each vector on its interrupts. */
    void serve(ControllerLifecycle owner, NvmeQueue admin, List<NvmeQueue> ioQueues) {
        Interrupts enabled = interrupts;
        if (enabled == null) {
            return;
        }
        for (int vector = 0; vector < vectors; vector++) {
            int number = vector;
            List<NvmeQueue> served = new ArrayList<>();
            if (vector == 0) {
                served.add(admin);
            }
            ioQueues.stream()
                    .filter(queue -> vectorOf(queue.number()) == number)
                    .forEach(served::add);
            enabled.onInterrupt(vector, () -> {
                handled.incrementAndGet();
                handle(owner, enabled, served);
            });
        }
    }

    private static void handle(ControllerLifecycle owner, Interrupts enabled, List<NvmeQueue> served) {
        served.forEach(NvmeQueue::pollUnlessClosed);
        if (enabled.type() == InterruptType.INTX && !owner.isOver()) {
            int recoveries = owner.recoveries();
            try {
                // After the doorbell writes: the controller asserts INTx until it knows that its completions were read.
                enabled.unmask();
            } catch (RuntimeException e) {
                // Masked for good, INTx would complete nothing more. No failure if closing disabled it meanwhile, or a
                // recovery, which enables it again.
                owner.failUnlessRecovered("unmask its interrupt", e, recoveries);
            }
        }
    }

    /** Whether the calling thread is the one that {@link #close} waits for. */
    boolean isHandlerThread() {
        return interrupts != null && interrupts.isHandlerThread();
    }

    void close() {
        if (interrupts != null) {
            interrupts.close();
        }
    }
}
