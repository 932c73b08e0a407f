package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.DeviceBus;
import org.jvfio.emulator.device.DeviceIdentity;
import org.jvfio.emulator.device.DeviceInterrupts;
import org.jvfio.emulator.device.EmulatedDevice;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

/**
 * A PCI function of the host: its registers, its DMA through its partitionable endpoint, its driver, and its vfio-pci
 * state while it is open.
 */
final class PciFunction implements DeviceBus {
    /** What the model did when an action that it had scheduled failed. */
    static final String AFTER = "after";

    private static final int D3HOT = 3;
    private static final int REQUESTS_LOGGED = 10;
    private static final long MEMORY_FLAGS = 0xf;
    private static final long PORT_FLAGS = 0x3;

    private final EmulatedHost host;
    private final Slot slot;
    private final Pe pe;
    private final EmulatedDevice model;
    /** The model, with what was put around it. */
    private final EmulatedDevice device;

    private final PciBars bars;
    private final ExpansionRom rom;
    private final ConfigRegisters registers;
    private final DeviceInterrupts hardware;
    private final VfioInterrupts interrupts;
    private final RegisterPath path;
    private final ConfigAccess access;
    private final IoEvents ioEvents;
    private final DeviceFeatures features;
    private VfioConfig config;
    private HostDriver driver;
    private @Nullable String driverOverride;
    private int openCount;
    private int powerState;
    private long generation;
    private boolean wanted;
    private boolean romAllowed;

    PciFunction(EmulatedHost host, Slot slot, Pe pe) {
        this.host = host;
        this.slot = slot;
        this.pe = pe;
        this.model = made(slot, host);
        DeviceProperties.requireAll(slot.address(), model, slot.rom() == null);
        this.device = host.wrapper().wrap(slot.address(), model);
        boolean refused =
                slot.driver() == HostDriver.VFIO_PCI && !host.machine().kernel().bindsDevices();
        this.driver = refused ? HostDriver.NONE : slot.driver();
        this.driverOverride =
                slot.driver() == HostDriver.VFIO_PCI ? slot.driver().sysfsName(0) : null;
        hardware = device.interrupts();
        path = new RegisterPath(host, this, pe);
        path.bound(true);
        boolean hasPorts = pe.bridge().platform().hasPorts();
        bars = usable(() -> new PciBars(
                this, device, hardware, hasPorts, 1L << host.machine().pageShift()));
        rom = usable(() -> Objects.requireNonNullElseGet(slot.rom(), () -> new ExpansionRom(device.rom())));
        boolean powernv = host.machine().platform().isPowernv();
        registers = usable(() -> new ConfigRegisters(device, bars, romBytes(), powernv, options()));
        EmulatedMachine machine = host.machine();
        interrupts = new VfioInterrupts(
                hardware,
                registers.found(),
                isTableInBar(),
                registers.found().isExpress() || machine.kernel().anyDeviceHasErrorInterrupt(),
                machine.interruptVectors(),
                pe.bridge().platform());
        access = new ConfigAccess(this, pe, registers, interrupts, powernv);
        ioEvents = new IoEvents(this, machine.kernel());
        features = new DeviceFeatures(machine.kernel(), found().hasVirtualFunctions());
        config = new VfioConfig(this, registers);
        device.plug(this);
    }

    @SuppressWarnings("ReferenceEquality") // devices may be equal, and two
    private static EmulatedDevice made(Slot slot, EmulatedHost host) {
        EmulatedDevice made = slot.device().get();
        if (made == null) {
            throw new IllegalArgumentException("the supplier of the device at " + slot.address() + " returned null");
        }
        for (PciFunction other : host.functions().values()) {
            if (other.model == made) {
                throw new IllegalArgumentException("the device at %s is the one at %s; its supplier makes one for each"
                        .formatted(slot.address(), other.address()));
            }
        }
        return made;
    }

    /** Makes a part of the device, and adds the device to the message if it is invalid. */
    private <T> T usable(Supplier<T> part) {
        try {
            return part.get();
        } catch (IllegalArgumentException invalid) {
            throw new IllegalArgumentException("the device at " + address() + " has " + invalid.getMessage(), invalid);
        }
    }

    String address() {
        return slot.address();
    }

    int domain() {
        return slot.domain();
    }

    int bus() {
        return addressField(5, 7);
    }

    /** The devfn: device and function number. */
    int devfn() {
        return addressField(8, 10) << 3 | addressField(11, 12);
    }

    private int addressField(int from, int to) {
        return Integer.parseInt(slot.address(), from, to, 16);
    }

