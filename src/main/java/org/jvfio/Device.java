package org.jvfio;

import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FLAGS_RESET;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_GET_INFO;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_GET_IRQ_INFO;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_RESET;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_INFO_AUTOMASKED;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_INFO_EVENTFD;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_INFO_MASKABLE;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_INFO_NORESIZE;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_BAR0_REGION_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_BAR5_REGION_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_CONFIG_REGION_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_ROM_REGION_INDEX;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.StringJoiner;
import java.util.UUID;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_device_info;
import org.jvfio.uapi.vfio_device_low_power_entry_with_wakeup;
import org.jvfio.uapi.vfio_irq_info;

/**
 * A PCI device that this process drives, opened with {@link #open}, or with {@link Group#openDevice} where it shares a
 * container with others.
 */
public final class Device implements AutoCloseable {
    private final Group group;
    private final PciAddress address;
    private final Descriptor descriptor;
    private final boolean resettable;
    private final Map<Integer, Region> regions = new HashMap<>();
    private final List<BarMapping> mappings = new ArrayList<>();
    private final Map<InterruptType, Interrupts> interrupts = new EnumMap<>(InterruptType.class);
    private @Nullable InterruptDispatcher dispatcher;
    private @Nullable Interrupts releaseRequests;
    private final List<EventFd> events = new ArrayList<>();
    private @Nullable WakeupEvent wakeUp;
    private volatile boolean hasLowPower;
    private boolean ownsContainer;

    private Device(Group group, PciAddress address, Descriptor descriptor, boolean resettable) {
        this.group = group;
        this.address = address;
        this.descriptor = descriptor;
        this.resettable = resettable;
    }

