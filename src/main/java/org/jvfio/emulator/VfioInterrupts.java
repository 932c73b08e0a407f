package org.jvfio.emulator;

import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_ACTION_MASK;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_ACTION_TRIGGER;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_ACTION_TYPE_MASK;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_ACTION_UNMASK;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_DATA_BOOL;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_DATA_EVENTFD;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_DATA_NONE;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_DATA_TYPE_MASK;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_ERR_IRQ_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_INTX_IRQ_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_MSIX_IRQ_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_MSI_IRQ_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_NUM_IRQS;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_REQ_IRQ_INDEX;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.DeviceInterrupts;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_irq_info;
import org.jvfio.uapi.vfio_irq_set;

/**
 * The interrupts of a device between its hardware and the eventfds of a program: {@code vfio_pci_intrs.c}, and the masks
 * and pending bits that Linux has below it.
 */
final class VfioInterrupts {
    private static final int SET_SIZE = 20;
    private static final int NO_MODE = VFIO_PCI_NUM_IRQS;

    private final DeviceInterrupts hardware;
    private final boolean hasErrorIndex;
    private final int mostVectors;
    private final boolean keepsMessages;
    private final boolean firesEnabledLine;

    private int mode = NO_MODE;
    /** The trigger of the line, or of each vector that was granted. */
    private @Nullable EventFile[] triggers = {};
    /**
     * Vectors that sent a message while they had no trigger: Linux keeps a vector of MSI-X masked in the device, and one of
     * MSI in the interrupt controller.
     */
    private final long[] pending;
    /** Whether the device itself has its messages enabled, which a reset of the bus takes away. */
    private boolean messagesEnabled;

    private int messagesLogarithm;

    private boolean lineAsserted;
    private boolean lineMasked;
    /** What the user wrote to the command register: INTx is disabled. */
    private boolean lineDisabled;

    private @Nullable UnmaskEvent unmask;
    private @Nullable EventFile error;
    private @Nullable EventFile request;

    /**
     * The interrupts of one device.
     *
     * @param hasErrorIndex whether it has the index {@code VFIO_PCI_ERR_IRQ_INDEX}
     * @param mostVectors how many messages the platform can grant it
     * @param platform how it treats what comes while nobody listens
     */
    VfioInterrupts(DeviceInterrupts hardware, boolean hasErrorIndex, int mostVectors, Platform platform) {
        this.hardware = hardware;
        this.hasErrorIndex = hasErrorIndex;
        this.mostVectors = mostVectors;
        this.keepsMessages = platform.keepsMessages();
        this.firesEnabledLine = platform.firesEnabledLine();
        this.pending = new long[(Math.max(hardware.messages(), hardware.vectors()) + Long.SIZE - 1) / Long.SIZE];
    }

    /** The eventfd that unmasks the line when it is written to. */
    private final class UnmaskEvent implements EventFile.Watcher {
        private final EventFile event;

        UnmaskEvent(EventFile event) {
            this.event = event;
        }

        @Override
        public void signalled() {
            unmaskLine();
        }

        @Override
        public void closed() {
            remove();
        }

        void remove() {
            event.unwatch(this);
            unmask = null;
        }
    }

    /** Whether the driver has the device send messages. */
    boolean sendsMessages() {
        return messagesEnabled;
    }

    boolean isMsi() {
        return mode == VFIO_PCI_MSI_IRQ_INDEX;
    }

    /** Whether MSI-X is enabled in the device. */
    boolean isMsixEnabled() {
        return messagesEnabled && mode == VFIO_PCI_MSIX_IRQ_INDEX;
    }

    /** The user turns messages of MSI off and on, as its capability lets him. */
    void enableMessages(boolean enabled) {
        messagesEnabled = enabled;
    }

    /** How many MSI messages were granted the last time, as the logarithm that the capability has. */
    int messagesLogarithm() {
        return messagesLogarithm;
    }

    /**
     * The device sends a message.
     *
     * @throws IllegalArgumentException if the device has no such vector
     */
    void message(int vector) {
        boolean extended = mode == VFIO_PCI_MSIX_IRQ_INDEX;
        if (vector < 0 || vector >= Math.max(hardware.messages(), hardware.vectors())) {
            throw new IllegalArgumentException("a message of vector " + vector + " of a device with "
                    + hardware.messages() + " MSI messages and " + hardware.vectors() + " MSI-X vectors");
        }
        if (!messagesEnabled) {
            return;
        }
        EventFile trigger = vector < triggers.length ? triggers[vector] : null;
        if (trigger != null) {
            trigger.signal();
        } else if (extended || (keepsMessages && vector < triggers.length)) {
            pending[vector / Long.SIZE] |= 1L << vector;
        }
    }

