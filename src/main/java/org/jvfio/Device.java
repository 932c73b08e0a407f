package org.jvfio;

import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FLAGS_RESET;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jvfio.VfioException.Kind;
import org.jvfio.ioctl.GetDeviceInfo;
import org.jvfio.ioctl.ValueIoctl;
import org.jvfio.kernel.Kernel;

/**
 * A PCI device that is bound to vfio-pci and open in this process. {@link #open} opens it in a container of its own,
 * {@link Group#openDevice} in a container that several devices share.
 *
 * <p>All methods may be called by any thread. Those that change what is mapped or enabled are serialized by the lock of
 * the container; accesses of registers, and waiting for interrupts, take no lock.
 */
public final class Device implements AutoCloseable {
    private final Group group;
    private final PciAddress address;
    // As VFIO_GROUP_GET_DEVICE_FD takes it.
    private final String name;
    private final Descriptor descriptor;
    private final boolean resettable;
    private final Regions regions;
    private final EnabledInterrupts interrupts;
    private final LowPower lowPower;
    private final FreezeLog freezeLog;
    private final DriverConfig driverConfig = new DriverConfig();
    private final AtomicBoolean recovering = new AtomicBoolean();
    // Guarded by the container's lock.
    private boolean ownsContainer;

    private Device(Group group, PciAddress address, String name, Descriptor descriptor, boolean resettable) {
        this.group = group;
        this.address = address;
        this.name = name;
        this.descriptor = descriptor;
        this.resettable = resettable;
        this.regions = new Regions(this, descriptor);
        this.interrupts = new EnabledInterrupts(this, descriptor);
        this.lowPower = new LowPower(this, descriptor);
        this.freezeLog = new FreezeLog(group.kernel(), address);
    }

    /**
     * Opens a device in a new container: finds its group, attaches it, and opens the device. Closing the device closes
     * the container.
     *
     * @throws VfioException if the device does not exist, is not bound to vfio-pci, or its group cannot be attached;
     *     nothing is left open then
     */
    public static Device open(Kernel kernel, PciAddress address) {
        Objects.requireNonNull(kernel, "kernel");
        Objects.requireNonNull(address, "address");
        Container container = Container.open(kernel);
        try {
            Device device = container.attach(address).openDevice(address);
            device.ownsContainer = true;
            return device;
        } catch (RuntimeException e) {
            Teardown.after(e, container::close);
            throw e;
        }
    }

    /** Takes over the descriptor of a device; closes it if {@code VFIO_DEVICE_GET_INFO} fails. */
    static Device of(Group group, PciAddress address, String name, Descriptor descriptor) {
        try (Arena arena = Arena.ofConfined()) {
            GetDeviceInfo info = GetDeviceInfo.of(arena);
            int answer = info.call(descriptor);
            if (answer != 0) {
                throw VfioException.failed(
                        "get the description of " + address, info, answer, Cause.of(answer, Cause::of));
            }
            return new Device(group, address, name, descriptor, (info.flags() & VFIO_DEVICE_FLAGS_RESET) != 0);
        } catch (RuntimeException e) {
            Teardown.after(e, descriptor::close);
            throw e;
        }
    }

    /** The IOMMU group of the device. */
    public Group group() {
        return group;
    }

    /** The container that maps memory for the DMA of the device. */
    public Container container() {
        return group.container();
    }

    /** The PCI address. */
    public PciAddress address() {
        return address;
    }

    /**
     * The registers or memory behind a base address register (BAR), mapped into this process if the kernel allows it.
     *
     * @param index 0 to 5; a 64-bit BAR has the index of its lower half
     * @throws IndexOutOfBoundsException if the index is not 0 to 5
     * @throws VfioException if the device does not have this BAR, or the kernel refuses to describe or map it
     * @throws IllegalStateException if the device is closed
     */
    public Region bar(int index) {
        return regions.bar(index);
    }

    /**
     * The expansion ROM, which is read only. Its size is that of the ROM's BAR; bytes beyond the last image read as all
     * ones. The kernel reports no ROM if it finds no image with a valid signature (0x55 0xaa, and "PCIR"). {@link
     * Region#readBytes} reads all of it.
     *
     * <p>Reads fail while the device's memory is disabled, or the device is not in D0: the kernel does not check that,
     * and the read is a machine check on some platforms.
     *
     * @return empty if the device has no ROM
     * @throws VfioException if the kernel refuses to describe it
     * @throws IllegalStateException if the device is closed
     */
    public Optional<Region> rom() {
        return regions.rom();
    }

