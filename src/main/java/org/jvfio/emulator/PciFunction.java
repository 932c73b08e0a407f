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
 * A PCI function of the host: its registers, its way to memory through its partitionable endpoint, its driver, and what
 * vfio-pci keeps of it while it is open.
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
                device.isExpress(),
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
            throw unusable("%d BARs: there is room for 6".formatted(bars.length));
        }
        System.arraycopy(bars, 0, barBytes, 0, bars.length);
        for (int bar = 0; bar < BARS; bar++) {
            long bytes = barBytes[bar];
            wide[bar] = bytes != 0 && device.isWideBar(bar);
            if (bytes != 0 && (bytes < MIN_BAR_BYTES || Long.bitCount(bytes) != 1)) {
                throw unusable("%d bytes in BAR %d: it has a power of two, at least 16".formatted(bytes, bar));
            }
            if (!wide[bar] && bytes > 1L << 30) {
                throw unusable("%d bytes in BAR %d, which is not 64 bits wide".formatted(bytes, bar));
            }
            if (bar > 0 && wide[bar - 1] && bytes != 0) {
                throw unusable("a BAR %d, which is half of the wide BAR before it".formatted(bar));
            }
        }
        if (wide[BARS - 1]) {
            throw unusable("a BAR 5 that is 64 bits wide, and no BAR 6 for its other half");
        }
    }

    /** The ROM that the machine was given for this place, or else the device's own. */
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
            throw unusable("an MSI-X table or its pending bits up to 0x%x of BAR %d, which has 0x%x bytes"
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

    /** Device and function, as PCI numbers them together. */
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

    /** The only driver that may have the device, whatever its ids say; null for the one that knows its ids. */
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

    /** Whether the host waits for the device to be closed, and lets nobody open it any more. */
    boolean isWanted() {
        return wanted;
    }

    void wanted(boolean byHost) {
        wanted = byHost;
    }

    /** {@code vfio_pci_core_request}: the host asks the user to close the device, for the first time or once more. */
    void request(int times) {
        boolean told = interrupts.requestDevice();
        String prefix = "vfio-pci " + address() + ": ";
        if (told && times % REQUESTS_LOGGED == 0) {
            host.kernelLog().add(prefix + "Relaying device request to user (#" + times + ")");
        } else if (!told && times == 0) {
            host.kernelLog().add(prefix + "No device request channel registered, blocked until released by user");
        }
    }

    /** The size of a BAR, 0 for one that is not there, as the upper half of a wide one. */
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

    /** The size of the BAR of the ROM, 0 for none. */
    int romBytes() {
        return rom.barBytes();
    }

    /** Whether the ROM has an image that Linux knows as one, when it looks ({@code pci_map_rom}). */
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

    /** Whether it can have virtual functions (SR-IOV). */
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

    /** A device is reset between its users, if it can be; in any case its configuration space is the host's again. */
    private void giveToUser() {
        if (canReset()) {
            forget();
            interrupts.reset();
        }
        powerState = 0;
        registers.restore();
    }

    /** A PCI Express function resets itself; another one is reset with its bus, if that has no other device. */
    boolean canReset() {
        return device.isExpress()
                || (host.machine().platform().isPowernv() && host.onBusOf(this).size() == 1);
    }

    /** A reset of the function, after which the host sets it up again as it was, and writes its MSI-X table. */
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

    /** The bus is reset: the device forgets all, and does not decode until it is set up again. */
    void resetByBus() {
        forget();
        interrupts.resetByBus();
        registers.resetByBus();
    }

    void restoreAfterReset() {
        registers.restore();
    }

    /** The user sets the power state, 0 to 3, of which a device has D0 and D3hot. */
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

    /** A byte of configuration space, with what the device has there at this moment. */
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

    /** What the host reads of configuration space, up to 4 bytes, or a negated errno. */
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

    /** Makes BARs in a copy of configuration space show their sizes, in the address bits that cannot be set. */
    void showBarSizes(ByteBuffer copy) {
        for (int bar = 0; bar < BARS; bar++) {
            int register = ConfigRegisters.barRegister(bar);
            if (barBytes[bar] == 0) {
                copy.putInt(register, 0);
                continue;
            }
            long mask = -barBytes[bar];
            // In an LPAR, Linux has the kinds of BARs from the device tree, which does not tell of 64 bits.
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
            // pci_map_rom looks for an image, whatever the command register has.
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
                // Linux programs the table; for a user it reads as all ones, and cannot be written.
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

    /** A message is a write by DMA, and stops where one does. */
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
            throw new IllegalStateException(address() + " has no interrupt line; its DeviceInterrupts say so");
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
