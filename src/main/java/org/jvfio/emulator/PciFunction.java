package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
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

    private final EmulatedHost host;
    private final EmulatedMachine.Slot slot;
    private final Pe pe;
    private final EmulatedDevice model;
    /** The model, with what was put around it. */
    private final EmulatedDevice device;

    private final PciBars bars;
    private final ExpansionRom rom;
    private final ConfigRegisters registers;
    private final DeviceInterrupts hardware;
    private final VfioInterrupts interrupts;
    private final IoEvents ioEvents;
    private final DeviceFeatures features;
    private VfioConfig config;
    private HostDriver driver;
    private @Nullable String driverOverride;
    private int openCount;
    private int powerState;
    private long generation;
    private boolean wanted;
    private boolean barsLost;
    private boolean removed;

    PciFunction(EmulatedHost host, EmulatedMachine.Slot slot, Pe pe) {
        this.host = host;
        this.slot = slot;
        this.pe = pe;
        this.model = made(slot, host);
        this.device = host.wrapper().wrap(slot.address(), model);
        boolean refused =
                slot.driver() == HostDriver.VFIO_PCI && !host.machine().kernel().bindsDevices();
        this.driver = refused ? HostDriver.NONE : slot.driver();
        this.driverOverride =
                slot.driver() == HostDriver.VFIO_PCI ? slot.driver().sysfsName() : null;
        hardware = device.interrupts();
        bars = usable(() -> new PciBars(this, device, hardware));
        rom = usable(() -> Objects.requireNonNullElseGet(slot.rom(), () -> new ExpansionRom(device.rom())));
        registers = new ConfigRegisters(
                device, bars, romBytes(), host.machine().platform().isPowernv());
        EmulatedMachine machine = host.machine();
        interrupts = new VfioInterrupts(
                hardware,
                device.isExpress() || machine.kernel().anyDeviceHasErrorInterrupt(),
                machine.interruptVectors(),
                pe.bridge().platform());
        ioEvents = new IoEvents(this, machine.kernel());
        features = new DeviceFeatures(hasVirtualFunctions());
        config = new VfioConfig(this, registers);
        device.plug(this);
    }

    @SuppressWarnings("ReferenceEquality") // devices may be equal, and two
    private static EmulatedDevice made(EmulatedMachine.Slot slot, EmulatedHost host) {
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

    void bind(HostDriver newDriver) {
        driver = newDriver;
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
        return driverOverride == null ? other == HostDriver.OTHER : driverOverride.equals(other.sysfsName());
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

    PciBars bars() {
        return bars;
    }

    /** Where firmware has put a BAR. */
    long barAddress(int bar) {
        int register = ConfigRegisters.barRegister(bar);
        long high = bars.isWide(bar) ? registers.assigned(register + Integer.BYTES) : 0;
        return high << Integer.SIZE | (registers.assigned(register) & ~0xfL);
    }

    /** Whether a bus address is in one of its BARs. */
    boolean hasBarAt(long busAddress) {
        for (int bar = 0; bar < bars.count(); bar++) {
            if (Long.compareUnsigned(busAddress - barAddress(bar), bars.bytes(bar)) < 0) {
                return true;
            }
        }
        return false;
    }

    /** Where firmware has put the ROM. */
    long romAddress() {
        return registers.assigned(vfio_h.PCI_ROM_ADDRESS) & ~1L;
    }

    boolean isExpress() {
        return device.isExpress();
    }

    /** Whether it has power states other than D0. */
    boolean managesPower() {
        return registers.capability(vfio_h.PCI_CAP_ID_PM) != 0;
    }

    /** The size of the ROM BAR, 0 for none. */
    int romBytes() {
        return rom.barBytes();
    }

    /** Whether Linux finds a valid image in the ROM ({@code pci_map_rom}). */
    boolean showsRomImage() {
        return reachesRom(0) && rom.imageBytes() != 0;
    }

    /** The size of configuration space: 256 bytes, or 4096. */
    int configBytes() {
        return registers.size();
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

    /** Whether it has the SR-IOV capability. */
    boolean hasVirtualFunctions() {
        return registers.hasExtended(vfio_h.PCI_EXT_CAP_ID_SRIOV);
    }

    void opened() {
        if (openCount++ == 0) {
            pe.thawRegisters();
            pe.thawDma();
            giveToUser();
            config = new VfioConfig(this, registers);
        }
    }

    void closed() {
        if (--openCount == 0) {
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
        barsLost = false;
        registers.restore();
    }

    /** A PCI Express function has FLR; others are reset with their bus, if no other device is on it. */
    boolean canReset() {
        return device.isExpress()
                || (host.machine().platform().isPowernv() && host.onBusOf(this).size() == 1);
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

    /** It is pulled out: actions that it has scheduled do not run, and it is not accessible any more. */
    void remove() {
        if (!removed) {
            removed = true;
            generation++;
            request(0);
        }
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
        barsLost = true;
    }

    /** The host has reset the device, and configured it as after boot. */
    void recoveredByHost() {
        resetByBus();
        registers.restore();
    }

    /** The user sets the power state, 0 to 3; a device supports D0 and D3hot. */
    void power(int state) {
        int management = registers.capability(vfio_h.PCI_CAP_ID_PM);
        if (state == powerState || (state != 0 && state != D3HOT)) {
            return;
        }
        int control = management + vfio_h.PCI_PM_CTRL;
        boolean resets = state == 0 && (registers.getShort(control) & vfio_h.PCI_PM_CTRL_NO_SOFT_RESET) == 0;
        if (resets) {
            resetRegisters();
        }
        powerState = state;
        registers.change(control, vfio_h.PCI_PM_CTRL_STATE_MASK, state == D3HOT);
    }

    boolean isConfigBlocked() {
        return pe.configBlocked();
    }

    private int blockedError() {
        return (host.machine().platform().isPowernv() ? Errno.ENODEV : Errno.EIO).negated();
    }

    /** A byte of configuration space, including the device's live status bits. */
    byte readRegister(int register) {
        int value = registers.get(register);
        if (register == vfio_h.PCI_STATUS && interrupts.line().isAsserted()) {
            value |= vfio_h.PCI_STATUS_INTERRUPT;
        }
        int extended = registers.capability(vfio_h.PCI_CAP_ID_MSIX);
        if (extended != 0 && register == extended + vfio_h.PCI_MSIX_FLAGS + 1 && interrupts.isMsixEnabled()) {
            value |= vfio_h.PCI_MSIX_FLAGS_ENABLE >> Byte.SIZE;
        }
        return (byte) value;
    }

    /** The host reads up to 4 bytes of configuration space: the value, or a negated errno. */
    long readConfig(int register, int bytes) {
        if (pe.configBlocked()) {
            return blockedError();
        }
        boolean reaches = pe.configAccess(InjectedError.configAddress(bus(), devfn(), register), false) && !removed;
        long value = 0;
        for (int each = bytes - 1; each >= 0; each--) {
            value = value << Byte.SIZE | (reaches ? readRegister(register + each) & 0xff : 0xff);
        }
        return value;
    }

    /** The host writes configuration space: 0, or a negated errno. */
    long writeConfig(int register, int bytes, int value) {
        if (pe.configBlocked()) {
            return blockedError();
        }
        if (pe.configAccess(InjectedError.configAddress(bus(), devfn(), register), true) && !removed) {
            for (int each = 0; each < bytes; each++) {
                registers.put(register + each, (byte) (value >>> (each * Byte.SIZE)));
            }
        }
        return 0;
    }

    /**
     * Clears the address bits of BARs in a copy of configuration space that cannot be set, so that they show the size.
     */
    void showBarSizes(ByteBuffer copy) {
        // In an LPAR, Linux takes BAR types from the device tree, which does not mark 64-bit BARs.
        bars.showSizes(copy, host.machine().platform().isPowernv());
        int romMask = romBytes() == 0 ? 0 : -romBytes() | vfio_h.PCI_ROM_ADDRESS_ENABLE;
        copy.putInt(vfio_h.PCI_ROM_ADDRESS, copy.getInt(vfio_h.PCI_ROM_ADDRESS) & romMask);
    }

    /** Reads the ROM: the count of bytes, or a negated errno. */
    long readRom(MemorySegment buffer, long offset) {
        if (offset >= romBytes()) {
            return Errno.EINVAL.negated();
        }
        boolean answers = reachesRom(offset);
        if (answers && !decodesMemory()) {
            // pci_map_rom looks for an image, whatever is in the command register.
            machineCheck(() -> "pread of the ROM of %s, whose memory is disabled".formatted(address()));
        }
        if (!answers || rom.imageBytes() == 0) {
            return Errno.ENOMEM.negated();
        }
        int end = rom.imageBytes();
        long size = Math.min(buffer.byteSize(), romBytes() - offset);
        for (long at = 0; at < size; at++) {
            int place = (int) (offset + at);
            buffer.set(ValueLayout.JAVA_BYTE, at, place < end ? rom.byteAt(place) : (byte) -1);
        }
        return size;
    }

    /** Accesses a BAR: the number of bytes, or a negated errno. */
    long accessBar(int bar, MemorySegment buffer, long offset, boolean write) {
        int widest = host.machine().kernel().readsEightBytes() ? Long.BYTES : Integer.BYTES;
        return bars.access(bar, buffer, offset, write, widest);
    }

    /** Whether the user may access BARs. */
    boolean decodesMemory() {
        return config.decodesMemory() && powerState != D3HOT;
    }

    /**
     * Whether an access to a BAR reaches the device's registers; not if its endpoint is frozen, or its BARs are lost.
     */
    boolean reachesBar(int bar, long offset, boolean write) {
        return pe.registerAccess(barAddress(bar) + offset, write) && !removed && !lacksBars("BAR " + bar);
    }

    private boolean reachesRom(long offset) {
        return pe.registerAccess(romAddress() + offset, false) && !removed && !lacksBars("the ROM");
    }

    private boolean lacksBars(String accessed) {
        if (barsLost) {
            machineCheck(() -> ("access to %s of %s, which lost its BARs in the reset of its PE; write its command"
                            + " register, upon which vfio-pci restores them")
                    .formatted(accessed, address()));
        }
        return barsLost;
    }

    /** The user has written the command register: {@code vfio_bar_restore}. */
    void restoreBars() {
        barsLost = false;
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
        if (!mastersBus()) {
            FailedDma.Reason reason = isAwake() ? FailedDma.Reason.BUS_MASTERING_OFF : FailedDma.Reason.LOW_POWER;
            pe.refuse(slot.address(), busAddress, length, toMemory, reason);
            return false;
        }
        return pe.transfer(slot.address(), busAddress, data, offset, length, toMemory);
    }

    private boolean mastersBus() {
        return (registers.getShort(vfio_h.PCI_COMMAND) & vfio_h.PCI_COMMAND_MASTER) != 0 && isAwake() && !removed;
    }

    private boolean isAwake() {
        return powerState != D3HOT && !features.isLowPower();
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
        long scheduledIn = generation;
        host.after(delay, () -> {
            if (generation == scheduledIn) {
                tell(AFTER, action);
            }
        });
    }
}
