package org.jvfio;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.jvfio.RecoveryResult.Means;
import org.jvfio.VfioException.Kind;

/**
 * One run of {@link Device#recover}. The container's lock is held during each step, but neither while this waits nor
 * while the listener runs.
 */
final class DeviceRecovery {
    private static final long FIRST_WAIT_NANOS = TimeUnit.MILLISECONDS.toNanos(1);
    private static final long MAX_WAIT_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

    private final Device device;
    private final RecoveryOptions options;
    private final String operation;
    private final long begin = System.nanoTime();
    private final Deadline deadline;
    private long wait = FIRST_WAIT_NANOS;
    private int resets;
    private @Nullable VfioException lastFailure;

    DeviceRecovery(Device device, RecoveryOptions options) {
        this.device = device;
        this.options = options;
        this.operation = "recover " + device;
        this.deadline = Deadline.after(options.timeout());
    }

    RecoveryResult run() {
        DeviceCondition before = device.condition();
        Means means = switch (before.state()) {
            case RESPONDING -> Means.NONE;
            case GONE, ASLEEP -> throw before.failure(operation);
            case DISABLED -> {
                tell(RecoveryStep.DIAGNOSED);
                yield Means.COMMAND_REGISTER;
            }
            case FROZEN, UNKNOWN -> {
                tell(RecoveryStep.DIAGNOSED);
                yield isPeResettable(before) ? resetPe() : resetWithoutEeh();
            }
        };
        if (means != Means.NONE) {
            if (means != Means.COMMAND_REGISTER) {
                tell(RecoveryStep.RESET);
            }
            locked(() -> affected(means).forEach(Device::restoreAfterReset));
            DeviceCondition after = device.condition();
            if (!after.isResponding()) {
                throw after.failure(operation);
            }
            device.freezeLog().recovered();
            tell(RecoveryStep.RESTORED);
        }
        return new RecoveryResult(means, resets, before, Duration.ofNanos(System.nanoTime() - begin));
    }

    /** Whether EEH resets the PE of this device alone; it would reset those of all groups of a container. */
    private boolean isPeResettable(DeviceCondition before) {
        return before.pe().isPresent() && device.container().attachedGroups().size() == 1;
    }

    /** The open devices that a reset has reset too; their interrupts are disabled before it. */
    private List<Device> affected(Means means) {
        return means == Means.REOPEN || means == Means.COMMAND_REGISTER
                ? List.of(device)
                : device.group().openDevices();
    }

    private Means resetPe() {
        Eeh eeh = device.container().eeh().orElseThrow(() -> device.condition().failure(operation));
        awaitAvailable(eeh);
        if (eeh.state() == PeState.STOPPED && isUnfrozen(eeh)) {
            tell(RecoveryStep.REGISTERS_READABLE);
        }
        while (resets < options.maxResets() && isTimeLeft()) {
            resets++;
            try {
                locked(() -> {
                    affected(Means.PE_RESET).forEach(Device::disarmInterrupts);
                    reset(eeh);
                });
                awaitAvailable(eeh);
                if (eeh.state() == PeState.NORMAL && awaitResponse()) {
                    return Means.PE_RESET;
                }
            } catch (VfioException e) {
                if (e.kind() == Kind.GONE || e.kind() == Kind.UNSUPPORTED) {
                    throw e;
                }
                failed(e);
            }
            pause();
        }
        throw givenUp();
    }

    /** A device whose registers cannot be unfrozen is reset without a dump. */
    private boolean isUnfrozen(Eeh eeh) {
        try {
            eeh.unfreezeIo();
            return eeh.state() == PeState.STOPPED_DMA;
        } catch (VfioException e) {
            failed(e);
            return false;
        }
    }

    private void reset(Eeh eeh) {
        try {
            if (options.fundamental()) {
                eeh.fundamentalReset();
            } else {
                eeh.hotReset();
            }
        } catch (RuntimeException e) {
            Teardown.after(e, eeh::endReset);
            throw e;
        }
        eeh.endReset();
        eeh.configure();
    }

    /** Waits while the PE is in reset, or the host recovers it. */
    private void awaitAvailable(Eeh eeh) {
        PeState state = eeh.state();
        while (state == PeState.UNAVAILABLE || state == PeState.RESET) {
            if (!isTimeLeft()) {
                throw new VfioException(
                        Kind.GONE,
                        operation,
                        "its PE stayed %s (EEH state %s) for %d ms: the host has given it up"
                                .formatted(
                                        state, state.number(), options.timeout().toMillis()),
                        "close the device, and see dmesg");
            }
            pause();
            state = eeh.state();
        }
    }

    private Means resetWithoutEeh() {
        // After a failure in the middle of opening it again, BARs may be unmapped: that is made again first.
        boolean whole = true;
        while (resets < options.maxResets() && isTimeLeft()) {
            resets++;
            try {
                if (whole && isHotReset() && awaitResponse()) {
                    return Means.HOT_RESET;
                }
                whole = false;
                locked(device::reopen);
                whole = true;
                if (awaitResponse()) {
                    return Means.REOPEN;
                }
            } catch (VfioException e) {
                failed(e);
            }
            pause();
        }
        throw givenUp();
    }

    /** Resets bus or slot, if that resets no device of another group, which may belong to another driver. */
    private boolean isHotReset() {
        boolean[] done = {false};
        locked(() -> {
            List<DependentDevice> devices = device.hotResetDevices();
            if (!devices.isEmpty()
                    && devices.stream()
                            .allMatch(each -> each.group() == device.group().number())) {
                affected(Means.HOT_RESET).forEach(Device::disarmInterrupts);
                device.hotResetUnchecked(List.of(device.group()));
                done[0] = true;
            }
        });
        return done[0];
    }

    /** Waits until configuration space responds: a device may take up to 1 s after a reset. */
    private boolean awaitResponse() {
        Deadline response = Deadline.after(Duration.ofSeconds(1));
        while (true) {
            try {
                if (device.diagnosis().isResponding()) {
                    return true;
                }
            } catch (VfioException e) {
                failed(e);
            }
            // Without EEH a frozen PE stays frozen; with it, one that is frozen again is reset again.
            if (response.millisLeft() == 0 || !isTimeLeft() || !isPeNormal()) {
                return false;
            }
            pause();
        }
    }

    private boolean isPeNormal() {
        return device.diagnosis().peState().filter(PeState.NORMAL::equals).isPresent();
    }

    private VfioException givenUp() {
        VfioException last = lastFailure;
        String evidence = last != null && !device.hasDescriptor()
                ? "it could not be opened again, " + last.reason()
                : device.condition().evidence();
        VfioException e = new VfioException(
                Kind.GONE,
                operation,
                "it does not respond after %d reset%s in %d ms: %s"
                        .formatted(
                                resets,
                                resets == 1 ? "" : "s",
                                TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begin),
                                evidence),
                "close the device, and see dmesg");
        Optional.ofNullable(last).ifPresent(e::addSuppressed);
        return e;
    }

    private void failed(VfioException e) {
        lastFailure = e;
    }

    private void tell(RecoveryStep step) {
        options.listener().accept(step);
    }

    private boolean isTimeLeft() {
        return deadline.millisLeft() > 0;
    }

    private void pause() {
        LockSupport.parkNanos(Math.min(wait, TimeUnit.MILLISECONDS.toNanos(deadline.millisLeft())));
        wait = Math.min(2 * wait, MAX_WAIT_NANOS);
    }

    private void locked(Runnable step) {
        device.lock().lock();
        try {
            step.run();
        } finally {
            device.lock().unlock();
        }
    }
}