    /**
     * Opens a device by its address alone, in a container of its own: finds its group, takes that from the host, and opens
     * the device. Closing it closes the container.
     *
     * @throws VfioException if the device does not exist, is not bound to vfio-pci, or its group cannot be taken; nothing
     *     is left open then
     */
    public static Device open(Kernel kernel, PciAddress address) {
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

    /** Takes over the descriptor of an open device; closes it if the device does not say what it is. */
    static Device of(Group group, PciAddress address, Descriptor descriptor) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = vfio_device_info.allocate(arena);
            vfio_device_info.argsz(struct, (int) struct.byteSize());
            int answer = descriptor.ioctl(VFIO_DEVICE_GET_INFO, struct);
            if (answer != 0) {
                throw VfioException.failed(
                        "ask what " + address + " is", "VFIO_DEVICE_GET_INFO", answer, Cause.unknown());
            }
            boolean resettable = (vfio_device_info.flags(struct) & VFIO_DEVICE_FLAGS_RESET) != 0;
            return new Device(group, address, descriptor, resettable);
        } catch (RuntimeException e) {
            Teardown.after(e, descriptor::close);
            throw e;
        }
    }

    /** The group that it is in. */
    public Group group() {
        return group;
    }

    /** The container that its DMA goes through. */
    public Container container() {
        return group.container();
    }

    /** Where it sits. */
    public PciAddress address() {
        return address;
    }

    /**
     * A region of registers or memory: a BAR.
     *
     * @param index 0 to 5; a 64-bit BAR has the index of its lower half
     * @throws VfioException if the device has no such BAR
     * @throws IllegalStateException if the device is closed
     */
    public Region bar(int index) {
        if (index < VFIO_PCI_BAR0_REGION_INDEX || index > VFIO_PCI_BAR5_REGION_INDEX) {
            throw new VfioException(
                    "use BAR " + index + " of " + address, "a PCI device has BARs 0 to 5", "use one of them");
        }
        return region(index, "BAR " + index + " of " + address);
    }

    /**
     * The expansion ROM, which can only be read. It has the size of its BAR, and all ones beyond its last image. A device that
     * has a ROM without an image that the kernel knows as one (0x55, 0xaa, and the structure "PCIR") counts as having none.
     * {@link Region#readBytes} reads it whole.
     *
     * <p>Reading fails while the device's memory is disabled or the device has no power: the kernel does not look, and the
     * host would be lost on some platforms.
     *
     * @return empty if there is none
     * @throws VfioException if the kernel does not tell
     * @throws IllegalStateException if the device is closed
     */
    public Optional<Region> rom() {
        String name = "the expansion ROM of " + address;
        lock().lock();
        try {
            descriptor.requireOpen();
            return regions.containsKey(VFIO_PCI_ROM_REGION_INDEX)
                            || RegionInfo.of(descriptor, VFIO_PCI_ROM_REGION_INDEX, name)
                                            .size()
                                    != 0
                    ? Optional.of(region(VFIO_PCI_ROM_REGION_INDEX, name))
                    : Optional.empty();
        } finally {
            lock().unlock();
        }
    }

    /**
     * The configuration space, of which the kernel hides, and keeps from being written, what would harm the host.
     *
     * @throws IllegalStateException if the device is closed
     */
    public Region config() {
        return region(VFIO_PCI_CONFIG_REGION_INDEX, "the configuration space of " + address);
    }

    /** {@link #config}, by what its registers mean. */
    public ConfigSpace configSpace() {
        return new ConfigSpace(config(), address.toString(), lock());
    }

    private Region region(int index, String name) {
        lock().lock();
        try {
            descriptor.requireOpen();
            Region known = regions.get(index);
            if (known != null) {
                return known;
            }
            RegionInfo info = RegionInfo.of(descriptor, index, name);
            if (info.size() == 0) {
                throw new VfioException(
                        "use " + name, "the device does not have it", "see the device's regions: lspci -v");
            }
            BarMapping mapping = null;
            if (!info.mappable().isEmpty()) {
                mapping = BarMapping.map(
                        kernel(), descriptor, name, info, container().systemPage(), msixTable(index));
                mappings.add(mapping);
            }
            Region region = new Region(this, descriptor, name, info, mapping, ByteOrder.LITTLE_ENDIAN);
            regions.put(index, region);
            return region;
        } finally {
            lock().unlock();
        }
    }

    /** Where the MSI-X table is in a BAR: a driver that wrote there would take the kernel's interrupts away. */
    private List<RegionArea> msixTable(int bar) {
        return configSpace().capability(PciCapability.Msix.class).stream()
                .filter(msix -> msix.tableBar() == bar)
                .map(msix -> new RegionArea(msix.tableOffset(), msix.tableBytes()))
                .toList();
    }

    /** Why an access of a mapped BAR was answered with a bus error. */
    Cause whyBarsAreDead() {
        if (hasLowPower) {
            return new Cause("the device has low power", "call exitLowPower first");
        }
        try {
            return whyMemoryIsOff()
                    .orElseGet(() -> new Cause(
                            "the bus reports an error: the device is being reset, or gone",
                            "end the reset of its PE, and see dmesg"));
        } catch (VfioException e) {
            return new Cause(
                    "the bus reports an error, and the configuration space does not answer either: " + e.reason(),
                    e.hint());
        }
    }

    /** Why the device does not decode accesses of its memory, if its configuration space says that it does not. */
    Optional<Cause> whyMemoryIsOff() {
        ConfigSpace config = configSpace();
        if (!config.command().contains(PciCommand.MEMORY)) {
            return Optional.of(new Cause(
                    "the device's memory is disabled in its command register",
                    "enable memory access, which a reset turns off"));
        }
        return config.capability(PciCapability.PowerManagement.class)
                .map(PciCapability.PowerManagement::state)
                .filter(state -> state != PowerState.D0)
                .map(state -> new Cause("the device is in power state " + state, "give it full power, D0"));
    }

    /**
     * Whether the platform has frozen the device's PE, as after a DMA that no mapping allows: its registers then read all
     * ones. A device that reads all ones and is not frozen is gone.
     *
     * @throws VfioException if the container has several groups, or the kernel does not tell
     * @throws IllegalStateException if the device is closed
     */
    public boolean isFrozen() {
        descriptor.requireOpen();
        return container().eeh().map(Eeh::state).filter(PeState::isFrozen).isPresent();
    }

    /**
     * Lets the device do DMA and signal interrupts: sets bit 2 of its command register.
     *
     * @throws VfioException if the configuration space cannot be accessed
     * @throws IllegalStateException if the device is closed
     */
    public void enableBusMastering() {
        configSpace().enable(PciCommand.BUS_MASTER);
    }

    /**
     * Lets the device answer at its BARs: sets bit 1 of its command register. It is set when a device is opened, and
     * cleared by a reset of its PE.
     *
     * @throws VfioException if the configuration space cannot be accessed
     * @throws IllegalStateException if the device is closed
     */
    public void enableMemory() {
        configSpace().enable(PciCommand.MEMORY);
    }

    /**
     * Keeps the device from doing DMA: clears bit 2 of its command register. A device that does not answer is left as it
     * is; its PE is frozen, and lets no DMA through.
     *
     * @throws VfioException if the configuration space cannot be accessed
     * @throws IllegalStateException if the device is closed
     */
    public void disableBusMastering() {
        configSpace().disable(PciCommand.BUS_MASTER);
    }

    /**
     * What the device has of a type of interrupts.
     *
     * @throws VfioException if the kernel does not tell
     * @throws IllegalStateException if the device is closed
     */
    public InterruptInfo interruptInfo(InterruptType type) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = vfio_irq_info.allocate(arena);
            vfio_irq_info.argsz(struct, (int) struct.byteSize());
            vfio_irq_info.index(struct, type.index());
            int answer = descriptor.ioctl(VFIO_DEVICE_GET_IRQ_INFO, struct);
            if (answer == Errno.EINVAL.negated() && type == InterruptType.ERROR) {
                return new InterruptInfo(
                        0, false, false, false, false); // the kernel's answer for what is not PCI Express
            }
            if (answer != 0) {
                throw VfioException.failed(
                        "ask for the " + type + " of " + address,
                        "VFIO_DEVICE_GET_IRQ_INFO(index " + type.index() + ")",
                        answer,
                        Cause.unknown());
            }
            int flags = vfio_irq_info.flags(struct);
            return new InterruptInfo(
                    vfio_irq_info.count(struct),
                    (flags & VFIO_IRQ_INFO_EVENTFD) != 0,
                    (flags & VFIO_IRQ_INFO_MASKABLE) != 0,
                    (flags & VFIO_IRQ_INFO_AUTOMASKED) != 0,
                    (flags & VFIO_IRQ_INFO_NORESIZE) == 0);
        }
    }

    /**
     * How it can interrupt, for people, as in {@code INTx and MSI-X with 65 vectors}, or {@code no interrupts}. It has them one
     * type at a time.
     *
     * @throws VfioException if the kernel does not tell
     * @throws IllegalStateException if the device is closed
     */
    public String describeInterrupts() {
        StringJoiner types = new StringJoiner(" and ").setEmptyValue("no interrupts");
        for (InterruptType type : InterruptType.values()) {
            int count = type.isExclusive() ? interruptInfo(type).count() : 0;
            if (count > 0) {
                types.add(
                        type == InterruptType.INTX
                                ? type.toString()
                                : "%s with %d vector%s".formatted(type, count, count == 1 ? "" : "s"));
            }
        }
        return types.toString();
    }

    /**
     * Enables interrupts of a type, as many vectors as asked for.
     *
     * @param vectors 1 to {@link InterruptInfo#count}
     * @throws VfioException as {@link #enableInterrupts(InterruptType, int, int)}
     * @throws IllegalStateException if the device is closed
     */
    public Interrupts enableInterrupts(InterruptType type, int vectors) {
        return enableInterrupts(type, vectors, vectors);
    }

    /**
     * Enables interrupts of a type, as many vectors as there are: the platform may have fewer for the device than the device
     * could use. They are enabled until they are closed, or the device is.
     *
     * <p>A line that the device asserts already interrupts at once. MSI and MSI-X come only from a bus master: see {@link
     * #enableBusMastering}. A reset of the PE ends them: close them before, and enable them anew.
     *
     * @param atLeast how many vectors the driver needs, from 1
     * @param atMost how many it can use
     * @throws VfioException if the device or the platform has fewer, the type is enabled already, or is one of INTx, MSI and
     *     MSI-X of which another one is (close that first); or the kernel refuses. Nothing is enabled then
     * @throws IllegalStateException if the device is closed
     */
    public Interrupts enableInterrupts(InterruptType type, int atLeast, int atMost) {
        lock().lock();
        try {
            String asked = "enable %s of %s"
                    .formatted(
                            type.isExclusive() ? atMost + " vector" + (atMost == 1 ? "" : "s") + " of " + type : type,
                            address);
            requireDisabled(asked, type);
            InterruptInfo info = interruptInfo(type);
            if (atLeast < 1 || atMost < atLeast) {
                throw new VfioException(
                        asked,
                        "at least %d and at most %d is no number of vectors".formatted(atLeast, atMost),
                        "ask for 1 or more");
            }
            if (info.count() < atLeast) {
                throw new VfioException(
                        asked,
                        info.count() == 0
                                ? "the device has no %s; it has %s".formatted(type, describeInterrupts())
                                : "the device has " + info.count(),
                        info.count() == 0 ? "use another type: see interruptInfo" : "ask for as many, or fewer");
            }
            InterruptDispatcher started = dispatcher(asked);
            List<Descriptor> eventfds = new ArrayList<>();
            try {
                enableVectors(asked, type, atLeast, Math.min(atMost, info.count()), eventfds);
            } catch (RuntimeException e) {
                Teardown teardown = new Teardown();
                eventfds.forEach(eventfd -> teardown.step(eventfd::close));
                teardown.endSuppressedBy(e);
                throw e;
            }
            Interrupts enabled = new Interrupts(this, type, info, descriptor, started, eventfds);
            interrupts.put(type, enabled);
            try {
                started.add(enabled.listener(), eventfds);
                if (type == InterruptType.INTX && info.maskable()) {
                    // XIVE, unlike XICS, does not tell of a line that was asserted before it is enabled. But the kernel
                    // looks in the device's status register when it unmasks a line.
                    enabled.mask();
                    enabled.unmask();
                }
            } catch (RuntimeException e) {
                Teardown.after(e, enabled::close);
                throw e;
            }
            return enabled;
        } finally {
            lock().unlock();
        }
    }

    private InterruptDispatcher dispatcher(String asked) {
        InterruptDispatcher started = dispatcher;
        if (started == null) {
            started = InterruptDispatcher.start(kernel(), address.toString(), asked);
            dispatcher = started;
        }
        return started;
    }

    private void requireDisabled(String asked, InterruptType type) {
        for (InterruptType enabled : interrupts.keySet()) {
            if (enabled == type) {
                throw new VfioException(asked, "it is enabled already", "use what was enabled, or close it first");
            }
            if (enabled.isExclusive() && type.isExclusive()) {
                throw new VfioException(
                        asked, enabled + " is enabled, and a device uses one type at a time", "close that first");
            }
        }
    }

    /** Enables as many as the kernel grants: it answers with a positive number, and enables nothing, if it has fewer. */
    private void enableVectors(String asked, InterruptType type, int atLeast, int atMost, List<Descriptor> eventfds) {
        for (int vector = 0; vector < atMost; vector++) {
            eventfds.add(Descriptor.eventfd(
                    kernel(), "the eventfd of vector %d of %s of %s".formatted(vector, type, address), asked));
        }
        while (true) {
            SetIrqs enable = SetIrqs.enable(
                    type, eventfds.stream().map(Descriptor::number).toList());
            int answer = enable.call(descriptor);
            if (answer == 0) {
                return;
            }
            if (answer > 0 && answer < eventfds.size() && answer < atLeast) {
                throw VfioException.failed(
                        asked,
                        enable.toString(),
                        answer,
                        new Cause(
                                "the platform has " + answer + " for it, and it needs " + atLeast,
                                "close other devices"));
            }
            if (answer < 0 || answer >= eventfds.size()) {
                throw enable.failed(asked, answer);
            }
            while (eventfds.size() > answer) {
                eventfds.removeLast().close();
            }
        }
    }

    /** Forgets interrupts that are being closed. */
    void closed(Interrupts disabled) {
        interrupts.remove(disabled.type());
    }

    /** Whether {@link #reset} can work. */
    public boolean isResettable() {
        return resettable;
    }

    /**
     * Resets the device alone ({@code VFIO_DEVICE_RESET}); the kernel restores its configuration space.
     *
     * @throws VfioException if the device has no way to be reset alone, it has MSI-X enabled while its memory is not decoded,
     *     or the reset fails
     * @throws IllegalStateException if the device is closed
     */
    public void reset() {
        String asked = "reset " + address;
        if (!resettable) {
            throw new VfioException(asked, "it has no way to be reset alone", "reset its PE instead");
        }
        lock().lock();
        try {
            requireRestorable(asked);
            int answer = descriptor.ioctl(VFIO_DEVICE_RESET, 0);
            if (answer != 0) {
                throw VfioException.failed(
                        asked,
                        "VFIO_DEVICE_RESET",
                        answer,
                        VfioException.errnoOf(answer).map(KnownCauses::reset).orElseGet(Cause::unknown));
            }
        } finally {
            lock().unlock();
        }
    }

    /**
     * The kernel restores the MSI-X table after a reset ({@code pci_restore_msi_state}); where the device does not answer,
     * the host takes a machine check.
     */
    void requireRestorable(String asked) {
        if (interrupts.containsKey(InterruptType.MSIX)
                && !configSpace().command().contains(PciCommand.MEMORY)) {
            throw new VfioException(
                    asked,
                    address
                            + " has MSI-X enabled while its memory is not decoded: the kernel would write its table of vectors, and"
                            + " the host be lost",
                    "enable PciCommand.MEMORY, or close its interrupts first");
        }
    }

    /**
     * The devices that {@link #hotReset} resets, this one among them; empty if neither its bus nor its slot can be reset.
     *
     * @throws VfioException if the kernel does not tell
     * @throws IllegalStateException if the device is closed
     */
    public List<DependentDevice> hotResetDevices() {
        return new HotReset(descriptor, address.toString()).devices();
    }

    /**
     * Resets the bus or the slot of the device, and all devices there ({@code VFIO_DEVICE_PCI_HOT_RESET}); the kernel restores
     * their configuration space. The groups of all these devices must have been taken by this process: those of this
     * device's container are found, others are to be named, and not to be closed meanwhile.
     *
     * @param others groups of other containers that have devices there
     * @throws VfioException if the bus cannot be reset; a group is missing, with the names of its devices; a device of these
     *     groups has MSI-X enabled while its memory is not decoded; or the reset fails
     * @throws IllegalStateException if the device, or a group, is closed
     */
    public void hotReset(Group... others) {
        lock().lock();
        try {
            List<Group> taken = new ArrayList<>(container().groups());
            taken.addAll(List.of(others));
            taken.forEach(group -> group.requireRestorable("reset the bus of " + address));
            new HotReset(descriptor, address.toString()).reset(taken);
        } finally {
            lock().unlock();
        }
    }

    /**
     * Has a handler called when the kernel wants the device back, as somebody unbinds it from vfio-pci or unplugs it: that
     * one waits until the device is closed, and this is called every ten seconds. A handler that is set later replaces it.
     *
     * @param handler runs as those of {@link Interrupts#onInterrupt}
     * @throws VfioException if the kernel refuses, or {@link InterruptType#REQUEST} was enabled otherwise
     * @throws IllegalStateException if the device is closed
     */
    public void onDeviceRequest(Runnable handler) {
        lock().lock();
        try {
            if (releaseRequests == null) {
                releaseRequests = enableInterrupts(InterruptType.REQUEST, 1);
            }
            releaseRequests.onInterrupt(0, handler);
        } finally {
            lock().unlock();
        }
    }

    /**
     * Closes the device when the kernel wants it back: {@link #onDeviceRequest} of {@link #close}. A driver that has to
     * shut its device down first sets a handler of its own, which ends with that.
     *
     * @throws VfioException as {@link #onDeviceRequest}
     * @throws IllegalStateException if the device is closed
     */
    public void closeWhenReleaseIsRequested() {
        onDeviceRequest(this::close);
    }

    /**
     * Whether the kernel has a feature for this device.
     *
     * @throws VfioException if the kernel does not tell
     * @throws IllegalStateException if the device is closed
     */
    public boolean supports(DeviceFeature feature) {
        return feature.isKnown(descriptor, address.toString());
    }

    /**
     * Sets the secret that a program must know to open a virtual function of this physical function, with {@link
     * Group#openDevice(PciAddress, UUID)}.
     *
     * @throws VfioException if the device has no {@link DeviceFeature#VF_TOKEN}
     * @throws IllegalStateException if the device is closed
     */
    public void setVfToken(UUID token) {
        DeviceFeature.VF_TOKEN.set(
                descriptor,
                "set the VF token of " + address,
                MemorySegment.ofArray(ByteBuffer.allocate(2 * Long.BYTES)
                        .putLong(token.getMostSignificantBits())
                        .putLong(token.getLeastSignificantBits())
                        .array()));
    }

    /**
     * Lets the platform take the device's power away (D3cold, if it can) until {@link #exitLowPower}. A mapped BAR is not
     * accessible until then; calls wake the device for as long as they take.
     *
     * @throws VfioException if the kernel has no {@link DeviceFeature#LOW_POWER_ENTRY}, or it is so already
     * @throws IllegalStateException if the device is closed
     */
    public void enterLowPower() {
        DeviceFeature.LOW_POWER_ENTRY.set(descriptor, "let " + address + " have low power", MemorySegment.NULL);
        hasLowPower = true;
    }

    /**
     * Lets the platform take the device's power away, as {@link #enterLowPower}, until anything wakes the device: then it has
     * full power for good, and its driver is told. What wakes it are calls, of this process or of the kernel, and the device
     * itself if it can (PME). A call that comes before the platform has got to taking the power does not count as one.
     *
     * @return tells of it; the one that was returned before is closed
     * @throws VfioException if the kernel has no {@link DeviceFeature#LOW_POWER_ENTRY_WITH_WAKEUP}, or the device has low
     *     power already; nothing has changed then
     * @throws IllegalStateException if the device is closed
     */
    public WakeupEvent enterLowPowerWithWakeup() {
        String asked = "let " + address + " have low power until it is woken";
        lock().lock();
        try {
            descriptor.requireOpen();
            InterruptDispatcher started = dispatcher(asked);
            WakeupEvent entered = new WakeupEvent(
                    this,
                    started,
                    Descriptor.eventfd(kernel(), "the event that tells that " + address + " is woken", asked));
            boolean hadLowPower = hasLowPower;
            hasLowPower = true;
            try (Arena arena = Arena.ofConfined()) {
                entered.listen();
                MemorySegment entry = arena.allocate(vfio_device_low_power_entry_with_wakeup.layout());
                vfio_device_low_power_entry_with_wakeup.wakeup_eventfd(entry, entered.eventfd());
                DeviceFeature.LOW_POWER_ENTRY_WITH_WAKEUP.set(descriptor, asked, entry);
            } catch (RuntimeException e) {
                hasLowPower = hadLowPower;
                Teardown.after(e, entered::close);
                throw e;
            }
            WakeupEvent former = wakeUp;
            wakeUp = entered;
            if (former != null) {
                // The device had power, or it could not have been let lose it.
                former.wake();
                former.close();
            }
            return entered;
        } finally {
            lock().unlock();
        }
    }

    /** The kernel has given it power again, and told so. */
    void woken() {
        hasLowPower = false;
    }

    /**
     * Gives the device power again; it may have forgotten everything. Nothing happens if it has. Who waits for a {@link
     * WakeupEvent} is told.
     *
     * @throws VfioException if the kernel has no {@link DeviceFeature#LOW_POWER_EXIT}
     * @throws IllegalStateException if the device is closed
     */
    public void exitLowPower() {
        lock().lock();
        try {
            DeviceFeature.LOW_POWER_EXIT.set(descriptor, "give " + address + " full power", MemorySegment.NULL);
            hasLowPower = false;
            if (wakeUp != null) {
                // The kernel tells nobody if it had not got to taking the power.
                wakeUp.wake();
            }
        } finally {
            lock().unlock();
        }
    }

    /** An event that has the kernel write to a register. */
    EventFd eventOf(IoEvent event, String asked) {
        lock().lock();
        try {
            descriptor.requireOpen();
            Descriptor eventfd = Descriptor.eventfd(kernel(), "the event that writes to " + address, asked);
            try {
                event.add(descriptor, asked, eventfd.number());
            } catch (RuntimeException e) {
                Teardown.after(e, eventfd::close);
                throw e;
            }
            EventFd made = new EventFd(eventfd, () -> event.remove(descriptor, "no longer " + asked), lock());
            events.add(made);
            return made;
        } finally {
            lock().unlock();
        }
    }

    /**
     * Closes it, and disables its interrupts; the kernel turns its bus mastering off and resets it if it can. If it was opened with {@link #open}, its
     * container is closed, with all that belongs to it.
     */
    @Override
    public void close() {
        lock().lock();
        try {
            if (ownsContainer) {
                container().close(); // which closes this device; its call of this method finds it closed
            }
            group.closed(this);
            Teardown teardown = new Teardown();
            events.forEach(event -> teardown.step(event::close));
            events.clear();
            if (wakeUp != null) {
                teardown.step(wakeUp::close);
            }
            List.copyOf(interrupts.values()).forEach(enabled -> teardown.step(enabled::close));
            if (dispatcher != null) {
                teardown.step(dispatcher::close);
            }
            // What is mapped keeps the device open.
            mappings.forEach(mapping -> mapping.unmap(teardown));
            teardown.step(descriptor::close);
            teardown.end();
        } finally {
            lock().unlock();
        }
    }

    /** Whether its container is closed with it. */
    boolean ownsContainer() {
        return ownsContainer;
    }

    /** What all changes to what belongs to the container are made under. */
    Lock lock() {
        return group.container().lock();
    }

    Kernel kernel() {
        return group.kernel();
    }

    /** Its address. */
    @Override
    public String toString() {
        return address.toString();
    }
}
