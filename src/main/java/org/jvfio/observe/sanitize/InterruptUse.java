package org.jvfio.observe.sanitize;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;
import org.jvfio.observe.sanitize.Finding.Kind;
import org.jvfio.uapi.vfio_h;

/**
 * The interrupts of devices, and whether their driver takes note of them. Guarded by the lock of its {@link
 * Sanitizer}'s state.
 */
final class InterruptUse {
    /** A driver that has just been signalled may disable its interrupts without having looked. */
    static final long GRACE_MILLIS = 1000;

    private final Findings findings;
    private final Map<Vector, Trigger> triggers = new HashMap<>();
    private final Map<String, Long> asserted = new HashMap<>();

    private record Vector(String device, int index, int number) {}

    /** An eventfd that a vector signals. */
    private static final class Trigger {
        private final int eventfd;
        private final Site site;
        /** Since when it has been signalled and not been read; null while it has not. */
        private @Nullable Long since;

        private long signals;

        private Trigger(int eventfd) {
            this.eventfd = eventfd;
            this.site = Site.here("enabled");
        }
    }

    InterruptUse(Findings findings) {
        this.findings = findings;
    }

    /**
     * The driver has set the eventfds of vectors.
     *
     * @param eventfds -1 for a vector that loses its own
     */
    void set(String device, int index, int start, int[] eventfds) {
        for (int each = 0; each < eventfds.length; each++) {
            Vector vector = new Vector(device, index, start + each);
            ended(vector, triggers.remove(vector));
            if (eventfds[each] >= 0) {
                triggers.put(vector, new Trigger(eventfds[each]));
            }
        }
    }

    /** The driver has disabled all vectors of an index. */
    void disabled(String device, int index) {
        for (Vector each : Map.copyOf(triggers).keySet()) {
            if (each.device().equals(device) && each.index() == index) {
                ended(each, triggers.remove(each));
            }
        }
    }

    /** The driver has closed a device. */
    void closed(String device) {
        for (Vector each : Map.copyOf(triggers).keySet()) {
            if (each.device().equals(device)) {
                ended(each, triggers.remove(each));
            }
        }
    }

    /**
     * Reports interrupts that are enabled, once for each index of a device, except {@code VFIO_PCI_REQ_IRQ_INDEX}.
     *
     * @param isOpen whether the driver still has an eventfd
     */
    void reportEnabled(IntPredicate isOpen) {
        Map<Vector, List<Site>> enabled = new LinkedHashMap<>();
        triggers.forEach((vector, trigger) -> {
            if (vector.index() != vfio_h.VFIO_PCI_REQ_IRQ_INDEX && isOpen.test(trigger.eventfd)) {
                enabled.computeIfAbsent(new Vector(vector.device(), vector.index(), 0), _ -> new ArrayList<>())
                        .add(trigger.site);
            }
        });
        enabled.forEach((first, sites) -> findings.addLeft(
                Kind.LEFT_ENABLED,
                "%s of %s is enabled, with %d vector%s"
                        .formatted(name(first.index()), first.device(), sites.size(), sites.size() == 1 ? "" : "s"),
                sites.getFirst()));
    }

    private static String name(int index) {
        return switch (index) {
            case vfio_h.VFIO_PCI_INTX_IRQ_INDEX -> "INTx";
            case vfio_h.VFIO_PCI_MSI_IRQ_INDEX -> "MSI";
            case vfio_h.VFIO_PCI_MSIX_IRQ_INDEX -> "MSI-X";
            case vfio_h.VFIO_PCI_ERR_IRQ_INDEX -> "the error interrupt";
            default -> "interrupt index " + index;
        };
    }

    void endAll() {
        Map.copyOf(triggers).forEach(this::ended);
    }

    private void ended(Vector vector, @Nullable Trigger trigger) {
        if (trigger == null) {
            return;
        }
        Long since = trigger.since;
        if (since != null && isLong(since)) {
            findings.add(
                    Kind.UNACKNOWLEDGED_INTERRUPT,
                    "vector %d of index %d of %s was signalled %d times, and its eventfd not read after that"
                            .formatted(vector.number(), vector.index(), vector.device(), trigger.signals),
                    Site.here("disabled"),
                    trigger.site);
        }
        Long level = asserted.get(vector.device());
        if (vector.index() == 0 && level != null && isLong(level)) {
            findings.add(
                    Kind.UNACKNOWLEDGED_INTERRUPT,
                    vector.device() + " still asserts INTx: the driver has not acknowledged it at the device",
                    Site.here("disabled"),
                    trigger.site);
        }
    }

    private static boolean isLong(long since) {
        return System.nanoTime() - since > TimeUnit.MILLISECONDS.toNanos(GRACE_MILLIS);
    }

    /** A device sends a message. */
    void message(String device, int vector) {
        triggers.forEach((each, trigger) -> {
            if (each.device().equals(device) && each.index() != 0 && each.number() == vector) {
                signalled(trigger);
            }
        });
    }

    /** A device asserts INTx, or deasserts it. */
    void line(String device, boolean level) {
        if (!level) {
            asserted.remove(device);
        } else if (asserted.putIfAbsent(device, System.nanoTime()) == null) {
            Trigger trigger = triggers.get(new Vector(device, 0, 0));
            if (trigger != null) {
                signalled(trigger);
            }
        }
    }

    private static void signalled(Trigger trigger) {
        trigger.signals++;
        if (trigger.since == null) {
            trigger.since = System.nanoTime();
        }
    }

    /** The driver has read an eventfd. */
    void read(int eventfd) {
        for (Trigger each : triggers.values()) {
            if (each.eventfd == eventfd) {
                each.since = null;
            }
        }
    }
}