    /**
     * The configuration space, as vfio-pci virtualizes it: some registers are a copy, and some cannot be written
     * ({@link ConfigSpace}).
     *
     * @throws VfioException if the kernel refuses to describe it
     * @throws IllegalStateException if the device is closed
     */
    public Region config() {
        return regions.config();
    }

    /**
     * {@link #config}, decoded.
     *
     * @throws VfioException as {@link #config}
     * @throws IllegalStateException if the device is closed
     */
    public ConfigSpace configSpace() {
        return new ConfigSpace(config(), this);
    }

    /**
     * Whether the PE of the device is frozen, as after a DMA access that no mapping allows, or in reset: registers then
     * read all ones. Where the platform does not report the state of the PE, a device that responds is not frozen.
     *
     * @throws VfioException if the device does not respond, and nothing tells whether its PE is frozen or it is gone
     *     ({@link DeviceCondition.State#UNKNOWN})
     * @throws IllegalStateException if the device is closed
     */
    public boolean isFrozen() {
        DeviceCondition condition = condition();
        if (condition.state() == DeviceCondition.State.UNKNOWN) {
            throw condition.failure("tell whether the PE of " + this + " is frozen");
        }
        return condition.state() == DeviceCondition.State.FROZEN;
    }

    /**
     * Whether the device responds, and if not, why: from the state of its PE ({@code VFIO_EEH_PE_GET_STATE}), its
     * configuration space, and whether it is in low power. It costs a few system calls, and takes no lock.
     *
     * @throws IllegalStateException if the device is closed
     */
    public DeviceCondition condition() {
        descriptor.requireOpen();
        return diagnosis().condition();
    }

    /**
     * Sets bit 2 of the command register: the device may do DMA and send MSI and MSI-X messages.
     *
     * @throws VfioException if the device does not respond, or the kernel refuses
     * @throws IllegalStateException if the device is closed
     */
    public void enableBusMastering() {
        configSpace().enable(PciCommand.BUS_MASTER);
    }

    /**
     * Sets bit 1 of the command register: the device decodes accesses of its memory BARs. The bit is set when the
     * device is opened, and cleared by a reset of its PE.
     *
     * @throws VfioException if the device does not respond, or the kernel refuses
     * @throws IllegalStateException if the device is closed
     */
    public void enableMemory() {
        configSpace().enable(PciCommand.MEMORY);
    }

    /**
     * Clears bit 2 of the command register: the device stops DMA and messages. Does nothing if the device does not
     * respond: a frozen PE does no DMA.
     *
     * @throws VfioException if the kernel refuses
     * @throws IllegalStateException if the device is closed
     */
    public void disableBusMastering() {
        configSpace().disable(PciCommand.BUS_MASTER);
    }

    /**
     * The interrupts of a type that the device has ({@code VFIO_DEVICE_GET_IRQ_INFO}).
     *
     * @throws VfioException if the kernel refuses
     * @throws IllegalStateException if the device is closed
     */
    public InterruptInfo interruptInfo(InterruptType type) {
        Objects.requireNonNull(type, "type");
        return interrupts.info(type);
    }

    /**
     * The interrupts of the device in one line, as in {@code INTx and MSI-X with 65 vectors}, or {@code no interrupts}.
     * One type can be enabled at a time.
     *
     * @throws VfioException if the kernel refuses
     * @throws IllegalStateException if the device is closed
     */
    public String describeInterrupts() {
        return interrupts.describe();
    }

    /**
     * Enables a number of interrupt vectors: {@link #enableInterrupts(InterruptType, int, int)} with this number as
     * both minimum and maximum.
     *
     * @param vectors 1 to {@link InterruptInfo#count}
     * @throws IllegalArgumentException if the number is below 1
     * @throws VfioException as {@link #enableInterrupts(InterruptType, int, int)}
     * @throws IllegalStateException if the device is closed
     */
    public Interrupts enableInterrupts(InterruptType type, int vectors) {
        return enableInterrupts(type, vectors, vectors);
    }

    /**
     * Enables as many interrupt vectors as the device has and the platform grants, at most {@code atMost}. They stay
     * enabled until they or the device are closed.
     *
     * <p>If the device asserts INTx already, it interrupts at once. MSI and MSI-X need {@link #enableBusMastering}. A
     * reset of the PE ends them: close them before it, and enable them again after it.
     *
     * @param atLeast the minimum that the driver needs, from 1
     * @param atMost the maximum that the driver can use, from {@code atLeast}
     * @throws IllegalArgumentException if the minimum is below 1 or above the maximum
     * @throws VfioException if the device or the platform has less than the minimum; the type is enabled already;
     *     another one of INTx, MSI and MSI-X is enabled; or the kernel refuses. Nothing is enabled then
     * @throws IllegalStateException if the device is closed
     */
    public Interrupts enableInterrupts(InterruptType type, int atLeast, int atMost) {
        Objects.requireNonNull(type, "type");
        return interrupts.enable(type, atLeast, atMost);
    }

