package org.jvfio;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.jvfio.VfioException.Kind;

/** The enabled interrupts of a device, by type, and the thread that serves them. Guarded by the container's lock. */
final class EnabledInterrupts {
    private final Device device;
    private final Descriptor descriptor;
    private final Map<InterruptType, Interrupts> enabled = new EnumMap<>(InterruptType.class);
    private @Nullable InterruptDispatcher dispatcher;
    private @Nullable Interrupts deviceRequests;

    EnabledInterrupts(Device device, Descriptor descriptor) {
        this.device = device;
        this.descriptor = descriptor;
    }

    boolean isEnabled(InterruptType type) {
        return enabled.containsKey(type);
    }

    InterruptInfo info(InterruptType type) {
        return InterruptInfo.of(descriptor, type, device.address());
    }

    /** The interrupts of the device in one line, as in {@code INTx and MSI-X with 65 vectors}. */
    String describe() {
        StringJoiner types = new StringJoiner(" and ").setEmptyValue("no interrupts");
        for (InterruptType type : InterruptType.values()) {
            int count = type.isExclusive() ? info(type).count() : 0;
            if (count > 0) {
                types.add(
                        type == InterruptType.INTX
                                ? type.toString()
                                : type + " with " + count + (count == 1 ? " vector" : " vectors"));
            }
        }
        return types.toString();
    }

    Interrupts enable(InterruptType type, int atLeast, int atMost) {
        if (atLeast < 1 || atMost < atLeast) {
            throw new IllegalArgumentException(
                    "at least %d and at most %d vectors: the minimum is 1, and not above the maximum"
                            .formatted(atLeast, atMost));
        }
        device.lock().lock();
        try {
            Supplier<String> asked = () -> asked(type, atMost);
            requireDisabled(asked, type);
            InterruptInfo info = info(type);
            if (info.count() < atLeast) {
                throw new VfioException(
                        Kind.UNSUPPORTED,
                        asked.get(),
                        info.count() == 0
                                ? "the device has no %s; it has %s".formatted(type, describe())
                                : "the device has " + info.count(),
                        info.count() == 0 ? "use another type: see interruptInfo" : "enable at most as many");
            }
            InterruptDispatcher started = dispatcher(asked);
            InterruptControl control = new InterruptControl(descriptor, type, device.address());
            List<Descriptor> eventfds = enableVectors(asked, control, atLeast, Math.min(atMost, info.count()));
            Interrupts interrupts = new Interrupts(device, type, info, control, started, eventfds);
            enabled.put(type, interrupts);
            try {
                interrupts.start();
            } catch (RuntimeException e) {
                Teardown.after(e, interrupts::disable);
                throw e;
            }
            return interrupts;
        } finally {
            device.lock().unlock();
        }
    }

    private String asked(InterruptType type, int atMost) {
        return "enable %s of %s"
                .formatted(
                        type.isExclusive() ? atMost + " vector" + (atMost == 1 ? "" : "s") + " of " + type : type,
                        device);
    }

    /** The thread of the device, which is started at the first use. */
    InterruptDispatcher dispatcher(Supplier<String> asked) {
        InterruptDispatcher started = dispatcher;
        if (started == null) {
            started = InterruptDispatcher.start(device.kernel(), device.toString(), asked);
            dispatcher = started;
        }
        return started;
    }

    private void requireDisabled(Supplier<String> asked, InterruptType type) {
        for (InterruptType other : enabled.keySet()) {
            if (other == type) {
                throw new VfioException(
                        Kind.CONFLICT, asked.get(), "it is enabled already", "use what was enabled, or close it first");
            }
            if (other.isExclusive() && type.isExclusive()) {
                throw new VfioException(
                        Kind.CONFLICT,
                        asked.get(),
                        other + " is enabled, and a device uses one type at a time",
                        "close that first");
            }
        }
    }

    /** Returns the eventfds of the vectors that the kernel grants. */
    private List<Descriptor> enableVectors(Supplier<String> asked, InterruptControl control, int atLeast, int atMost) {
        List<Descriptor> eventfds = new ArrayList<>();
        try {
            for (int vector = 0; vector < atMost; vector++) {
                String name = "the eventfd of vector " + vector + " of " + control;
                eventfds.add(Descriptor.eventfd(device.kernel(), name, asked));
            }
            control.enable(asked, atLeast, eventfds);
            return eventfds;
        } catch (RuntimeException e) {
            Teardown teardown = new Teardown();
            eventfds.forEach(eventfd -> teardown.step(eventfd::close));
            teardown.endSuppressedBy(e);
            throw e;
        }
    }

    void onDeviceRequest(Runnable handler) {
        device.lock().lock();
        try {
            if (deviceRequests == null) {
                deviceRequests = enable(InterruptType.REQUEST, 1, 1);
            }
            deviceRequests.onInterrupt(0, handler);
        } finally {
            device.lock().unlock();
        }
    }

    /** Disables what a reset ends: INTx, MSI and MSI-X. */
    void disarm() {
        enabled.values().stream().filter(each -> each.type().isExclusive()).forEach(Interrupts::disarm);
    }

    /** Follows a device whose descriptor was closed. */
    void lost() {
        enabled.values().forEach(Interrupts::lost);
    }

    /** Enables again what was disabled. */
    void rearm() {
        enabled.values().forEach(Interrupts::rearm);
    }

    /** Starts no more handlers, and waits for one that is running. Called without the container's lock. */
    void stopHandlers() {
        snapshot().forEach(Interrupts::stopHandlers);
    }

    /** Waits for a handler that is running. Called without the container's lock. */
    void awaitHandler() {
        snapshot().forEach(Interrupts::awaitHandler);
    }

    private List<Interrupts> snapshot() {
        device.lock().lock();
        try {
            return List.copyOf(enabled.values());
        } finally {
            device.lock().unlock();
        }
    }

    /** Removes interrupts that are being disabled. */
    void remove(Interrupts disabled) {
        enabled.remove(disabled.type());
    }

    /** Disables all, and ends the thread. */
    void close(Teardown teardown) {
        List.copyOf(enabled.values()).forEach(each -> teardown.step(each::disable));
        if (dispatcher != null) {
            teardown.step(dispatcher::close);
        }
    }
}
