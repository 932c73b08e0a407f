package org.jvfio.emulator.nvme;

import java.util.Arrays;
import org.jvfio.emulator.device.DeviceBus;

/**
 * The controller's interrupts: a message for each batch of completions, or INTx, asserted while a completion queue of
 * an unmasked vector has entries that the host has not consumed.
 */
final class Interrupts {
    private final DeviceBus bus;
    private final int[] queuesWithEntries;
    private int raised;
    private int mask;
    private boolean asserted;
    private final boolean isSilent;
    private final boolean hasSilentMsi;

    Interrupts(DeviceBus bus, int vectors, Oddities oddities) {
        this.bus = bus;
        isSilent = oddities.has(DriveOddity.SILENT_INTERRUPTS);
        hasSilentMsi = oddities.has(DriveOddity.SILENT_MSI);
        this.queuesWithEntries = new int[vectors];
    }

    /** Entries were posted to a queue. */
    void posted(CompletionQueue queue) {
        if (!queue.interrupts() || isSilent || (hasSilentMsi && bus.sendsMessages() && !bus.sendsMsix())) {
            return;
        }
        if (bus.sendsMessages() && (queue.vector() >= Integer.SIZE || (1 << queue.vector() & masked()) == 0)) {
            bus.sendMessage(queue.vector());
        }
        count(queue, !queue.isEmpty());
    }

    /** The host has consumed entries of a queue. */
    void consumed(CompletionQueue queue) {
        count(queue, queue.interrupts() && !queue.isEmpty());
    }

    /** A queue was deleted, with all its entries. */
    void deleted(CompletionQueue queue) {
        count(queue, false);
    }

    private void count(CompletionQueue queue, boolean hasEntries) {
        int vector = queue.vector();
        if (queue.asserts() != hasEntries) {
            queue.asserts(hasEntries);
            queuesWithEntries[vector] += hasEntries ? 1 : -1;
            if (vector < Integer.SIZE) {
                raised = queuesWithEntries[vector] > 0 ? raised | 1 << vector : raised & ~(1 << vector);
            }
        }
        updateLine();
    }

    private void updateLine() {
        boolean level = (raised & ~mask) != 0 && !bus.sendsMessages();
        if (level != asserted) {
            asserted = level;
            bus.setLine(level);
        }
    }

    /** The mask of the vectors 0 to 31 (INTMS, INTMC). */
    int mask() {
        return mask;
    }

    /** Sets the mask; an unmasked vector interrupts if the host has entries to consume. */
    void mask(int vectors) {
        int waiting = raised & masked() & ~vectors;
        mask = vectors;
        if (bus.sendsMessages()) {
            for (; waiting != 0; waiting &= waiting - 1) {
                bus.sendMessage(Integer.numberOfTrailingZeros(waiting));
            }
        }
        updateLine();
    }

    /** Whether the mask applies: MSI-X vectors have masks of their own. */
    private int masked() {
        return bus.sendsMsix() ? 0 : mask;
    }

    /** Forgets all queues and masks. */
    void reset() {
        Arrays.fill(queuesWithEntries, 0);
        raised = 0;
        mask = 0;
        updateLine();
    }
}
