package org.jvfio.emulator;

import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;

/**
 * INTx of a device, between the level that the device asserts and the eventfd of a program. Linux masks it after each
 * interrupt ({@code VFIO_IRQ_INFO_AUTOMASKED}) until the user unmasks it.
 */
final class IntxLine {
    private final boolean firesWhenEnabled;

    private boolean asserted;
    private boolean enabled;
    private boolean masked;
    /** INTX_DISABLE, as the user wrote it to the command register. */
    private boolean disabled;

    private @Nullable EventFile trigger;
    private @Nullable UnmaskEvent unmask;

    /**
     * INTx that is not enabled.
     *
     * @param firesWhenEnabled whether it fires if it is already asserted when it is enabled
     */
    IntxLine(boolean firesWhenEnabled) {
        this.firesWhenEnabled = firesWhenEnabled;
    }

    /** The eventfd that unmasks INTx when it is signalled. */
    private final class UnmaskEvent implements EventFile.Watcher {
        private final EventFile event;

        UnmaskEvent(EventFile event) {
            this.event = event;
        }

        @Override
        public void signalled() {
            unmask();
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

    /** The device asserts or deasserts INTx. */
    void set(boolean newLevel) {
        if (newLevel != asserted) {
            asserted = newLevel;
            deliver();
        }
    }

    boolean isAsserted() {
        return asserted;
    }

    /** Interrupts if INTx is asserted and not masked, and masks it. */
    private void deliver() {
        if (enabled && asserted && !masked) {
            masked = true;
            signal();
        }
    }

    /** Signals the trigger, unless INTX_DISABLE is set. */
    void signal() {
        EventFile event = trigger;
        if (!disabled && event != null) {
            event.signal();
        }
    }

    private void unmask() {
        if (masked && !disabled) {
            masked = false;
            deliver();
        }
    }

    /** The user sets or clears INTX_DISABLE in the command register. */
    void disable(boolean newDisabled) {
        if (newDisabled != disabled) {
            disabled = newDisabled;
            if (newDisabled) {
                masked = true;
            } else {
                unmask();
            }
        }
    }

    /** Enables INTx with a trigger, or with none. */
    void enable(@Nullable EventFile event) {
        enabled = true;
        trigger = event;
        masked = disabled;
        if (firesWhenEnabled) {
            deliver();
        }
    }

    /** Replaces the trigger. */
    void trigger(@Nullable EventFile event) {
        trigger = event;
    }

    /** DEVICE_SET_IRQS with ACTION_MASK. */
    int mask(IrqRequest request) {
        if (!enabled || request.count() != 1) {
            return Errno.EINVAL.negated();
        }
        if (request.hasEvents()) {
            return Errno.ENOTTY.negated();
        }
        if (request.applies(0)) {
            masked = true;
        }
        return 0;
    }

    /** DEVICE_SET_IRQS with ACTION_UNMASK: unmasks INTx, or sets or removes the eventfd that does. */
    int unmask(IrqRequest request) {
        if (!enabled || request.count() != 1) {
            return Errno.EINVAL.negated();
        }
        if (!request.hasEvents()) {
            if (request.applies(0)) {
                unmask();
            }
            return 0;
        }
        if (request.descriptor(0) < 0) {
            removeUnmask();
            return 0;
        }
        EventFile event = request.event(0);
        if (event == null) {
            return request.refusal(0);
        }
        if (unmask != null) {
            return Errno.EBUSY.negated();
        }
        unmask = new UnmaskEvent(event);
        event.watch(unmask);
        if (event.isSignalled()) {
            unmask();
        }
        return 0;
    }

    private void removeUnmask() {
        UnmaskEvent installed = unmask;
        if (installed != null) {
            installed.remove();
        }
    }

    /** The interrupts of the device are disabled. */
    void stop() {
        removeUnmask();
        enabled = false;
        trigger = null;
        masked = false;
    }

    /** The device is reset, which deasserts INTx. */
    void reset() {
        asserted = false;
    }

    /** The last descriptor of the device is closed. */
    void release() {
        stop();
        disabled = false;
    }
}
