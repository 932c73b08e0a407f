package org.jvfio.observe.fault;

import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.EmulatedHost;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.device.DeviceWrapper;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.fault.Fault.Effect;
import org.jvfio.observe.fault.FaultyKernel.HostChange;

/**
 * Carries a plan of faults out, once. {@link #boot} does so on an emulated host of its own, {@link #around} in the
 * calls to any kernel:
 *
 * <pre>{@code
 * Faults plan = Faults.NONE.with(
 *         FaultPoint.ioctl(VfioRequest.VFIO_IOMMU_MAP_DMA), Occurrence.nth(3), new Effect.Refusal(Errno.ENOMEM));
 * Kernel kernel = FaultInjection.boot(EmulatedMachine.power8(), plan).kernel();
 * }</pre>
 */
public final class FaultInjection {
    private final Faults plan;
    private final FaultRun run;
    private volatile @Nullable EmulatedHost host;
    private @Nullable Kernel kernel;

    /** A plan that has not begun. */
    public FaultInjection(Faults plan) {
        this(plan, _ -> {});
    }

    /**
     * A plan that has not begun, with a listener.
     *
     * @param listener called with the event and the fault when one happens, in the thread of the event; it makes no
     *     calls of the kernel
     */
    public FaultInjection(Faults plan, Consumer<String> listener) {
        this.plan = plan;
        run = new FaultRun(plan, listener);
    }

    /** Boots a host with the faults of a plan. */
    public static FaultInjection boot(EmulatedMachine machine, Faults plan) {
        FaultInjection injection = new FaultInjection(plan);
        EmulatedKernel process = EmulatedKernel.boot(machine, injection.devices());
        injection.kernel = injection.around(process, process.host());
        return injection;
    }

    /** The plan. */
    public Faults plan() {
        return plan;
    }

    /**
     * The kernel with the faults.
     *
     * @throws IllegalStateException unless {@link #boot} made this
     */
    public Kernel kernel() {
        Kernel booted = kernel;
        if (booted == null) {
            throw new IllegalStateException("no host was booted: call around() with a kernel");
        }
        return booted;
    }

    /**
     * The emulated host, if there is one.
     */
    public Optional<EmulatedHost> host() {
        return Optional.ofNullable(host);
    }

    /** The faults of devices, for {@link EmulatedKernel#boot(EmulatedMachine, DeviceWrapper)}. */
    public DeviceWrapper devices() {
        boolean inDevices =
                plan.faults().stream().anyMatch(fault -> fault.point().on().isInDevice());
        return inDevices
                ? (address, device) -> new FaultyDevice(device, address, run, this::change)
                : DeviceWrapper.NONE;
    }

    /**
     * The faults of system calls, in the calls to any kernel.
     *
     * @return a kernel that makes the calls by {@code kernel}
     * @throws IllegalArgumentException if the plan needs an emulated host
     */
    public Kernel around(Kernel behind) {
        for (Fault fault : plan.faults()) {
            if (fault.point().on().isInDevice() || fault.effect().changesHost()) {
                throw new IllegalArgumentException("only an emulated host can have the fault " + fault);
            }
        }
        return new FaultyKernel(behind, run, this::change);
    }

    /**
     * The faults of system calls, in the calls to a kernel of an emulated host that was booted with {@link #devices}.
     *
     * @param behind a process of the host, or a kernel that makes its calls by one
     * @param emulated the host
     * @return a kernel that makes the calls by {@code behind}
     * @throws IllegalArgumentException if the plan freezes or removes a device that the host does not have
     */
    public Kernel around(Kernel behind, EmulatedHost emulated) {
        host = emulated;
        for (Fault fault : plan.faults()) {
            Optional<String> named = switch (fault.effect()) {
                case Effect.Frozen frozen -> frozen.device();
                case Effect.Removed removed -> removed.device();
                default -> Optional.empty();
            };
            if (named.isPresent() && !hasDevice(emulated, named.get())) {
                throw new IllegalArgumentException(
                        "the host has no device %s, which the fault %s is of".formatted(named.get(), fault));
            }
        }
        return new FaultyKernel(behind, run, this::change);
    }

    private static boolean hasDevice(EmulatedHost emulated, String address) {
        return emulated.groups().stream()
                .anyMatch(group -> emulated.group(group).devices().contains(address));
    }

    private void change(HostChange change) {
        EmulatedHost changed = Objects.requireNonNull(host, "a host that is booted");
        Optional<String> named = switch (change.effect()) {
            case Effect.Frozen frozen -> frozen.device();
            case Effect.Removed removed -> removed.device();
            default -> Optional.empty();
        };
        String device = named.orElse(change.eventDevice());
        if (device == null || !hasDevice(changed, device)) {
            // Of no device, or of one that was removed before.
            return;
        }
        if (change.effect() instanceof Effect.Frozen) {
            changed.freezePe(changed.groupOf(device));
        } else {
            changed.unplug(device);
        }
    }

    /** Ends the plan: from now on nothing happens, so that what is left of a program can be closed. */
    public void end() {
        run.end();
    }

    /**
     * Whether a fault has refused a call by which a driver gives something back: an unmapping, say. What is left then
     * is not the driver's mistake.
     */
    public boolean hasRefusedRelease() {
        return run.refusedRelease();
    }

    /**
     * What has happened so far, the oldest first: for each the event and the fault; at most 1000, and how many more.
     */
    public List<String> happened() {
        return run.happened();
    }
}