    DeviceIdentity identity() {
        return device.identity();
    }

    List<Path> files() {
        return device.files();
    }

    HostDriver driver() {
        return driver;
    }

    /** The name of its driver in {@code /sys/bus/pci/drivers}; empty for none. */
    String driverName() {
        return driver.sysfsName(identity().classCode());
    }

    void bind(HostDriver newDriver) {
        driver = newDriver;
        if (isBoundToVfio()) {
            path.bound(false);
        }
    }

    @Nullable
    String driverOverride() {
        return driverOverride;
    }

    /** The driver_override: the only driver that may bind, whatever ids it supports; null for none. */
    void driverOverride(@Nullable String name) {
        driverOverride = name;
    }

    /** Whether the device may be bound to a driver. */
    boolean takes(HostDriver other) {
        return driverOverride == null
                ? other == HostDriver.OTHER
                : driverOverride.equals(other.sysfsName(identity().classCode()));
    }

    boolean isBoundToVfio() {
        return driver == HostDriver.VFIO_PCI;
    }

    boolean isUsedByHost() {
        return driver == HostDriver.OTHER;
    }

    boolean isOpen() {
        return openCount > 0;
    }

    /** Whether the host waits for the device to be closed, and refuses to open it. */
    boolean isWanted() {
        return wanted;
    }

    void wanted(boolean byHost) {
        wanted = byHost;
    }

    /** {@code vfio_pci_core_request}: the host requests the device from its user, for the first time or again. */
    void request(int times) {
        boolean told = interrupts.requestDevice();
        String prefix = "vfio-pci " + address() + ": ";
        if (told && times % REQUESTS_LOGGED == 0) {
            host.kernelLog().add(prefix + "Relaying device request to user (#" + times + ")");
        } else if (!told && times == 0) {
            host.kernelLog().add(prefix + "No device request channel registered, blocked until released by user");
        }
    }

    FunctionOptions options() {
        return slot.options();
    }

    /** Its configuration space, as the host accesses it. */
    ConfigAccess access() {
        return access;
    }

    /** Whether it was pulled out of its slot. */
    boolean isRemoved() {
        return path.isRemoved();
    }

    /** It is pulled out of its slot: what it does ends, and nothing reaches it any more. */
    void remove() {
        path.remove();
        generation++;
        if (hardware.line()) {
            interrupts.line().set(false);
        }
    }

    PciBars bars() {
        return bars;
    }

    /** Where firmware has put a BAR. */
    long barAddress(int bar) {
        int register = ConfigRegisters.barRegister(bar);
        long high = bars.isWide(bar) ? registers.assigned(register + Integer.BYTES) : 0;
        long flags = bars.hasPorts(bar) ? PORT_FLAGS : MEMORY_FLAGS;
        return high << Integer.SIZE | (registers.assigned(register) & ~flags);
    }

    /** Whether a bus address is in one of its memory BARs. */
    boolean hasBarAt(long busAddress) {
        for (int bar = 0; bar < bars.count(); bar++) {
            if (!bars.hasPorts(bar) && Long.compareUnsigned(busAddress - barAddress(bar), bars.bytes(bar)) < 0) {
                return true;
            }
        }
        return false;
    }

    /** Where firmware has put the ROM. */
    long romAddress() {
        return registers.assigned(vfio_h.PCI_ROM_ADDRESS) & ~1L;
    }

    /** What Linux has found in its configuration space. */
    FoundCapabilities found() {
        return registers.found();
    }

    /** Whether Linux can map the MSI-X table: {@code msix_map_region}. */
    private boolean isTableInBar() {
        int bar = found().tableBar();
        return bar < bars.count() && bars.isAssigned(bar);
    }

    /** The size of the ROM BAR, 0 for none. */
    int romBytes() {
        return rom.barBytes();
    }

    /** Whether Linux finds a valid image in the ROM ({@code pci_map_rom}). */
    boolean showsRomImage() {
        return reachesRom(0) && rom.imageBytes() != 0;
    }

    VfioInterrupts interrupts() {
        return interrupts;
    }

    VfioConfig config() {
        return config;
    }

    IoEvents ioEvents() {
        return ioEvents;
    }

    DeviceFeatures features() {
        return features;
    }

    void opened() {
        if (openCount++ == 0) {
            path.opened();
            pe.thawRegisters();
            pe.thawDma();
            giveToUser();
            config = new VfioConfig(this, registers);
        }
    }

