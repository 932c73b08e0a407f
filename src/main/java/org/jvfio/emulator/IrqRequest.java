package org.jvfio.emulator;

import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_DATA_EVENTFD;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_DATA_NONE;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

/**
 * A DEVICE_SET_IRQS that has passed the checks of its range and size.
 *
 * @param data its {@code VFIO_IRQ_SET_DATA_*} flag
 * @param start the first interrupt of its index
 * @param count the number of interrupts
 * @param values a byte for each of them with {@code DATA_BOOL}, a descriptor with {@code DATA_EVENTFD}, or nothing
 * @param task the calling process
 */
record IrqRequest(int data, int start, int count, MemorySegment values, Task task) {
    /** Whether the action applies to the {@code number}th interrupt of the range. */
    boolean applies(int number) {
        return data == VFIO_IRQ_SET_DATA_NONE || values.get(ValueLayout.JAVA_BYTE, number) != 0;
    }

    int descriptor(int number) {
        return values.getAtIndex(vfio_h.C_INT, number);
    }

    /** The eventfd of the {@code number}th interrupt; null if the descriptor is not one. */
    @Nullable
    EventFile event(int number) {
        return task.file(descriptor(number)) instanceof EventFile event ? event : null;
    }

    /** The negated errno for a descriptor that is not an eventfd. */
    int refusal(int number) {
        return (task.file(descriptor(number)) == null ? Errno.EBADF : Errno.EINVAL).negated();
    }

    boolean hasEvents() {
        return data == VFIO_IRQ_SET_DATA_EVENTFD;
    }

    boolean disables() {
        return data == VFIO_IRQ_SET_DATA_NONE && count == 0;
    }
}
