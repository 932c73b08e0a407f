package org.jvfio.contract.host;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import org.jvfio.ioctl.GetIrqInfo;
import org.jvfio.ioctl.SetIrqs;
import org.jvfio.uapi.vfio_h;

/** The interrupts of a device of one index: DEVICE_GET_IRQ_INFO and DEVICE_SET_IRQS. */
public final class RawInterrupts {
    private final RawDevice device;
    private final int index;

    public RawInterrupts(RawDevice device, int index) {
        this.device = device;
        this.index = index;
    }

    /** DEVICE_GET_IRQ_INFO, which must succeed. */
    public GetIrqInfo info() {
        GetIrqInfo info = GetIrqInfo.of(device.process.arena(), index);
        assertEquals(0, device.call(info));
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
        return device.call(
                SetIrqs.of(device.process.arena(), vfio_h.VFIO_IRQ_SET_DATA_NONE | action, index, start, count));
    }

    /** An action with a yes or no for each vector. */
    public int bools(int action, int start, int... values) {
        byte[] chosen = new byte[values.length];
        for (int each = 0; each < values.length; each++) {
            chosen[each] = (byte) values[each];
        }
        int flags = vfio_h.VFIO_IRQ_SET_DATA_BOOL | action;
        return device.call(SetIrqs.ofBools(device.process.arena(), flags, index, start, values.length, chosen));
    }

    /** An action with a descriptor for each vector. */
    public int events(int action, int start, int... descriptors) {
        int flags = vfio_h.VFIO_IRQ_SET_DATA_EVENTFD | action;
        return device.call(SetIrqs.of(device.process.arena(), flags, index, start, descriptors.length, descriptors));
    }
}