    /** The pending bits of 64 MSI-X vectors. */
    long pendingBits(int word) {
        return isMsi() ? 0 : pending[word];
    }

    /** The device asserts its line, or deasserts it. */
    void line(boolean asserted) {
        if (asserted != lineAsserted) {
            lineAsserted = asserted;
            deliverLine();
        }
    }

    boolean isLineAsserted() {
        return lineAsserted;
    }

    /** The line interrupts, and is masked until the user has dealt with it. */
    private void deliverLine() {
        if (mode == VFIO_PCI_INTX_IRQ_INDEX && lineAsserted && !lineMasked) {
            lineMasked = true;
            signalLine();
        }
    }

    private void signalLine() {
        EventFile trigger = triggers[0];
        if (!lineDisabled && trigger != null) {
            trigger.signal();
        }
    }

    private void unmaskLine() {
        if (lineMasked && !lineDisabled) {
            lineMasked = false;
            deliverLine();
        }
    }

    /** The user sets or clears INTX_DISABLE in the command register. */
    void disableLine(boolean disabled) {
        if (disabled != lineDisabled) {
            lineDisabled = disabled;
            if (disabled) {
                lineMasked = true;
            } else {
                unmaskLine();
            }
        }
    }

    /** A reset of the function, after which Linux enables its messages again. */
    void reset() {
        lineAsserted = false;
        Arrays.fill(pending, 0);
    }

    /** A reset of the bus, after which nobody enables its messages again. */
    void resetByBus() {
        reset();
        messagesEnabled = false;
    }

    /** The last descriptor of the device is closed. */
    void release() {
        disable();
        lineDisabled = false;
        messagesLogarithm = 0;
        error = null;
        request = null;
    }

    /** Tells the user that the host would like to have the device back; false if the user has no ear for it. */
    boolean requestDevice() {
        return signal(request);
    }

    /** Tells the user of an error of the device; false if the user has no ear for it. */
    boolean reportError() {
        return signal(error);
    }

    private static boolean signal(@Nullable EventFile event) {
        if (event != null) {
            event.signal();
        }
        return event != null;
    }

    private int count(int index) {
        return switch (index) {
            case VFIO_PCI_INTX_IRQ_INDEX -> hardware.line() ? 1 : 0;
            case VFIO_PCI_MSI_IRQ_INDEX -> hardware.messages();
            case VFIO_PCI_MSIX_IRQ_INDEX -> hardware.vectors();
            case VFIO_PCI_ERR_IRQ_INDEX -> hasErrorIndex ? 1 : 0;
            case VFIO_PCI_REQ_IRQ_INDEX -> 1;
            default -> 0;
        };
    }

    /** DEVICE_GET_IRQ_INFO. */
    int info(Argument argument) {
        long size = vfio_irq_info.sizeof();
        MemorySegment info = argument.copyIn(size);
        if (info == null) {
            return Errno.EFAULT.negated();
        }
        int index = vfio_irq_info.index(info);
        if (Integer.compareUnsigned(vfio_irq_info.argsz(info), (int) size) < 0
                || Integer.compareUnsigned(index, VFIO_PCI_NUM_IRQS) >= 0
                || (index == VFIO_PCI_ERR_IRQ_INDEX && !hasErrorIndex)) {
            return Errno.EINVAL.negated();
        }
        vfio_irq_info.count(info, count(index));
        vfio_irq_info.flags(
                info,
                vfio_h.VFIO_IRQ_INFO_EVENTFD
                        | (index == VFIO_PCI_INTX_IRQ_INDEX
                                ? vfio_h.VFIO_IRQ_INFO_MASKABLE | vfio_h.VFIO_IRQ_INFO_AUTOMASKED
                                : vfio_h.VFIO_IRQ_INFO_NORESIZE));
        return argument.copyOut(info, size) ? 0 : Errno.EFAULT.negated();
    }