    /** Whether the kernel can {@link #reset} the function alone ({@code VFIO_DEVICE_FLAGS_RESET}). */
    public boolean isResettable() {
        return resettable;
    }

    /**
     * Resets the function alone ({@code VFIO_DEVICE_RESET}); the kernel restores its configuration space. It does not
     * end the freeze of a PE: {@link #recover} does.
     *
     * @throws VfioException if the function cannot be reset alone, MSI-X is enabled while memory is disabled, the reset
     *     fails, or the device does not respond after it ({@code FROZEN}, {@code GONE})
     * @throws IllegalStateException if the device is closed
     */
    public void reset() {
        if (!resettable) {
            throw new VfioException(
                    Kind.UNSUPPORTED,
                    "reset " + address,
                    "the function cannot be reset alone",
                    "call hotReset, or recover if it does not respond");
        }
        lock().lock();
        try {
            requireRestorable(() -> "reset " + address);
            ValueIoctl call = ValueIoctl.reset();
            int answer = call.call(descriptor);
            if (answer != 0) {
                throw VfioException.failed("reset " + address, call, answer, Cause.of(answer, KnownCauses::reset));
            }
            requireResponse("reset " + address);
        } finally {
            lock().unlock();
        }
    }

    /**
     * Checks that a reset can restore the device. The kernel writes the MSI-X table after a reset ({@code
     * pci_restore_msi_state}), which is a machine check of the host if the device does not decode its memory.
     *
     * @param asked the reset, as it follows "cannot"
     */
    void requireRestorable(Supplier<String> asked) {
        if (interrupts.isEnabled(InterruptType.MSIX) && !configSpace().command().contains(PciCommand.MEMORY)) {
            throw new VfioException(
                    Kind.FROZEN,
                    asked.get(),
                    address
                            + " has MSI-X enabled while its memory is disabled: the kernel would restore the MSI-X"
                            + " table, and the access would crash the host",
                    "call enableMemory, or close its interrupts first");
        }
    }

    /**
     * The devices that {@link #hotReset} resets, this one included; empty if neither the bus nor the slot can be reset.
     *
     * @throws VfioException if the kernel refuses
     * @throws IllegalStateException if the device is closed
     */
    public List<DependentDevice> hotResetDevices() {
        return new HotReset(descriptor, address).devices();
    }

    /**
     * Resets the bus or the slot of the device, with all devices there ({@code VFIO_DEVICE_PCI_HOT_RESET}); the kernel
     * restores their configuration spaces. This process must have attached the groups of all of them. Groups of this
     * container are found; groups of other containers are passed, and must stay open during the call.
     *
     * @param others groups of other containers that have devices there
     * @throws VfioException if neither bus nor slot can be reset; a group is missing, with the addresses of its
     *     devices; a device of these groups has MSI-X enabled while its memory is disabled; or the reset fails
     * @throws IllegalStateException if the device, or a group, is closed
     */
    public void hotReset(Group... others) {
        Objects.requireNonNull(others, "others");
        for (Group other : others) {
            Objects.requireNonNull(other, "others");
        }
        lock().lock();
        try {
            List<Group> held = new ArrayList<>(container().groups());
            held.addAll(List.of(others));
            held.forEach(each -> each.requireRestorable(() -> "reset the bus of " + address));
            hotResetUnchecked(held);
            requireResponse("reset the bus of " + address);
        } finally {
            lock().unlock();
        }
    }

    /** Resets bus or slot, and leaves it to the caller whether the device responds. Caller holds the lock. */
    void hotResetUnchecked(List<Group> held) {
        new HotReset(descriptor, address).reset(held);
    }

    private void requireResponse(String operation) {
        DeviceCondition condition = condition();
        switch (condition.state()) {
            case FROZEN, GONE, UNKNOWN -> throw condition.failure(operation);
            case RESPONDING, ASLEEP, DISABLED -> {}
        }
    }

