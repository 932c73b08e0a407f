package org.jvfio.ioctl;

import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_SET_IRQS;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_ACTION_MASK;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_ACTION_TRIGGER;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_ACTION_TYPE_MASK;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_ACTION_UNMASK;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_DATA_BOOL;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_DATA_EVENTFD;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_DATA_NONE;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_DATA_TYPE_MASK;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import org.jvfio.uapi.vfio_irq_set;

/**
 * Enables, disables, triggers, masks or unmasks vectors of an interrupt type: {@code VFIO_DEVICE_SET_IRQS} of a device.
 * A positive result is the number of vectors that the device could have instead of those asked for.
 *
 * @param struct a {@code vfio_irq_set} with its data
 */
public record SetIrqs(MemorySegment struct) implements Ioctl {

    /**
     * Allocates and fills a struct.
     *
     * @param flags one of {@code VFIO_IRQ_SET_DATA_*} and one of {@code VFIO_IRQ_SET_ACTION_*}
     * @param eventfds a descriptor or -1 for each vector; none for {@code VFIO_IRQ_SET_DATA_NONE}
     */
    public static SetIrqs of(SegmentAllocator allocator, int flags, int index, int start, int count, int... eventfds) {
        SetIrqs call = allocate(allocator, (long) eventfds.length * Integer.BYTES);
        MemorySegment.copy(eventfds, 0, call.struct, ValueLayout.JAVA_INT, vfio_irq_set.sizeof(), eventfds.length);
        return call.fill(flags, index, start, count);
    }

    /**
     * Allocates and fills a struct with {@code VFIO_IRQ_SET_DATA_BOOL}.
     *
     * @param chosen a byte for each vector, 0 for those that are left alone
     */
    public static SetIrqs ofBools(
            SegmentAllocator allocator, int flags, int index, int start, int count, byte... chosen) {
        SetIrqs call = allocate(allocator, chosen.length);
        MemorySegment.copy(chosen, 0, call.struct, ValueLayout.JAVA_BYTE, vfio_irq_set.sizeof(), chosen.length);
        return call.fill(flags, index, start, count);
    }

    private static SetIrqs allocate(SegmentAllocator allocator, long dataBytes) {
        return new SetIrqs(allocator.allocate(vfio_irq_set.sizeof() + dataBytes, Integer.BYTES));
    }

    /** Fills the struct but for its data: {@code argsz} is the size of the segment. */
    public SetIrqs fill(int flags, int index, int start, int count) {
        vfio_irq_set.flags(struct, flags);
        vfio_irq_set.index(struct, index);
        vfio_irq_set.start(struct, start);
        vfio_irq_set.count(struct, count);
        return argsz((int) struct.byteSize());
    }

    /** Overwrites {@code argsz}, in bytes. */
    public SetIrqs argsz(int argsz) {
        vfio_irq_set.argsz(struct, argsz);
        return this;
    }

    @Override
    public int request() {
        return VFIO_DEVICE_SET_IRQS;
    }

    @Override
    public int call(IoctlFile file) {
        return file.ioctl(VFIO_DEVICE_SET_IRQS, struct);
    }

    @Override
    public String toString() {
        int flags = vfio_irq_set.flags(struct);
        String action = switch (flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) {
            case VFIO_IRQ_SET_ACTION_MASK -> "MASK";
            case VFIO_IRQ_SET_ACTION_UNMASK -> "UNMASK";
            case VFIO_IRQ_SET_ACTION_TRIGGER -> "TRIGGER";
            default -> "flags 0x" + Integer.toHexString(flags);
        };
        String data = switch (flags & VFIO_IRQ_SET_DATA_TYPE_MASK) {
            case VFIO_IRQ_SET_DATA_NONE -> " NONE";
            case VFIO_IRQ_SET_DATA_BOOL -> " BOOL";
            case VFIO_IRQ_SET_DATA_EVENTFD -> " EVENTFD";
            default -> "";
        };
        return new CallText("VFIO_DEVICE_SET_IRQS")
                .decimal("index", vfio_irq_set.index(struct))
                .word(action + data)
                .decimal("start", vfio_irq_set.start(struct))
                .decimal("count", vfio_irq_set.count(struct))
                .argsz(vfio_irq_set.argsz(struct), struct.byteSize())
                .toString();
    }
}
