package org.jvfio.observe;

import java.lang.foreign.MemorySegment;
import java.util.function.IntUnaryOperator;
import org.jvfio.uapi.vfio_device_ioeventfd;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_irq_set;
import org.jvfio.uapi.vfio_pci_hot_reset;

/** The descriptors that structs of ioctls have in them. */
final class Descriptors {
    private Descriptors() {}

    /** Whether the struct of a call has descriptors. */
    static boolean has(RecordedCall call) {
        return first(call) >= 0;
    }

    /** Replaces the descriptors in a struct. Negative ones stay. */
    static void translate(RecordedCall call, MemorySegment struct, IntUnaryOperator translation) {
        long first = first(call);
        if (first < 0) {
            return;
        }
        long end = isAlone(call) ? first + Integer.BYTES : struct.byteSize();
        for (long at = first; at + Integer.BYTES <= Math.min(end, struct.byteSize()); at += Integer.BYTES) {
            int descriptor = struct.get(RecordFormat.INT, at);
            if (descriptor >= 0) {
                struct.set(RecordFormat.INT, at, translation.applyAsInt(descriptor));
            }
        }
    }

    private static boolean isAlone(RecordedCall call) {
        return call.request() == vfio_h.VFIO_GROUP_SET_CONTAINER || call.request() == vfio_h.VFIO_DEVICE_IOEVENTFD;
    }

    /** Where the first descriptor is, in bytes; -1 if there is none. */
    private static long first(RecordedCall call) {
        if (call.fileKind() == FileKind.GROUP) {
            return call.request() == vfio_h.VFIO_GROUP_SET_CONTAINER ? 0 : -1;
        }
        if (call.fileKind() != FileKind.DEVICE) {
            return -1;
        }
        return switch ((int) call.request()) {
            case vfio_h.VFIO_DEVICE_SET_IRQS -> {
                MemorySegment struct = Windows.struct(call.given());
                boolean hasEvents = struct.byteSize() > vfio_irq_set.sizeof()
                        && (vfio_irq_set.flags(struct) & vfio_h.VFIO_IRQ_SET_DATA_EVENTFD) != 0;
                yield hasEvents ? vfio_irq_set.sizeof() : -1;
            }
            case vfio_h.VFIO_DEVICE_PCI_HOT_RESET -> vfio_pci_hot_reset.sizeof();
            case vfio_h.VFIO_DEVICE_IOEVENTFD -> vfio_device_ioeventfd.fd$offset();
            default -> -1;
        };
    }
}
