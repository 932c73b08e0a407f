package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_device_ioeventfd;
import org.jvfio.uapi.vfio_h;

/** The ioeventfds of a device, which write a value to a register when signalled: DEVICE_IOEVENTFD. */
final class IoEvents {
    private static final int SIZE = 28;
    private static final int MAX_EVENTS = 1000;
    private static final int REMOVE = -1;

    private final PciFunction function;
    private final KernelVersion kernel;
    private final List<IoEvent> events = new ArrayList<>();

    IoEvents(PciFunction function, KernelVersion kernel) {
        this.function = function;
        this.kernel = kernel;
    }

    /** A register write, as requested. */
    private final class IoEvent implements EventFile.Watcher {
        private final int bar;
        private final long register;
        private final int width;
        private final long value;
        private final EventFile event;

        IoEvent(int bar, long register, int width, long value, EventFile event) {
            this.bar = bar;
            this.register = register;
            this.width = width;
            this.value = value;
            this.event = event;
        }

        boolean is(int otherBar, long otherRegister, int otherWidth, long otherValue) {
            return bar == otherBar && register == otherRegister && width == otherWidth && value == otherValue;
        }

        @Override
        public void signalled() {
            if (function.decodesMemory()) {
                function.bars().write(bar, register, width, value);
            }
        }

        /** It will not be signalled again, and stays until it is removed. */
        @Override
        public void closed() {
            event.unwatch(this);
        }
    }

    int set(Argument argument) {
        MemorySegment asked = argument.copyIn(SIZE);
        if (asked == null) {
            return Errno.EFAULT.negated();
        }
        int width = vfio_device_ioeventfd.flags(asked);
        int descriptor = vfio_device_ioeventfd.fd(asked);
        long offset = vfio_device_ioeventfd.offset(asked);
        long bar = offset >>> DeviceFile.OFFSET_SHIFT;
        if (Integer.compareUnsigned(vfio_device_ioeventfd.argsz(asked), SIZE) < 0
                || (width & ~vfio_h.VFIO_DEVICE_IOEVENTFD_SIZE_MASK) != 0
                || Integer.bitCount(width) != 1
                || descriptor < REMOVE
                || bar > vfio_h.VFIO_PCI_BAR5_REGION_INDEX
                || !isRegister((int) bar, offset & DeviceFile.OFFSET_MASK, width)) {
            return Errno.EINVAL.negated();
        }
        long register = offset & DeviceFile.OFFSET_MASK;
        long value = vfio_device_ioeventfd.data(asked);
        IoEvent same = find((int) bar, register, width, value);
        if (descriptor == REMOVE) {
            return same == null ? Errno.ENODEV.negated() : remove(same);
        }
        if (same != null) {
            return Errno.EEXIST.negated();
        }
        if (events.size() >= MAX_EVENTS) {
            return Errno.ENOSPC.negated();
        }
        return add((int) bar, register, width, value, argument.task().file(descriptor));
    }

    private boolean isRegister(int bar, long register, int width) {
        return (width < Long.BYTES || kernel.signalsEightBytes())
                && register + width <= function.bars().bytes(bar)
                && !function.bars().isTable(bar, register)
                && !function.bars().isTable(bar, register + width - 1);
    }

    private @Nullable IoEvent find(int bar, long register, int width, long value) {
        return events.stream()
                .filter(each -> each.is(bar, register, width, value))
                .findFirst()
                .orElse(null);
    }

    private int add(int bar, long register, int width, long value, @Nullable OpenFile file) {
        if (!(file instanceof EventFile event)) {
            return (file == null ? Errno.EBADF : Errno.EINVAL).negated();
        }
        IoEvent added = new IoEvent(bar, register, width, value, event);
        events.add(added);
        event.watch(added);
        if (event.isSignalled()) {
            added.signalled();
        }
        return 0;
    }

    private int remove(IoEvent event) {
        event.closed();
        events.remove(event);
        return 0;
    }

    /** The last descriptor of the device is closed. */
    void release() {
        List.copyOf(events).forEach(this::remove);
    }
}
