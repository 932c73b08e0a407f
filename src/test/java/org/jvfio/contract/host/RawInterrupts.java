package org.jvfio.contract.host;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_irq_info;
import org.jvfio.uapi.vfio_irq_set;

/** The interrupts of a device of one index: DEVICE_GET_IRQ_INFO and DEVICE_SET_IRQS. */
public final class RawInterrupts {
    public static final int SET_BYTES = 20;

    private final RawDevice device;
    private final int index;

    public RawInterrupts(RawDevice device, int index) {
        this.device = device;
        this.index = index;
    }

    /** DEVICE_GET_IRQ_INFO into a new struct, which must succeed. */
    public MemorySegment info() {
        MemorySegment info = device.process.struct(vfio_irq_info.layout());
        vfio_irq_info.argsz(info, (int) vfio_irq_info.sizeof());
        vfio_irq_info.index(info, index);
        assertEquals(0, device.ioctl(vfio_h.VFIO_DEVICE_GET_IRQ_INFO, info));
        return info;
    }

    /** The trigger of the first vectors: descriptors, or -1 for none. */
    public int trigger(int... descriptors) {
        return triggerFrom(0, descriptors);
    }

    /** The triggers of vectors from one on. */
    public int triggerFrom(int start, int... descriptors) {
        return events(vfio_h.VFIO_IRQ_SET_ACTION_TRIGGER, start, descriptors);
    }

    public int trigger(Event event) {
        return trigger(event.descriptor());
    }

    /** One eventfd for each of so many vectors. */
    public int triggerAll(Event event, int vectors) {
        int[] descriptors = new int[vectors];
        Arrays.fill(descriptors, event.descriptor());
        return trigger(descriptors);
    }

    public int disable() {
        return none(vfio_h.VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0);
    }

    public int mask() {
        return none(vfio_h.VFIO_IRQ_SET_ACTION_MASK, 0, 1);
    }

    public int unmask() {
        return none(vfio_h.VFIO_IRQ_SET_ACTION_UNMASK, 0, 1);
    }

    /** What is to be unmasked by an eventfd, or by -1 no longer. */
    public int unmaskBy(int descriptor) {
        return events(vfio_h.VFIO_IRQ_SET_ACTION_UNMASK, 0, descriptor);
    }

    /** Triggers vectors by hand. */
    public int loopBack(int start, int count) {
        return none(vfio_h.VFIO_IRQ_SET_ACTION_TRIGGER, start, count);
    }

    /** An action without data. */
    public int none(int action, int start, int count) {
        try (Arena arena = Arena.ofConfined()) {
            return set(struct(arena, vfio_h.VFIO_IRQ_SET_DATA_NONE | action, start, count, 0));
        }
    }

    /** An action with a yes or no for each vector. */
    public int bools(int action, int start, int... values) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment set = struct(arena, vfio_h.VFIO_IRQ_SET_DATA_BOOL | action, start, values.length, 1);
            for (int each = 0; each < values.length; each++) {
                set.set(vfio_h.C_CHAR, SET_BYTES + each, (byte) values[each]);
            }
            return set(set);
        }
    }

    /** An action with a descriptor for each vector. */
    public int events(int action, int start, int... descriptors) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment set =
                    struct(arena, vfio_h.VFIO_IRQ_SET_DATA_EVENTFD | action, start, descriptors.length, Integer.BYTES);
            for (int each = 0; each < descriptors.length; each++) {
                set.set(vfio_h.C_INT, SET_BYTES + each * Integer.BYTES, descriptors[each]);
            }
            return set(set);
        }
    }

    /** A struct for DEVICE_SET_IRQS, with room for data of this size for each vector. */
    public MemorySegment struct(Arena arena, int flags, int start, int count, int bytes) {
        long size = SET_BYTES + (long) count * bytes;
        MemorySegment set = arena.allocate(size, Long.BYTES);
        vfio_irq_set.argsz(set, (int) size);
        vfio_irq_set.flags(set, flags);
        vfio_irq_set.index(set, index);
        vfio_irq_set.start(set, start);
        vfio_irq_set.count(set, count);
        return set;
    }

    /** DEVICE_SET_IRQS. */
    public int set(MemorySegment set) {
        return device.ioctl(vfio_h.VFIO_DEVICE_SET_IRQS, set);
    }
}