    /** DEVICE_SET_IRQS: 0, a negated errno, or how many vectors there are when that is too few. */
    int set(Argument argument) {
        MemorySegment set = argument.copyIn(SET_SIZE);
        if (set == null) {
            return Errno.EFAULT.negated();
        }
        long argsz = Integer.toUnsignedLong(vfio_irq_set.argsz(set));
        int index = vfio_irq_set.index(set);
        int flags = vfio_irq_set.flags(set);
        long start = Integer.toUnsignedLong(vfio_irq_set.start(set));
        long count = Integer.toUnsignedLong(vfio_irq_set.count(set));
        int irqs = count(index);
        int data = flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
        int bytes = data == VFIO_IRQ_SET_DATA_BOOL ? Byte.BYTES : data == VFIO_IRQ_SET_DATA_EVENTFD ? Integer.BYTES : 0;
        if (argsz < SET_SIZE
                || (flags & ~(VFIO_IRQ_SET_DATA_TYPE_MASK | VFIO_IRQ_SET_ACTION_TYPE_MASK)) != 0
                || start >= irqs
                || start + count > irqs
                || (bytes == 0 && data != VFIO_IRQ_SET_DATA_NONE)
                || argsz - SET_SIZE < count * bytes) {
            return Errno.EINVAL.negated();
        }
        MemorySegment values = count * bytes == 0 ? MemorySegment.NULL : argument.copyIn(SET_SIZE, count * bytes);
        if (values == null) {
            return Errno.EFAULT.negated();
        }
        Request request = new Request(data, (int) start, (int) count, values, argument.task());
        int action = flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
        return switch (index) {
            case VFIO_PCI_INTX_IRQ_INDEX ->
                switch (action) {
                    case VFIO_IRQ_SET_ACTION_MASK -> setLineMask(request);
                    case VFIO_IRQ_SET_ACTION_UNMASK -> setLineUnmask(request);
                    case VFIO_IRQ_SET_ACTION_TRIGGER -> setLineTrigger(request);
                    default -> Errno.ENOTTY.negated();
                };
            default -> action == VFIO_IRQ_SET_ACTION_TRIGGER ? setTrigger(index, request) : Errno.ENOTTY.negated();
        };
    }

    /** What DEVICE_SET_IRQS asks for, past its first checks. */
    private record Request(int data, int start, int count, MemorySegment values, Task task) {
        /** Whether a value says yes: one is given for each interrupt, or none at all. */
        boolean chosen(int number) {
            return data == VFIO_IRQ_SET_DATA_NONE || values.get(ValueLayout.JAVA_BYTE, number) != 0;
        }

        int descriptor(int number) {
            return values.getAtIndex(vfio_h.C_INT, number);
        }

        @Nullable
        EventFile event(int number) {
            return task.file(descriptor(number)) instanceof EventFile event ? event : null;
        }

        /** Why a descriptor is no eventfd. */
        int refusal(int number) {
            return (task.file(descriptor(number)) == null ? Errno.EBADF : Errno.EINVAL).negated();
        }

        boolean isEvent() {
            return data == VFIO_IRQ_SET_DATA_EVENTFD;
        }

        boolean isDisable() {
            return data == VFIO_IRQ_SET_DATA_NONE && count == 0;
        }
    }

    private int setTrigger(int index, Request asked) {
        return switch (index) {
            case VFIO_PCI_MSI_IRQ_INDEX, VFIO_PCI_MSIX_IRQ_INDEX -> setMessageTriggers(index, asked);
            case VFIO_PCI_ERR_IRQ_INDEX -> {
                Single single = single(error, asked);
                error = single.event();
                yield single.answer();
            }
            default -> {
                Single single = single(request, asked);
                request = single.event();
                yield single.answer();
            }
        };
    }

    private boolean isModeOr(int index) {
        return mode == index || mode == NO_MODE;
    }

    private int setLineMask(Request asked) {
        if (mode != VFIO_PCI_INTX_IRQ_INDEX || asked.count() != 1) {
            return Errno.EINVAL.negated();
        }
        if (asked.isEvent()) {
            return Errno.ENOTTY.negated();
        }
        if (asked.chosen(0)) {
            lineMasked = true;
        }
        return 0;
    }

    private int setLineUnmask(Request asked) {
        if (mode != VFIO_PCI_INTX_IRQ_INDEX || asked.count() != 1) {
            return Errno.EINVAL.negated();
        }
        if (!asked.isEvent()) {
            if (asked.chosen(0)) {
                unmaskLine();
            }
            return 0;
        }
        if (asked.descriptor(0) < 0) {
            removeUnmask();
            return 0;
        }
        EventFile event = asked.event(0);
        if (event == null) {
            return asked.refusal(0);
        }
        if (unmask != null) {
            return Errno.EBUSY.negated();
        }
        unmask = new UnmaskEvent(event);
        event.watch(unmask);
        if (event.isSignalled()) {
            unmaskLine();
        }
        return 0;
    }

    private void removeUnmask() {
        UnmaskEvent installed = unmask;
        if (installed != null) {
            installed.remove();
        }
    }

