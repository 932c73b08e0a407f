package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
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
    private static final int BARS = 6;
    private static final int MIN_BAR_BYTES = 16;
    private static final int D3HOT = 3;
    private static final int REQUESTS_LOGGED = 10;

    private final EmulatedHost host;
    private final EmulatedMachine.Slot slot;
    private final Pe pe;
    private final EmulatedDevice device;
    private final long[] barBytes = new long[BARS];
    private final boolean[] wide = new boolean[BARS];
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

    PciFunction(EmulatedHost host, EmulatedMachine.Slot slot, Pe pe) {
        this.host = host;
        this.slot = slot;
        this.pe = pe;
        this.device = slot.device().get();
        boolean refused =
                slot.driver() == HostDriver.VFIO_PCI && !host.machine().kernel().bindsDevices();
        this.driver = refused ? HostDriver.NONE : slot.driver();
        this.driverOverride =
                slot.driver() == HostDriver.VFIO_PCI ? slot.driver().sysfsName() : null;
        hardware = device.interrupts();
        takeBars();
        rom = rom();
        requireTableInBar();
        registers = new ConfigRegisters(
                device, barBytes, wide, romBytes(), host.machine().platform().isPowernv());
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

    private void takeBars() {
        long[] bars = device.barBytes();
        if (bars.length > BARS) {
            throw unusable("%d BARs: the maximum is 6".formatted(bars.length));
        }
        System.arraycopy(bars, 0, barBytes, 0, bars.length);
        for (int bar = 0; bar < BARS; bar++) {
            long bytes = barBytes[bar];
            wide[bar] = bytes != 0 && device.isWideBar(bar);
            if (bytes != 0 && (bytes < MIN_BAR_BYTES || Long.bitCount(bytes) != 1)) {
                throw unusable("BAR %2$d of %1$d bytes: the size is a power of two, at least 16".formatted(bytes, bar));
            }
            if (!wide[bar] && bytes > 1L << 30) {
                throw unusable("BAR %2$d of %1$d bytes: above 1 GiB it must be 64 bits wide".formatted(bytes, bar));
            }
            if (bar > 0 && wide[bar - 1] && bytes != 0) {
                throw unusable("a BAR %d, which is the upper half of the 64-bit BAR before it".formatted(bar));
            }
        }
        if (wide[BARS - 1]) {
            throw unusable("a BAR 5 that is 64 bits wide: there is no BAR 6 for its upper half");
        }
    }

    /** The ROM that the machine sets for this address, or else the device's own. */
    private ExpansionRom rom() {
        try {
            return Objects.requireNonNullElseGet(slot.rom(), () -> new ExpansionRom(device.rom()));
        } catch (IllegalArgumentException e) {
            throw unusable(String.valueOf(e.getMessage()));
        }
    }

    private void requireTableInBar() {
        long end = Math.max(
                hardware.tableOffset() + hardware.vectors() * (long) vfio_h.PCI_MSIX_ENTRY_SIZE,
                hardware.pendingOffset() + pendingBytes());
        if (hardware.vectors() > 0 && end > barBytes[hardware.tableBar()]) {
            throw unusable("an MSI-X table or pending bits that end at 0x%x in BAR %d, which has 0x%x bytes"
                    .formatted(end, hardware.tableBar(), barBytes[hardware.tableBar()]));
        }
    }

    private IllegalArgumentException unusable(String what) {
        return new IllegalArgumentException("the device at " + address() + " has " + what);
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

    /** The size of a BAR; 0 for one that does not exist, or is the upper half of a 64-bit BAR. */
    long barBytes(int bar) {
        return barBytes[bar];
    }

    /** Whether a BAR is 64 bits wide. */
    boolean isWideBar(int bar) {
        return wide[bar];
    }

    /** Where firmware has put a BAR. */
    long barAddress(int bar) {
        int register = ConfigRegisters.barRegister(bar);
        long high = wide[bar] ? registers.assigned(register + Integer.BYTES) : 0;
        return high << Integer.SIZE | (registers.assigned(register) & ~0xfL);
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
        return pe.registerAccess() && rom.imageBytes() != 0;
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
            host.hazard(
                    Hazard.MACHINE_CHECK,
                    () -> "reset of " + address() + " with MSI-X enabled while its memory is not decoded");
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
        device.reset();
    }

    /** The bus is reset: the device loses its state, and decodes nothing until it is configured again. */
    void resetByBus() {
        forget();
        interrupts.resetByBus();
        registers.resetByBus();
    }

    void restoreAfterReset() {
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
        if (register == vfio_h.PCI_STATUS && interrupts.isLineAsserted()) {
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
        long value = 0;
        for (int each = bytes - 1; each >= 0; each--) {
            value = value << Byte.SIZE | (pe.configAccess() ? readRegister(register + each) & 0xff : 0xff);
        }
        return value;
    }

    /** The host writes configuration space: 0, or a negated errno. */
    long writeConfig(int register, int bytes, int value) {
        if (pe.configBlocked()) {
            return blockedError();
        }
        if (pe.configAccess()) {
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
        for (int bar = 0; bar < BARS; bar++) {
            int register = ConfigRegisters.barRegister(bar);
            if (barBytes[bar] == 0) {
                copy.putInt(register, 0);
                continue;
            }
            long mask = -barBytes[bar];
            // In an LPAR, Linux takes BAR types from the device tree, which does not mark 64-bit BARs.
            boolean shownWide = wide[bar] && host.machine().platform().isPowernv();
            int type = shownWide ? vfio_h.PCI_BASE_ADDRESS_MEM_TYPE_64 : 0;
            copy.putInt(register, (copy.getInt(register) & (int) mask) | type);
            if (shownWide) {
                register += Integer.BYTES;
                copy.putInt(register, copy.getInt(register) & (int) (mask >>> Integer.SIZE));
                bar++;
            }
        }
        int romMask = romBytes() == 0 ? 0 : -romBytes() | vfio_h.PCI_ROM_ADDRESS_ENABLE;
        copy.putInt(vfio_h.PCI_ROM_ADDRESS, copy.getInt(vfio_h.PCI_ROM_ADDRESS) & romMask);
    }

    /** Reads the ROM: the count of bytes, or a negated errno. */
    long readRom(MemorySegment buffer, long offset) {
        if (offset >= romBytes()) {
            return Errno.EINVAL.negated();
        }
        boolean answers = pe.registerAccess();
        if (answers && !decodesMemory()) {
            // pci_map_rom looks for an image, whatever is in the command register.
            host.hazard(
                    Hazard.MACHINE_CHECK,
                    () -> "pread of the ROM of %s, whose memory is disabled".formatted(address()));
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

    /** Accesses a BAR, in pieces as large as alignment allows: the count of bytes, or a negated errno. */
    long accessBar(int bar, MemorySegment buffer, long offset, boolean write) {
        long end = barBytes[bar];
        if (offset >= end) {
            return Errno.EINVAL.negated();
        }
        long size = Math.min(buffer.byteSize(), end - offset);
        int widest = host.machine().kernel().readsEightBytes() ? Long.BYTES : Integer.BYTES;
        for (long at = 0; at < size; ) {
            long register = offset + at;
            int width = width(register, size - at, widest);
            if (isTable(bar, register)) {
                // Linux programs the table; a user reads all ones, and writes have no effect.
                if (!write) {
                    set(buffer, at, width, -1);
                }
            } else if (!decodesMemory()) {
                return Errno.EIO.negated();
            } else if (write) {
                writeBar(bar, register, width, get(buffer, at, width));
            } else {
                set(buffer, at, width, readBar(bar, register, width));
            }
            at += width;
        }
        return size;
    }

    /** Whether the user may access BARs. */
    boolean decodesMemory() {
        return config.decodesMemory() && powerState != D3HOT;
    }

    private long readBar(int bar, long register, int width) {
        boolean pendingBits = isPendingBits(bar, register);
        if (!pendingBits) {
            requireAnswer(bar, register, width, "pread");
        }
        if (!pe.registerAccess()) {
            return -1;
        }
        return pendingBits ? pendingBits(register, width) : device.read(bar, register, width);
    }

    /** A write of 1, 2, 4 or 8 bytes to a register of a BAR. */
    void writeBar(int bar, long register, int width, long value) {
        if (isPendingBits(bar, register)) {
            return;
        }
        requireAnswer(bar, register, width, "pwrite");
        if (pe.registerAccess()) {
            device.write(bar, register, width, value);
        }
    }

    private void requireAnswer(int bar, long register, int width, String call) {
        if (!device.answers(bar, register, width)) {
            host.hazard(
                    Hazard.MACHINE_CHECK,
                    () -> "%s of %d bytes at 0x%x of BAR %d of %s".formatted(call, width, register, bar, address()));
        }
    }

    /** Whether a register belongs to the MSI-X table. */
    boolean isTable(int bar, long register) {
        long offset = register - hardware.tableOffset();
        return bar == hardware.tableBar()
                && offset >= 0
                && offset < hardware.vectors() * (long) vfio_h.PCI_MSIX_ENTRY_SIZE;
    }

    private long pendingBytes() {
        return (hardware.vectors() + Long.SIZE - 1) / Long.SIZE * (long) Long.BYTES;
    }

    private boolean isPendingBits(int bar, long register) {
        long offset = register - hardware.pendingOffset();
        return bar == hardware.tableBar() && offset >= 0 && offset < pendingBytes();
    }

    private long pendingBits(long register, int width) {
        long offset = register - hardware.pendingOffset();
        long word = interrupts.pendingBits((int) (offset / Long.BYTES));
        return (word >>> (offset % Long.BYTES * Byte.SIZE)) & (-1L >>> (Long.SIZE - width * Byte.SIZE));
    }

    private static int width(long offset, long left, int widest) {
        int width = widest;
        while (width > left || (offset & (width - 1)) != 0) {
            width >>= 1;
        }
        return width;
    }

    private static long get(MemorySegment buffer, long at, int width) {
        long value = 0;
        for (int each = width - 1; each >= 0; each--) {
            value = (value << Byte.SIZE) | (buffer.get(ValueLayout.JAVA_BYTE, at + each) & 0xff);
        }
        return value;
    }

    private static void set(MemorySegment buffer, long at, int width, long value) {
        for (int each = 0; each < width; each++) {
            buffer.set(ValueLayout.JAVA_BYTE, at + each, (byte) (value >>> (each * Byte.SIZE)));
        }
    }

    @Override
    public boolean readMemory(long busAddress, MemorySegment into, long offset, long length) {
        return mastersBus() && pe.transfer(busAddress, into, offset, length, false);
    }

    @Override
    public boolean writeMemory(long busAddress, MemorySegment from, long offset, long length) {
        return mastersBus() && pe.transfer(busAddress, from, offset, length, true);
    }

    private boolean mastersBus() {
        return (registers.getShort(vfio_h.PCI_COMMAND) & vfio_h.PCI_COMMAND_MASTER) != 0
                && powerState != D3HOT
                && !features.isLowPower();
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
        interrupts.line(asserted);
    }

    @Override
    public void after(Duration delay, Runnable action) {
        long scheduledIn = generation;
        host.after(delay, () -> {
            if (generation == scheduledIn) {
                action.run();
            }
        });
    }
}
