package org.jvfio;

import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_ACTION_MASK;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_ACTION_TRIGGER;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_ACTION_UNMASK;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_DATA_EVENTFD;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_DATA_NONE;

import java.lang.foreign.Arena;
import java.util.List;
import java.util.function.Supplier;
import org.jvfio.VfioException.Kind;
import org.jvfio.ioctl.SetIrqs;

/** {@code VFIO_DEVICE_SET_IRQS} for one interrupt type of a device. */
final class InterruptControl {
    private static final int NO_EVENTFD = -1;

    private final Descriptor descriptor;
    private final InterruptType type;
    private final PciAddress device;

    // Allocated once, as a driver unmasks INTx at each interrupt. The kernel only reads them, so threads may share
    // them.
    private final SetIrqs mask;
    private final SetIrqs unmask;

    InterruptControl(Descriptor descriptor, InterruptType type, PciAddress device) {
        this.descriptor = descriptor;
        this.type = type;
        this.device = device;
        Arena arena = Arena.ofAuto();
        this.mask = SetIrqs.of(arena, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK, type.index(), 0, 1);
        this.unmask = SetIrqs.of(arena, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK, type.index(), 0, 1);
    }

    /**
     * Enables as many vectors as the kernel grants: if it has fewer, it enables none and returns how many it has. The
     * eventfds of vectors that it does not grant are closed, and removed from the list.
     */
    void enable(Supplier<String> asked, int atLeast, List<Descriptor> eventfds) {
        while (true) {
            int answer = enable(
                    asked,
                    atLeast,
                    eventfds.stream().mapToInt(Descriptor::number).toArray());
            if (answer == 0) {
                return;
            }
            while (eventfds.size() > answer) {
                eventfds.removeLast().close();
            }
        }
    }

    /**
     * Returns 0, or how many vectors can be enabled instead: at least the minimum, and fewer than there are eventfds.
     */
    private int enable(Supplier<String> asked, int atLeast, int[] eventfds) {
        try (Arena arena = Arena.ofConfined()) {
            SetIrqs call = SetIrqs.of(
                    arena,
                    VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
                    type.index(),
                    0,
                    eventfds.length,
                    eventfds);
            int answer = call.call(descriptor);
            if (answer < 0 || answer >= eventfds.length) {
                throw failed(asked.get(), call, answer);
            }
            if (answer != 0 && answer < atLeast) {
                throw VfioException.failed(
                        asked.get(),
                        call,
                        answer,
                        new Cause(
                                Kind.EXHAUSTED,
                                "the platform has " + answer + " vectors for the device, and the minimum is " + atLeast,
                                "close other devices"));
            }
            return answer;
        }
    }

    /** Disables all vectors. */
    void disable() {
        try (Arena arena = Arena.ofConfined()) {
            int action = VFIO_IRQ_SET_ACTION_TRIGGER;
            // INTx, MSI and MSI-X are disabled by a count of 0, the others by eventfd -1.
            make(
                    "disable ",
                    type.isExclusive()
                            ? SetIrqs.of(arena, VFIO_IRQ_SET_DATA_NONE | action, type.index(), 0, 0)
                            : SetIrqs.of(arena, VFIO_IRQ_SET_DATA_EVENTFD | action, type.index(), 0, 1, NO_EVENTFD));
        }
    }

    /** Signals a vector as if the device had interrupted. */
    void trigger(int vector) {
        try (Arena arena = Arena.ofConfined()) {
            SetIrqs call =
                    SetIrqs.of(arena, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, type.index(), vector, 1);
            int answer = call.call(descriptor);
            if (answer != 0) {
                throw failed("trigger vector " + vector + " of " + this, call, answer);
            }
        }
    }

    void mask() {
        make("mask ", mask);
    }

    void unmask() {
        make("unmask ", unmask);
    }

    /** Has the kernel unmask INTx at each signal of an eventfd. */
    void unmaskBy(Descriptor eventfd) {
        setUnmaskEventfd("unmask by eventfd ", eventfd.number());
    }

    void unmaskByNone() {
        setUnmaskEventfd("stop unmasking by eventfd ", NO_EVENTFD);
    }

    private void setUnmaskEventfd(String verb, int eventfd) {
        try (Arena arena = Arena.ofConfined()) {
            make(
                    verb,
                    SetIrqs.of(
                            arena,
                            VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK,
                            type.index(),
                            0,
                            1,
                            eventfd));
        }
    }

    private void make(String verb, SetIrqs call) {
        int answer = call.call(descriptor);
        if (answer != 0) {
            throw failed(verb + this, call, answer);
        }
    }

    private static VfioException failed(String asked, SetIrqs call, int answer) {
        return VfioException.failed(asked, call, answer, Cause.of(answer, KnownCauses::setIrqs));
    }

    /** Type and device, as in {@code MSI-X of 0001:01:00.0}. */
    @Override
    public String toString() {
        return type + " of " + device;
    }
}