    /**
     * Recovers a device that does not respond, with the default options: {@link #recover(RecoveryOptions)}.
     *
     * @throws VfioException as {@link #recover(RecoveryOptions)}
     * @throws IllegalStateException if the device is closed
     */
    public RecoveryResult recover() {
        return recover(RecoveryOptions.DEFAULT);
    }

    /**
     * Recovers a device that does not respond: finds out why, makes its registers readable for a dump, resets it,
     * waits until it responds, and restores what {@link RecoveryStep#RESTORED} says. Each step is reported to the
     * driver, which then initializes the device: it is in its reset state. Windows and mappings are kept.
     *
     * <p>A PE is reset by EEH where the platform reports its state and the container has one group. Elsewhere the bus
     * or slot is reset, if no device of
     * another group is there; if the device does not respond after that, its descriptor is closed and opened again,
     * with which memory of {@link Region#unsafeSegment} ends. A device that responds is left alone; one whose memory is
     * disabled gets its command register back.
     *
     * <p>No other thread may access registers during the recovery. Other open devices of its group are reset with it,
     * and restored too.
     *
     * @throws VfioException {@code GONE} if it was removed, or does not respond whatever is done; {@code FROZEN} if it
     *     is in low power; {@code BUSY} if another thread is recovering it; or the kernel refuses a step
     * @throws IllegalStateException if the device is closed
     */
    public RecoveryResult recover(RecoveryOptions options) {
        Objects.requireNonNull(options, "options");
        if (!recovering.compareAndSet(false, true)) {
            throw new VfioException(
                    Kind.BUSY, "recover " + this, "another thread is recovering it", "wait for that thread");
        }
        try {
            return new DeviceRecovery(this, options).run();
        } finally {
            recovering.set(false);
        }
    }

    /** Disables the interrupts that a reset would end. Caller holds the lock. */
    void disarmInterrupts() {
        interrupts.disarm();
    }

    /**
     * Closes its descriptor, and opens it again; {@link #restoreAfterReset} does the rest. All steps are made whichever
     * fails. Caller holds the lock.
     */
    void reopen() {
        Teardown teardown = new Teardown();
        regions.unmap(teardown);
        interrupts.lost();
        teardown.step(() -> descriptor.replace(this::openAgain));
        if (descriptor.isOpen()) {
            lowPower.reopened();
            teardown.step(regions::reopened);
        }
        teardown.end();
    }

    private int openAgain() {
        int answer = group.openAgain(name);
        if (answer < 0) {
            throw VfioException.failed(
                    "open " + this + " again",
                    "VFIO_GROUP_GET_DEVICE_FD(" + name + ")",
                    answer,
                    Cause.of(answer, KnownCauses::getDevice));
        }
        return answer;
    }

    /** Whether it has a descriptor: not if it could not be opened again. */
    boolean hasDescriptor() {
        return descriptor.isOpen();
    }

    /**
     * Restores what the driver has set in configuration space, and the interrupts, of a device that responds. Caller
     * holds the lock.
     */
    void restoreAfterReset() {
        driverConfig.restore(config(), configSpace());
        interrupts.rearm();
    }

    /**
     * Calls a handler when the kernel needs the device back, because it is being unbound from vfio-pci or unplugged.
     * The kernel waits until the device is closed, and repeats the call every 10 seconds. A later handler replaces this
     * one.
     *
     * @param handler runs as those of {@link Interrupts#onInterrupt}
     * @throws VfioException if the kernel refuses, or {@link InterruptType#REQUEST} was enabled by {@link
     *     #enableInterrupts}
     * @throws IllegalStateException if the device is closed
     */
    public void onDeviceRequest(Runnable handler) {
        Objects.requireNonNull(handler, "handler");
        interrupts.onDeviceRequest(handler);
    }

    /**
     * Closes the device when the kernel needs it back: {@link #onDeviceRequest} with {@link #close}. A driver that has
     * to shut down its device first passes a handler of its own, which calls {@code close} at the end.
     *
     * @throws VfioException as {@link #onDeviceRequest}
     * @throws IllegalStateException if the device is closed
     */
    public void closeOnDeviceRequest() {
        onDeviceRequest(this::close);
    }

    /**
     * Whether the kernel has a feature for this device ({@code VFIO_DEVICE_FEATURE_PROBE}).
     *
     * @throws VfioException if the kernel refuses
     * @throws IllegalStateException if the device is closed
     */
    public boolean supports(DeviceFeature feature) {
        Objects.requireNonNull(feature, "feature");
        return feature.isSupported(descriptor, address);
    }