    void closed() {
        if (--openCount == 0) {
            if (host.machine().eeh()) {
                // eeh_dev_release calls eeh_pe_change_owner, as eeh_dev_open does.
                pe.thawRegisters();
                pe.thawDma();
            }
            features.release();
            interrupts.release();
            ioEvents.release();
            giveToUser();
        }
    }

    /** Resets the device between users, if possible, and always restores the host's configuration space. */
    private void giveToUser() {
        if (canReset()) {
            forget();
            interrupts.reset();
        }
        powerState = 0;
        path.restoreBars();
        registers.restore();
    }

    boolean canReset() {
        return !resetMethods().isEmpty();
    }

    /** How the host can reset it, best first. A bus reset needs a bridge, and no other device on the bus. */
    List<String> resetMethods() {
        return found().resetMethods(host.machine().platform().isPowernv()
                && host.onBusOf(this).size() == 1);
    }

    /** A function reset, after which the host restores configuration space and the MSI-X table. */
    void reset() {
        if (interrupts.isMsixEnabled() && !config.decodesMemory()) {
            machineCheck(() -> "reset of " + address() + " with MSI-X enabled while its memory is not decoded");
        }
        resetRegisters();
    }

    private void resetRegisters() {
        forget();
        interrupts.reset();
        registers.resetByHost();
    }

    private void forget() {
        generation++;
        powerState = 0;
        tell("reset", device::reset);
    }

    /** Calls the device's model, and reports what it throws. */
    private void tell(String during, Runnable call) {
        try {
            call.run();
        } catch (RuntimeException | Error failure) {
            failed(during, failure);
            throw failure;
        }
    }

    /** Reports what the device's model has thrown. */
    void failed(String during, Throwable failure) {
        host.deviceFailed(slot.address(), during, failure);
    }

    /** The bus is reset: the device loses its state, and decodes nothing until it is configured again. */
    void resetByBus() {
        forget();
        interrupts.resetByBus();
        registers.resetByBus();
    }

    /**
     * The reset of the endpoint ends: {@code eeh_restore_one_device_bars} and {@code pci_reenable_device}. Memory
     * decoding is on, but the host restores the BARs that it saved before it assigned addresses, so the device decodes
     * none until vfio-pci restores them, at the user's next write to the command register.
     */
    void restoreAfterReset() {
        registers.restore();
        path.loseBars();
    }

    /** The host has reset the device, and configured it as after boot. */
    void recoveredByHost() {
        resetByBus();
        registers.restore();
    }

    /** The user sets the power state, 0 to 3; a device supports D0 and D3hot. */
    void power(int state) {
        if (!found().managesPower() || state == powerState || (state != 0 && state != D3HOT)) {
            return;
        }
        int control = found().offset(vfio_h.PCI_CAP_ID_PM) + vfio_h.PCI_PM_CTRL;
        boolean resets = state == 0 && (registers.getShort(control) & vfio_h.PCI_PM_CTRL_NO_SOFT_RESET) == 0;
        if (resets) {
            resetRegisters();
        }
        powerState = state;
        registers.change(control, vfio_h.PCI_PM_CTRL_STATE_MASK, state == D3HOT);
    }

    /** Reads the ROM: the count of bytes, or a negated errno. */
    long readRom(MemorySegment buffer, long offset) {
        if (offset >= romBytes()) {
            return Errno.EINVAL.negated();
        }
        int image = mappedImageBytes(offset);
        return image == 0 ? Errno.ENOMEM.negated() : copyRom(buffer, offset, romBytes(), image);
    }

    /** Allows sysfs to read the ROM, or forbids it, as at boot. */
    void allowRomReads(boolean allowed) {
        romAllowed = allowed;
    }

    /** Reads the images of the ROM through sysfs: the count of bytes, or a negated errno. */
    long readRomImage(MemorySegment buffer, long offset) {
        if (!romAllowed) {
            return Errno.EINVAL.negated();
        }
        int image = mappedImageBytes(offset);
        return image == 0 ? Errno.EIO.negated() : copyRom(buffer, offset, image, image);
    }

    /** {@code pci_map_rom}: the size of the images that Linux finds in the ROM; 0 if it finds none. */
    private int mappedImageBytes(long offset) {
        boolean answers = reachesRom(offset);
        if (answers && !decodesMemory()) {
            // It looks for an image, whatever is in the command register.
            machineCheck(() -> "read of the ROM of %s, whose memory is disabled".formatted(address()));
        }
        return answers ? rom.imageBytes() : 0;
    }

