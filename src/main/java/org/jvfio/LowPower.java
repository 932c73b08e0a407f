package org.jvfio;

import java.lang.foreign.MemorySegment;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** The low power state of a device ({@code VFIO_DEVICE_FEATURE_LOW_POWER_*}). Guarded by the container's lock. */
final class LowPower {
    private final Device device;
    private final Descriptor descriptor;
    private @Nullable WakeupEvent wakeup;

    /** Also cleared without the lock: by the interrupt thread, when the kernel reports a wakeup. */
    private volatile boolean active;

    LowPower(Device device, Descriptor descriptor) {
        this.device = device;
        this.descriptor = descriptor;
    }

    /** Whether the device was put into low power, and neither this process nor a reported wakeup has ended that. */
    boolean isActive() {
        return active;
    }

    void enter() {
        DeviceFeature.LOW_POWER_ENTRY.set(descriptor, () -> "put " + device + " into low power", MemorySegment.NULL);
        active = true;
    }

    WakeupEvent enterWithWakeup(EnabledInterrupts interrupts) {
        Supplier<String> asked = () -> "put " + device + " into low power until a wakeup";
        device.lock().lock();
        try {
            descriptor.requireOpen();
            InterruptDispatcher dispatcher = interrupts.dispatcher(asked);
            Descriptor eventfd = Descriptor.eventfd(device.kernel(), "the wakeup eventfd of " + device, asked);
            WakeupEvent entered = new WakeupEvent(device, dispatcher, eventfd);
            boolean before = active;
            active = true;
            try {
                entered.listen();
                DeviceFeature.LOW_POWER_ENTRY_WITH_WAKEUP.setWakeup(descriptor, asked, eventfd);
            } catch (RuntimeException e) {
                active = before;
                Teardown.after(e, entered::close);
                throw e;
            }
            WakeupEvent former = wakeup;
            wakeup = entered;
            if (former != null) {
                // The kernel enters low power only from full power, so the former wakeup has happened.
                former.wake();
                former.close();
            }
            return entered;
        } finally {
            device.lock().unlock();
        }
    }

    void exit() {
        device.lock().lock();
        try {
            DeviceFeature.LOW_POWER_EXIT.set(
                    descriptor, () -> "put " + device + " into full power", MemorySegment.NULL);
            active = false;
            if (wakeup != null) {
                // The kernel signals nothing if the device had not reached low power yet.
                wakeup.wake();
            }
        } finally {
            device.lock().unlock();
        }
    }

    /** A descriptor opened anew has full power; a wakeup of the former one has happened. */
    void reopened() {
        active = false;
        if (wakeup != null) {
            wakeup.wake();
        }
    }

    /** The kernel reports that the device has full power again. */
    void woken() {
        active = false;
    }

    void close(Teardown teardown) {
        if (wakeup != null) {
            teardown.step(wakeup::close);
        }
    }
}