    /**
     * Sets the VF token of a physical function. A program must pass it to {@link Group#openDevice(PciAddress, UUID)} to
     * open a virtual function of this function.
     *
     * @throws VfioException if the device has no {@link DeviceFeature#VF_TOKEN}
     * @throws IllegalStateException if the device is closed
     */
    public void setVfToken(UUID token) {
        Objects.requireNonNull(token, "token");
        DeviceFeature.VF_TOKEN.set(
                descriptor,
                () -> "set the VF token of " + address,
                MemorySegment.ofArray(ByteBuffer.allocate(2 * Long.BYTES)
                        .putLong(token.getMostSignificantBits())
                        .putLong(token.getLeastSignificantBits())
                        .array()));
    }

    /**
     * Allows the platform to put the device into low power (D3cold, if it can) until {@link #exitLowPower}. Accesses of
     * a mapped BAR fail until then; system calls wake the device for their duration.
     *
     * @throws VfioException if the kernel has no {@link DeviceFeature#LOW_POWER_ENTRY}, or the device is in low power
     *     already
     * @throws IllegalStateException if the device is closed
     */
    public void enterLowPower() {
        lowPower.enter();
    }

    /**
     * Allows the platform to put the device into low power, as {@link #enterLowPower}, until the next wakeup, after
     * which it stays in full power. A wakeup is a system call of this process, an access by the kernel, or a PME of the
     * device. A call that comes before the platform has reached low power is none.
     *
     * @return reports the wakeup; the event that the call before returned is closed
     * @throws VfioException if the kernel has no {@link DeviceFeature#LOW_POWER_ENTRY_WITH_WAKEUP}, or the device is in
     *     low power already; nothing has changed then
     * @throws IllegalStateException if the device is closed
     */
    public WakeupEvent enterLowPowerWithWakeup() {
        return lowPower.enterWithWakeup(interrupts);
    }

    /**
     * Puts the device into full power; it may have lost its state. Does nothing if it has full power. Threads that wait
     * for a {@link WakeupEvent} are woken.
     *
     * @throws VfioException if the kernel has no {@link DeviceFeature#LOW_POWER_EXIT}
     * @throws IllegalStateException if the device is closed
     */
    public void exitLowPower() {
        lowPower.exit();
    }

    /** Whether {@link #enterLowPower} or {@link #enterLowPowerWithWakeup} is in effect. */
    public boolean isInLowPower() {
        return lowPower.isActive();
    }

    /** The kernel reports a wakeup. */
    void woken() {
        lowPower.woken();
    }

    /** Forgets interrupts that are being disabled. */
    void remove(Interrupts disabled) {
        interrupts.remove(disabled);
    }

    /** What the kernel log has about the PE. */
    FreezeLog freezeLog() {
        return freezeLog;
    }

    /** What the driver has set in configuration space. */
    DriverConfig driverConfig() {
        return driverConfig;
    }

    AccessDiagnosis diagnosis() {
        return regions.diagnosis();
    }

    /**
     * Disables the interrupts of the device as {@link Interrupts#close} does, unmaps its BARs and closes it; the kernel
     * clears its bus mastering, and resets it if it can. The container is closed with a device that {@link #open} has
     * opened. Closing twice has no effect.
     *
     * @throws VfioException if a step of the release fails; all others are made, and the device is closed
     */
    @Override
    public void close() {
        if (!lock().isHeldByCurrentThread()) {
            stopHandlers();
        }
        lock().lock();
        try {
            if (ownsContainer) {
                // It closes this device; that call then runs the steps below, which do nothing the second time.
                container().close();
            }
            group.closed(this);
            Teardown teardown = new Teardown();
            regions.closeIoEventFds(teardown);
            lowPower.close(teardown);
            interrupts.close(teardown);
            regions.unmap(teardown);
            teardown.step(freezeLog::close);
            teardown.step(descriptor::close);
            teardown.end();
        } finally {
            lock().unlock();
        }
    }

    /** Starts no more interrupt handlers, and waits for one that is running. Called without the container's lock. */
    void stopHandlers() {
        interrupts.stopHandlers();
    }

    /** Waits for an interrupt handler that is running. Called without the container's lock. */
    void awaitHandler() {
        interrupts.awaitHandler();
    }

    /** Whether the container is closed with this device. */
    boolean ownsContainer() {
        return ownsContainer;
    }

    /** The container's lock, which guards all state of the device that is not final. */
    ReentrantLock lock() {
        return group.container().lock();
    }

    Kernel kernel() {
        return group.kernel();
    }

    /** The PCI address. */
    @Override
    public String toString() {
        return address.toString();
    }
}
