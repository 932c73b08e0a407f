package org.jvfio.driver.nvme;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.jvfio.Device;
import org.jvfio.InterruptType;
import org.jvfio.Interrupts;

/**
 * The interrupt vectors of a controller and the queues that each serves. Vector 0 is the admin queue's, which I/O
 * queues share only if it is the only one; they share the others if there are fewer than queues.
 */
final class QueueInterrupts {
    /** No interrupts, before a controller is open. */
    static final QueueInterrupts NONE = new QueueInterrupts(null, 0);

    private static final System.Logger LOGGER = System.getLogger("org.jvfio.driver.nvme");

    private final @Nullable Interrupts interrupts;
    private final List<Vector> vectors;

    private List<NvmeQueue> ioQueues = List.of();
    private volatile boolean isSilent;

    /** A vector, and whether its interrupts come. */
    private static final class Vector {
        private static final int SILENT_CHECKS = 3;

        /** How often its handler ran. */
        private final AtomicLong handled = new AtomicLong();

        // Of the watchdog alone.
        private long handledBefore;
        private int found;
        private int silentChecks;

        /**
         * Ends a check that has {@link #found} a number of completions; true if checks have found some again and again,
         * and the handler never ran.
         */
        boolean endCheck() {
            int completions = found;
            found = 0;
            long now = handled.get();
            if (now != handledBefore) {
                handledBefore = now;
                silentChecks = 0;
                return false;
            }
            return completions > 0 && ++silentChecks == SILENT_CHECKS;
        }
    }

    private QueueInterrupts(@Nullable Interrupts interrupts, int vectors) {
        this.interrupts = interrupts;
        this.vectors = Stream.generate(Vector::new).limit(vectors).toList();
    }

    /**
     * Enables as many vectors as there are for the queues.
     *
     * @param type the type of interrupt; null for none
     * @param ioQueues the number of I/O queues
     */
    static QueueInterrupts enable(Device device, @Nullable InterruptType type, int ioQueues, Set<NvmeQuirk> quirks) {
        QueueInterrupts none = new QueueInterrupts(null, 0);
        if (type == null) {
            return none;
        }
        if (type == InterruptType.MSI && quirks.contains(NvmeQuirk.BROKEN_MSI)) {
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

    /** Whether interrupts that were asked for never come, of one vector at least. */
    boolean areSilent() {
        return isSilent;
    }

    /**
     * Polls all I/O queues, for completions whose interrupt was lost. If it finds some of a vector again and again, and
     * the vector's handler never runs, its queues are polled from then on. Called by the watchdog alone.
     */
    void pollAll(Device device) {
        for (NvmeQueue queue : ioQueues) {
            int found = queue.poll();
            if (!vectors.isEmpty()) {
                vectors.get(vectorOf(queue.number())).found += found;
            }
        }
        for (int vector = 0; vector < vectors.size(); vector++) {
            if (vectors.get(vector).endCheck()) {
                queuesOf(vector).forEach(NvmeQueue::pollInstead);
                reportSilence("%s completes commands without an interrupt of vector %d".formatted(device, vector));
            }
        }
    }

    /** Polls the I/O queues whose interrupts never come; true if one of them has commands in flight. */
    boolean pollSilent() {
        boolean isBusy = false;
        if (isSilent) {
            for (NvmeQueue queue : ioQueues) {
                if (queue.isPolled() && queue.inFlight() > 0) {
                    queue.pollIfIdle();
                    isBusy = true;
                }
            }
        }
        return isBusy;
    }

    private void reportSilence(String reason) {
        if (!isSilent) {
            isSilent = true;
            LOGGER.log(
                    System.Logger.Level.WARNING,
                    "{0}: the driver polls instead; choose another type of interrupt",
                    reason);
        }
    }

    /** The number of vectors in use; 0 if there are none. */
    int vectors() {
        return vectors.size();
    }

    /** The vector of an I/O queue; -1 if there are no interrupts. */
    int vectorOf(int queueNumber) {
        int others = vectors.size() - 1;
        return others <= 0 ? others : 1 + (queueNumber - 1) % others;
    }

    /** Polls the queues of each vector on its interrupts; without interrupts, threads that wait poll. */
    void serve(ControllerLifecycle owner, NvmeQueue admin, List<NvmeQueue> ioQueues) {
        this.ioQueues = ioQueues;
        Interrupts enabled = interrupts;
        if (enabled == null) {
            ioQueues.forEach(NvmeQueue::pollInstead);
            return;
        }
        for (int vector = 0; vector < vectors.size(); vector++) {
            List<NvmeQueue> served = new ArrayList<>();
            if (vector == 0) {
                served.add(admin);
            }
            served.addAll(queuesOf(vector));
            AtomicLong handled = vectors.get(vector).handled;
            enabled.onInterrupt(vector, () -> {
                handled.incrementAndGet();
                handle(owner, enabled, served);
            });
        }
    }

    private List<NvmeQueue> queuesOf(int vector) {
        return ioQueues.stream()
                .filter(queue -> vectorOf(queue.number()) == vector)
                .toList();
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