    private int setLineTrigger(Request asked) {
        if (mode == VFIO_PCI_INTX_IRQ_INDEX && asked.isDisable()) {
            disable();
            return 0;
        }
        if (!isModeOr(VFIO_PCI_INTX_IRQ_INDEX) || asked.count() != 1) {
            return Errno.EINVAL.negated();
        }
        if (asked.isEvent()) {
            EventFile trigger = asked.descriptor(0) < 0 ? null : asked.event(0);
            if (trigger == null && asked.descriptor(0) >= 0) {
                return asked.refusal(0);
            }
            if (mode == VFIO_PCI_INTX_IRQ_INDEX) {
                triggers[0] = trigger;
            } else {
                mode = VFIO_PCI_INTX_IRQ_INDEX;
                triggers = new @Nullable EventFile[] {trigger};
                lineMasked = lineDisabled;
                if (firesEnabledLine) {
                    deliverLine();
                }
            }
            return 0;
        }
        if (mode == NO_MODE) {
            return Errno.EINVAL.negated();
        }
        if (asked.chosen(0)) {
            signalLine();
        }
        return 0;
    }

    private int setMessageTriggers(int index, Request asked) {
        if (mode == index && asked.isDisable()) {
            disable();
            return 0;
        }
        if (!isModeOr(index)) {
            return Errno.EINVAL.negated();
        }
        if (asked.isEvent()) {
            if (mode == index) {
                return setVectors(asked);
            }
            int vectors = asked.start() + asked.count();
            if (vectors == 0) {
                return Errno.ERANGE.negated();
            }
            if (vectors > mostVectors) {
                return mostVectors == 0 ? Errno.ENOSPC.negated() : mostVectors;
            }
            mode = index;
            triggers = new @Nullable EventFile[vectors];
            messagesEnabled = true;
            if (index == VFIO_PCI_MSI_IRQ_INDEX) {
                messagesLogarithm = Integer.SIZE - Integer.numberOfLeadingZeros(vectors * 2 - 1) - 1;
            }
            int answer = setVectors(asked);
            if (answer != 0) {
                disable();
            }
            return answer;
        }
        if (mode != index) {
            return Errno.EINVAL.negated();
        }
        for (int each = 0; each < asked.count(); each++) {
            int vector = asked.start() + each;
            EventFile trigger = vector < triggers.length ? triggers[vector] : null;
            if (trigger != null && asked.chosen(each)) {
                trigger.signal();
            }
        }
        return 0;
    }

    /** Gives vectors their eventfds; if one cannot have its own, the whole block has none. */
    private int setVectors(Request asked) {
        for (int each = 0; each < asked.count(); each++) {
            int answer = setVector(asked.start() + each, asked, each);
            if (answer != 0) {
                for (int set = asked.start(); set <= asked.start() + each && set < triggers.length; set++) {
                    triggers[set] = null;
                }
                return answer;
            }
        }
        return 0;
    }

    private int setVector(int vector, Request asked, int number) {
        boolean granted = vector < triggers.length;
        if (granted) {
            triggers[vector] = null;
        }
        if (asked.descriptor(number) < 0) {
            return 0;
        }
        if (!granted) {
            return Errno.EINVAL.negated();
        }
        EventFile trigger = asked.event(number);
        if (trigger == null) {
            return asked.refusal(number);
        }
        triggers[vector] = trigger;
        long bit = 1L << vector;
        if ((pending[vector / Long.SIZE] & bit) != 0) {
            pending[vector / Long.SIZE] &= ~bit;
            trigger.signal();
        }
        return 0;
    }

    private void disable() {
        removeUnmask();
        if (isMsi()) {
            Arrays.fill(pending, 0);
        }
        mode = NO_MODE;
        triggers = new @Nullable EventFile[0];
        messagesEnabled = false;
        lineMasked = false;
    }

    /** What became of the one eventfd of an index. */
    private record Single(@Nullable EventFile event, int answer) {}

    /** {@code vfio_pci_set_ctx_trigger_single}. */
    private static Single single(@Nullable EventFile event, Request asked) {
        if (asked.isEvent()) {
            if (asked.count() == 0) {
                return new Single(event, Errno.EINVAL.negated());
            }
            int descriptor = asked.descriptor(0);
            if (descriptor < 0) {
                return descriptor == -1 ? new Single(null, 0) : new Single(event, Errno.EINVAL.negated());
            }
            EventFile other = asked.event(0);
            return other == null ? new Single(event, asked.refusal(0)) : new Single(other, 0);
        }
        if (asked.data() == VFIO_IRQ_SET_DATA_BOOL) {
            if (asked.count() == 0) {
                return new Single(event, Errno.EINVAL.negated());
            }
            if (asked.chosen(0)) {
                signal(event);
            }
            return new Single(event, 0);
        }
        if (event == null) {
            return new Single(null, Errno.EINVAL.negated());
        }
        if (asked.count() == 0) {
            return new Single(null, 0);
        }
        signal(event);
        return new Single(event, 0);
    }
}
