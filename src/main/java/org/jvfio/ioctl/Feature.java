package org.jvfio.ioctl;

import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_GET;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_MASK;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_PROBE;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_SET;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.StringJoiner;
import org.jvfio.uapi.vfio_device_feature;
import org.jvfio.uapi.vfio_device_low_power_entry_with_wakeup;

/**
 * Gets, sets or probes a feature of a device: {@code VFIO_DEVICE_FEATURE} of a device.
 *
 * @param struct a {@code vfio_device_feature} with its data
 */
public record Feature(MemorySegment struct) implements Ioctl {

    /**
     * Allocates and fills a struct with the feature's data, which may be empty.
     *
     * @param flags a feature, {@code VFIO_DEVICE_FEATURE_PCI_VF_TOKEN} and others, with {@code
     *     VFIO_DEVICE_FEATURE_GET}, {@code SET} or {@code PROBE}
     */
    public static Feature of(SegmentAllocator allocator, int flags, MemorySegment data) {
        Feature call = new Feature(allocator.allocate(vfio_device_feature.sizeof() + data.byteSize(), Long.BYTES));
        call.data().copyFrom(data);
        return call.fill(flags);
    }

    /** Allocates and fills a struct with {@code vfio_device_low_power_entry_with_wakeup} as its data. */
    public static Feature ofWakeup(SegmentAllocator allocator, int flags, int eventfd) {
        MemorySegment data = allocator.allocate(vfio_device_low_power_entry_with_wakeup.layout());
        vfio_device_low_power_entry_with_wakeup.wakeup_eventfd(data, eventfd);
        vfio_device_low_power_entry_with_wakeup.reserved(data, 0);
        return of(allocator, flags, data);
    }

    /** Fills the struct but for its data: {@code argsz} is the size of the segment. */
    public Feature fill(int flags) {
        vfio_device_feature.flags(struct, flags);
        return argsz((int) struct.byteSize());
    }

    /** Overwrites {@code argsz}, in bytes. */
    public Feature argsz(int argsz) {
        vfio_device_feature.argsz(struct, argsz);
        return this;
    }

    /** The feature's data, read or to be written. */
    public MemorySegment data() {
        return struct.asSlice(vfio_device_feature.sizeof());
    }

    @Override
    public int request() {
        return VFIO_DEVICE_FEATURE;
    }

    @Override
    public int call(IoctlFile file) {
        return file.ioctl(VFIO_DEVICE_FEATURE, struct);
    }

    @Override
    public String toString() {
        int flags = vfio_device_feature.flags(struct);
        StringJoiner operations = new StringJoiner(" | ").setEmptyValue("no operation");
        addIf(operations, flags, VFIO_DEVICE_FEATURE_PROBE, "PROBE");
        addIf(operations, flags, VFIO_DEVICE_FEATURE_GET, "GET");
        addIf(operations, flags, VFIO_DEVICE_FEATURE_SET, "SET");
        return new CallText("VFIO_DEVICE_FEATURE")
                .word(operations.toString())
                .decimal("feature", flags & VFIO_DEVICE_FEATURE_MASK)
                .argsz(vfio_device_feature.argsz(struct), struct.byteSize())
                .toString();
    }

    private static void addIf(StringJoiner operations, int flags, int flag, String name) {
        if ((flags & flag) != 0) {
            operations.add(name);
        }
    }
}
