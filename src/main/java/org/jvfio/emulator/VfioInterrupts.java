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
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.DeviceInterrupts;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_irq_info;
import org.jvfio.uapi.vfio_irq_set;

/**
 * The interrupts of a device, between its hardware and the eventfds of a program: {@code vfio_pci_intrs.c}, with the
 * masks and pending bits of the layers of Linux below it.
 */
final class VfioInterrupts {
    private static final int SET_SIZE = 20;
    private static final int NO_MODE = VFIO_PCI_NUM_IRQS;

    private final DeviceInterrupts hardware;
    private final FoundCapabilities found;
    private final boolean hasTable;
    /** Whether the table that Linux programs is that of the device, all of whose vectors stay masked otherwise. */
    private final boolean programsTable;

    private final boolean hasErrorIndex;
    private final int maxVectors;
    private final boolean keepsMessages;
    private final IntxLine line;

    private int mode = NO_MODE;
    /** The trigger of each MSI or MSI-X vector that was granted. */
    private @Nullable EventFile[] triggers = {};
    /**
     * Vectors that sent a message while they had no trigger. Linux masks such a vector: of MSI-X in the device, of MSI
     * in the interrupt controller.
     */
    private final long[] pending;
    /** The enable bit of MSI or MSI-X in the device, which a bus reset clears. */
    private boolean messagesEnabled;

    private int messagesLogarithm;

    private @Nullable EventFile error;
    private @Nullable EventFile request;

    /**
     * The interrupts of one device.
     *
     * @param hardware those that the device has
     * @param found those that Linux finds in its capabilities
     * @param hasTable whether Linux can map the MSI-X table
     * @param hasErrorIndex whether it has the index {@code VFIO_PCI_ERR_IRQ_INDEX}
     * @param maxVectors the maximum number of messages that the platform grants it
     * @param platform whose interrupt controller is emulated
     */
    VfioInterrupts(
            DeviceInterrupts hardware,
            FoundCapabilities found,
            boolean hasTable,
            boolean hasErrorIndex,
            int maxVectors,
            Platform platform) {
        this.hardware = hardware;
        this.found = found;
        this.hasTable = hasTable;
        this.programsTable = found.tableBar() == hardware.tableBar() && found.tableOffset() == hardware.tableOffset();
        this.hasErrorIndex = hasErrorIndex;
        this.maxVectors = maxVectors;
        this.keepsMessages = platform.keepsMessages();
        this.line = new IntxLine(platform.firesEnabledLine());
        int most = Math.max(
                Math.max(hardware.messages(), hardware.vectors()), Math.max(found.messages(), found.vectors()));
        this.pending = new long[(most + Long.SIZE - 1) / Long.SIZE];
    }

    /** Whether the driver has enabled MSI or MSI-X. */
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

    /** The user clears or sets the enable bit of the MSI capability. */
    void enableMessages(boolean enabled) {
        messagesEnabled = enabled;
    }

    /** Log2 of the number of MSI messages that were granted last, as in the capability. */
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
        EventFile trigger = vector < triggers.length && (!extended || programsTable) ? triggers[vector] : null;
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

    /** INTx. */
    IntxLine line() {
        return line;
    }

    /** A function reset, after which Linux enables messages again. */
    void reset() {
        line.reset();
        Arrays.fill(pending, 0);
    }

    /** A bus reset, after which messages stay disabled. */
    void resetByBus() {
        reset();
        messagesEnabled = false;
    }

    /** The last descriptor of the device is closed. */
    void release() {
        disable();
        line.release();
        messagesLogarithm = 0;
        error = null;
        request = null;
    }

    /** Signals the device request to the user; false if the user has set no eventfd for it. */
    boolean requestDevice() {
        return signal(request);
    }

    /** Signals an error of the device to the user; false if the user has set no eventfd for it. */
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
            case VFIO_PCI_MSI_IRQ_INDEX -> found.messages();
            case VFIO_PCI_MSIX_IRQ_INDEX -> found.vectors();
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

    /** DEVICE_SET_IRQS: 0, a negated errno, or the number of vectors available if the request was for more. */
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
        IrqRequest request = new IrqRequest(data, (int) start, (int) count, values, argument.task());
        int action = flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
        return switch (index) {
            case VFIO_PCI_INTX_IRQ_INDEX ->
                switch (action) {
                    case VFIO_IRQ_SET_ACTION_MASK -> line.mask(request);
                    case VFIO_IRQ_SET_ACTION_UNMASK -> line.unmask(request);
                    case VFIO_IRQ_SET_ACTION_TRIGGER -> setLineTrigger(request);
                    default -> Errno.ENOTTY.negated();
                };
            default -> action == VFIO_IRQ_SET_ACTION_TRIGGER ? setTrigger(index, request) : Errno.ENOTTY.negated();
        };
    }

    private int setTrigger(int index, IrqRequest asked) {
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

    private int setLineTrigger(IrqRequest asked) {
        if (mode == VFIO_PCI_INTX_IRQ_INDEX && asked.disables()) {
            disable();
            return 0;
        }
        if (!isModeOr(VFIO_PCI_INTX_IRQ_INDEX) || asked.count() != 1) {
            return Errno.EINVAL.negated();
        }
        if (asked.hasEvents()) {
            EventFile trigger = asked.descriptor(0) < 0 ? null : asked.event(0);
            if (trigger == null && asked.descriptor(0) >= 0) {
                return asked.refusal(0);
            }
            if (mode == VFIO_PCI_INTX_IRQ_INDEX) {
                line.trigger(trigger);
            } else {
                mode = VFIO_PCI_INTX_IRQ_INDEX;
                line.enable(trigger);
            }
            return 0;
        }
        if (mode == NO_MODE) {
            return Errno.EINVAL.negated();
        }
        if (asked.applies(0)) {
            line.signal();
        }
        return 0;
    }

    private int setMessageTriggers(int index, IrqRequest asked) {
        if (mode == index && asked.disables()) {
            disable();
            return 0;
        }
        if (!isModeOr(index)) {
            return Errno.EINVAL.negated();
        }
        if (asked.hasEvents()) {
            if (mode == index) {
                return setVectors(asked);
            }
            int vectors = asked.start() + asked.count();
            if (vectors == 0) {
                return Errno.ERANGE.negated();
            }
            if (index == VFIO_PCI_MSIX_IRQ_INDEX && !hasTable) {
                return Errno.ENOMEM.negated();
            }
            if (vectors > maxVectors) {
                return maxVectors == 0 ? Errno.ENOSPC.negated() : maxVectors;
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
            if (trigger != null && asked.applies(each)) {
                trigger.signal();
            }
        }
        return 0;
    }

    /** Sets the triggers of a block of vectors; if one fails, the whole block has none. */
    private int setVectors(IrqRequest asked) {
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

    private int setVector(int vector, IrqRequest asked, int number) {
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
        if ((pending[vector / Long.SIZE] & bit) != 0 && (isMsi() || programsTable)) {
            pending[vector / Long.SIZE] &= ~bit;
            trigger.signal();
        }
        return 0;
    }

    private void disable() {
        line.stop();
        if (isMsi()) {
            Arrays.fill(pending, 0);
        }
        mode = NO_MODE;
        triggers = new @Nullable EventFile[0];
        messagesEnabled = false;
    }

    /** The new eventfd of an index with a single interrupt, and the result of the call. */
    private record Single(@Nullable EventFile event, int answer) {}

    /** {@code vfio_pci_set_ctx_trigger_single}. */
    private static Single single(@Nullable EventFile event, IrqRequest asked) {
        if (asked.hasEvents()) {
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
            if (asked.applies(0)) {
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
