package org.jvfio;

import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_SET_IRQS;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_ACTION_MASK;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_ACTION_TRIGGER;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_ACTION_UNMASK;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_DATA_EVENTFD;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_DATA_NONE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.jvfio.uapi.vfio_irq_set;

/**
 * {@code VFIO_DEVICE_SET_IRQS} with its arguments.
 *
 * @param type which interrupts
 * @param action one of {@code VFIO_IRQ_SET_ACTION_*}
 * @param start the first vector
 * @param count how many vectors
 * @param eventfds one for each vector; empty for {@code VFIO_IRQ_SET_DATA_NONE}
 */
record SetIrqs(InterruptType type, int action, int start, int count, List<Integer> eventfds) {
    private static final int NO_EVENTFD = -1;

    /** Enables the vectors from 0 on, each to signal an eventfd. */
    static SetIrqs enable(InterruptType type, List<Integer> eventfds) {
        return new SetIrqs(type, VFIO_IRQ_SET_ACTION_TRIGGER, 0, eventfds.size(), eventfds);
    }

    /** Disables all vectors of a type. */
    static SetIrqs disable(InterruptType type) {
        // INTx, MSI and MSI-X are switched off with no vector; the others have no eventfd from then on.
        return type.isExclusive()
                ? new SetIrqs(type, VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0, List.of())
                : enable(type, List.of(NO_EVENTFD));
    }

    /** Has a vector interrupt as if the device had. */
    static SetIrqs trigger(InterruptType type, int vector) {
        return new SetIrqs(type, VFIO_IRQ_SET_ACTION_TRIGGER, vector, 1, List.of());
    }

    static SetIrqs mask(InterruptType type) {
        return new SetIrqs(type, VFIO_IRQ_SET_ACTION_MASK, 0, 1, List.of());
    }

    static SetIrqs unmask(InterruptType type) {
        return new SetIrqs(type, VFIO_IRQ_SET_ACTION_UNMASK, 0, 1, List.of());
    }

    /** Has the kernel unmask the line whenever an eventfd is signalled. */
    static SetIrqs unmaskBy(InterruptType type, int eventfd) {
        return new SetIrqs(type, VFIO_IRQ_SET_ACTION_UNMASK, 0, 1, List.of(eventfd));
    }

    static SetIrqs unmaskByNone(InterruptType type) {
        return unmaskBy(type, NO_EVENTFD);
    }

    /** Makes the call: 0, how many vectors there could be at most, or a negated errno. */
    int call(Descriptor device) {
        try (Arena arena = Arena.ofConfined()) {
            long size = vfio_irq_set.sizeof() + (long) eventfds.size() * Integer.BYTES;
            MemorySegment struct = arena.allocate(size, Integer.BYTES);
            vfio_irq_set.argsz(struct, (int) size);
            vfio_irq_set.flags(
                    struct, action | (eventfds.isEmpty() ? VFIO_IRQ_SET_DATA_NONE : VFIO_IRQ_SET_DATA_EVENTFD));
            vfio_irq_set.index(struct, type.index());
            vfio_irq_set.start(struct, start);
            vfio_irq_set.count(struct, count);
            for (int each = 0; each < eventfds.size(); each++) {
                struct.set(
                        ValueLayout.JAVA_INT, vfio_irq_set.sizeof() + (long) each * Integer.BYTES, eventfds.get(each));
            }
            return device.ioctl(VFIO_DEVICE_SET_IRQS, struct);
        }
    }

    /**
     * Makes the call.
     *
     * @param asked what it is made for, as it follows "cannot"
     * @throws VfioException if the kernel does not answer with success
     */
    void callOrThrow(Descriptor device, String asked) {
        int answer = call(device);
        if (answer != 0) {
            throw failed(asked, answer);
        }
    }

    VfioException failed(String asked, int answer) {
        return VfioException.failed(
                asked,
                toString(),
                answer,
                VfioException.errnoOf(answer).map(KnownCauses::setIrqs).orElseGet(Cause::unknown));
    }

    @Override
    public String toString() {
        String verb = switch (action) {
            case VFIO_IRQ_SET_ACTION_MASK -> "MASK";
            case VFIO_IRQ_SET_ACTION_UNMASK -> "UNMASK";
            default -> "TRIGGER";
        };
        return "VFIO_DEVICE_SET_IRQS(index %d, %s %s, start %d, count %d)"
                .formatted(type.index(), verb, eventfds.isEmpty() ? "NONE" : "EVENTFD", start, count);
    }
}