    /** Copies a part of the ROM up to an end, with ones behind its images. */
    private long copyRom(MemorySegment buffer, long offset, int end, int imageEnd) {
        long size = Math.clamp(end - offset, 0, buffer.byteSize());
        for (long at = 0; at < size; at++) {
            int place = (int) (offset + at);
            buffer.set(ValueLayout.JAVA_BYTE, at, place < imageEnd ? rom.byteAt(place) : (byte) -1);
        }
        return size;
    }

    /** Accesses a BAR: the number of bytes, or a negated errno. */
    long accessBar(int bar, MemorySegment buffer, long offset, boolean write) {
        int widest = host.machine().kernel().readsEightBytes() ? Long.BYTES : Integer.BYTES;
        return bars.access(bar, buffer, offset, write, widest);
    }

    /** Whether Linux gives each of its memory BARs pages of its own ({@code pcibios_default_alignment}). */
    boolean alignsToPages() {
        return pe.bridge().platform().isPowernv();
    }

    /** Whether the user may access BARs. */
    boolean decodesMemory() {
        return config.decodesMemory() && powerState != D3HOT;
    }

    /** Whether the device decodes I/O ports. */
    boolean decodesPorts() {
        return (registers.getShort(vfio_h.PCI_COMMAND) & vfio_h.PCI_COMMAND_IO) != 0;
    }

    /** Whether an access to a BAR reaches the device. */
    boolean reachesBar(int bar, long offset, boolean write) {
        return path.reaches(barAddress(bar) + offset, write, bar);
    }

    private boolean reachesRom(long offset) {
        return path.reaches(romAddress() + offset, false, RegisterPath.ROM);
    }

    /** Whether a load from a mapped BAR reaches the device. */
    boolean reachesMappings() {
        return path.isOpen() && decodesMemory() && isAwake();
    }

    /** The user has written the command register: {@code vfio_bar_restore}. */
    void restoreBars() {
        path.restoreBars();
    }

    /** Reports an access that a real device answers with a machine check. */
    void machineCheck(Supplier<String> access) {
        host.hazard(Hazard.MACHINE_CHECK, access);
    }

    @Override
    public boolean readMemory(long busAddress, MemorySegment into, long offset, long length) {
        return transfer(busAddress, into, offset, length, false);
    }

    @Override
    public boolean writeMemory(long busAddress, MemorySegment from, long offset, long length) {
        return transfer(busAddress, from, offset, length, true);
    }

    private boolean transfer(long busAddress, MemorySegment data, long offset, long length, boolean toMemory) {
        if (length < 0) {
            throw new IllegalArgumentException(
                    "%s: DMA of %d bytes at 0x%x: the length is negative".formatted(address(), length, busAddress));
        }
        if (offset < 0 || offset > data.byteSize() - length) {
            throw new IndexOutOfBoundsException("%s: DMA of %d bytes at offset %d of a segment of %d bytes"
                    .formatted(address(), length, offset, data.byteSize()));
        }
        if (!mastersBus()) {
            FailedDma.Reason reason = isAwake() ? FailedDma.Reason.BUS_MASTERING_OFF : FailedDma.Reason.LOW_POWER;
            pe.refuse(slot.address(), busAddress, length, toMemory, reason);
            return false;
        }
        return pe.transfer(slot.address(), busAddress, data, offset, length, toMemory);
    }

    private boolean mastersBus() {
        return (registers.getShort(vfio_h.PCI_COMMAND) & vfio_h.PCI_COMMAND_MASTER) != 0
                && isAwake()
                && !path.isRemoved();
    }

    private boolean isAwake() {
        return powerState != D3HOT && !features.isLowPower();
    }

    @Override
    public MemorySegment barMemory(int bar) {
        return bars.memory(bar);
    }

    /** A message is a DMA write, and blocked where DMA is. */
    @Override
    public void sendMessage(int vector) {
        if (mastersBus() && !pe.dmaFrozen()) {
            interrupts.message(vector);
        }
    }

    @Override
    public boolean sendsMessages() {
        return interrupts.sendsMessages();
    }

    @Override
    public boolean sendsMsix() {
        return interrupts.isMsixEnabled();
    }

    @Override
    public void setLine(boolean asserted) {
        if (!hardware.line()) {
            throw new IllegalStateException(address() + " has no interrupt line, according to its DeviceInterrupts");
        }
        interrupts.line().set(asserted);
    }

    @Override
    public void after(Duration delay, Runnable action) {
        if (delay.isNegative()) {
            throw new IllegalArgumentException(address() + ": a delay of " + delay + ": it is negative");
        }
        long scheduledIn = generation;
        host.after(delay, () -> {
            if (generation == scheduledIn) {
                tell(AFTER, action);
            }
        });
    }
}
