package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

/**
 * A PCI function of the host: its configuration space as vfio-pci shows it, its BARs, and its way to memory through its
 * partitionable endpoint.
 */
final class PciFunction implements DeviceBus {
    static final int CONFIG_BYTES = 256;

    private static final int BARS = 6;
    private static final int COMMAND_KEPT = vfio_h.PCI_COMMAND_MEMORY
            | vfio_h.PCI_COMMAND_MASTER
            | vfio_h.PCI_COMMAND_SERR
            | vfio_h.PCI_COMMAND_PARITY
            | vfio_h.PCI_COMMAND_INTX_DISABLE;
    private static final int MSI_CAPABILITY = 0x40;
    private static final byte[] MSI_HEADER = {0x05, 0x00, (byte) 0x80, 0x00};
    private static final long TABLE_ENTRY_BYTES = 16;
    private static final long FIRST_BAR_ADDRESS = 0x80000000L;

    private final EmulatedHost host;
    private final EmulatedMachine.Slot slot;
    private final Pe pe;
    private final EmulatedDevice device;
    private final long[] barBytes = new long[BARS];
    private final ByteBuffer config = ByteBuffer.allocate(CONFIG_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    private final DeviceInterrupts hardware;
    private final VfioInterrupts interrupts;
    private HostDriver driver;
    private @Nullable String driverOverride;
    private int openCount;
    private long generation;

    PciFunction(EmulatedHost host, EmulatedMachine.Slot slot, Pe pe) {
        this.host = host;
        this.slot = slot;
        this.pe = pe;
        this.device = slot.device().get();
        this.driver = slot.driver();
        this.driverOverride = driver == HostDriver.VFIO_PCI ? driver.sysfsName() : null;
        long[] bars = device.barBytes();
        System.arraycopy(bars, 0, barBytes, 0, bars.length);
        hardware = device.interrupts();
        interrupts =
                new VfioInterrupts(hardware, device.isExpress(), host.machine().interruptVectors());
        device.plug(this);
        powerOn();
    }

    String address() {
        return slot.address();
    }

    DeviceIdentity identity() {
        return device.identity();
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

    long barBytes(int bar) {
        return barBytes[bar];
    }

    VfioInterrupts interrupts() {
        return interrupts;
    }

    private void powerOn() {
        DeviceIdentity identity = device.identity();
        config.clear();
        config.putShort(vfio_h.PCI_VENDOR_ID, (short) identity.vendor());
        config.putShort(vfio_h.PCI_DEVICE_ID, (short) identity.device());
        config.putShort(vfio_h.PCI_STATUS, (short) vfio_h.PCI_STATUS_CAP_LIST);
        config.putInt(vfio_h.PCI_CLASS_REVISION, identity.classCode() << 8 | identity.revision());
        config.put(vfio_h.PCI_CAPABILITY_LIST, (byte) MSI_CAPABILITY);
        config.put(vfio_h.PCI_INTERRUPT_PIN, (byte) (hardware.line() ? 1 : 0));
        config.put(MSI_CAPABILITY, MSI_HEADER);
        enableAsHost();
    }

    /** As the host leaves a device that it hands to VFIO: memory decoding on, bus mastering off. */
    private void enableAsHost() {
        config.putShort(vfio_h.PCI_COMMAND, (short) (vfio_h.PCI_COMMAND_MEMORY | vfio_h.PCI_COMMAND_SERR));
        long address = FIRST_BAR_ADDRESS;
        for (int bar = 0; bar < BARS; bar++) {
            if (barBytes[bar] != 0) {
                address = (address + barBytes[bar] - 1) & -barBytes[bar];
                config.putInt(barRegister(bar), (int) address);
                address += barBytes[bar];
            }
        }
    }

    private static int barRegister(int bar) {
        return vfio_h.PCI_BASE_ADDRESS_0 + bar * Integer.BYTES;
    }

    private int command() {
        return Short.toUnsignedInt(config.getShort(vfio_h.PCI_COMMAND));
    }

    void opened() {
        if (openCount++ == 0) {
            pe.thawRegisters();
            pe.thawDma();
            reset();
        }
    }

    void closed() {
        if (--openCount == 0) {
            interrupts.release();
            reset();
        }
    }

    /** A function reset, after which the host's own settings are in place again. */
    void reset() {
        forget();
        interrupts.reset();
        enableAsHost();
    }

    private void forget() {
        generation++;
        device.reset();
    }

    /** The bus is reset: the device forgets all, and does not decode until it is set up again. */
    void resetByBus() {
        forget();
        interrupts.resetByBus();
        config.putShort(vfio_h.PCI_COMMAND, (short) 0);
    }

    void restoreAfterReset() {
        enableAsHost();
    }

    /** Reads configuration space: the count of bytes, or a negated errno. */
    long readConfig(MemorySegment buffer, long offset) {
        long size = buffer.byteSize();
        if (offset >= CONFIG_BYTES || offset + size > CONFIG_BYTES) {
            return Errno.EFAULT.negated();
        }
        for (long at = 0; at < size; ) {
            int register = (int) (offset + at);
            int width = width(register, size - at, Integer.BYTES);
            boolean shadowed = isShadowed(register);
            if (!shadowed && pe.configBlocked()) {
                return blockedError();
            }
            for (int each = 0; each < width; each++) {
                boolean ones = !shadowed && pe.registersFrozen();
                byte value = ones ? (byte) -1 : config.get(register + each);
                buffer.set(ValueLayout.JAVA_BYTE, at + each, value);
            }
            at += width;
        }
        return size;
    }

    /** Writes configuration space: the count of bytes, or a negated errno. */
    long writeConfig(MemorySegment buffer, long offset) {
        long size = buffer.byteSize();
        if (offset >= CONFIG_BYTES || offset + size > CONFIG_BYTES) {
            return Errno.EFAULT.negated();
        }
        for (long at = 0; at < size; ) {
            int register = (int) (offset + at);
            int width = width(register, size - at, Integer.BYTES);
            if (!isShadowed(register) && pe.configBlocked()) {
                return blockedError();
            }
            for (int each = 0; each < width; each++) {
                writeConfigByte(register + each, buffer.get(ValueLayout.JAVA_BYTE, at + each));
            }
            at += width;
        }
        return size;
    }

    private void writeConfigByte(int register, byte value) {
        int word = register & ~1;
        if (word == vfio_h.PCI_COMMAND) {
            int shift = (register & 1) * Byte.SIZE;
            int written = (command() & ~(0xff << shift)) | ((value & 0xff) << shift);
            config.putShort(vfio_h.PCI_COMMAND, (short) (written & COMMAND_KEPT));
            interrupts.disableLine((written & vfio_h.PCI_COMMAND_INTX_DISABLE) != 0);
        } else if (register == vfio_h.PCI_CACHE_LINE_SIZE
                || register == vfio_h.PCI_LATENCY_TIMER
                || register == vfio_h.PCI_INTERRUPT_LINE) {
            config.put(register, value);
        } else if (register >= vfio_h.PCI_BASE_ADDRESS_0 && register < vfio_h.PCI_BASE_ADDRESS_0 + BARS * 4) {
            config.put(register, value);
            int bar = (register - vfio_h.PCI_BASE_ADDRESS_0) / Integer.BYTES;
            // The size of a BAR is read from the address bits that cannot be set.
            config.putInt(barRegister(bar), config.getInt(barRegister(bar)) & (int) -barBytes[bar]);
        }
    }

    private int blockedError() {
        return (host.machine().platform().isPowernv() ? Errno.ENODEV : Errno.EIO).negated();
    }

    /** What vfio-pci answers from its own copy: ids, BARs, the capability pointer, the interrupt's line and pin. */
    private static boolean isShadowed(int register) {
        return register < vfio_h.PCI_COMMAND
                || (register >= vfio_h.PCI_BASE_ADDRESS_0
                        && register < vfio_h.PCI_BASE_ADDRESS_0 + BARS * Integer.BYTES)
                || (register >= vfio_h.PCI_ROM_ADDRESS && register <= vfio_h.PCI_CAPABILITY_LIST)
                || register == vfio_h.PCI_INTERRUPT_LINE
                || register == vfio_h.PCI_INTERRUPT_PIN;
    }

    /** Accesses a BAR, in pieces as large as alignment allows: the count of bytes, or a negated errno. */
    long accessBar(int bar, MemorySegment buffer, long offset, boolean write) {
        long end = barBytes[bar];
        if (offset >= end) {
            return Errno.EINVAL.negated();
        }
        long size = Math.min(buffer.byteSize(), end - offset);
        int widest = host.machine().kernel().atLeast(KernelVersion.V6_11) ? Long.BYTES : Integer.BYTES;
        for (long at = 0; at < size; ) {
            if ((command() & vfio_h.PCI_COMMAND_MEMORY) == 0) {
                return Errno.EIO.negated();
            }
            long register = offset + at;
            int width = width(register, size - at, widest);
            accessRegister(bar, register, width, buffer, at, write);
            at += width;
        }
        return size;
    }

    private void accessRegister(int bar, long register, int width, MemorySegment buffer, long at, boolean write) {
        if (isTable(bar, register)) {
            // Linux programs the table; for a user it reads as all ones, and cannot be written.
            if (!write) {
                set(buffer, at, width, -1);
            }
            return;
        }
        boolean pendingBits = isPendingBits(bar, register);
        if (!pendingBits && !device.answers(bar, register, width)) {
            host.hazard(
                    Hazard.MACHINE_CHECK,
                    () -> "%s of %d bytes at 0x%x of BAR %d of %s"
                            .formatted(write ? "pwrite" : "pread", width, register, bar, address()));
        }
        boolean reaches = pe.registerAccess();
        if (!write) {
            long value = -1;
            if (reaches) {
                value = pendingBits ? pendingBits(register, width) : device.read(bar, register, width);
            }
            set(buffer, at, width, value);
        } else if (reaches && !pendingBits) {
            device.write(bar, register, width, get(buffer, at, width));
        }
    }

    private boolean isTable(int bar, long register) {
        long offset = register - hardware.tableOffset();
        return bar == hardware.tableBar() && offset >= 0 && offset < hardware.vectors() * TABLE_ENTRY_BYTES;
    }

    private boolean isPendingBits(int bar, long register) {
        long offset = register - hardware.pendingOffset();
        int words = (hardware.vectors() + Long.SIZE - 1) / Long.SIZE;
        return bar == hardware.tableBar() && offset >= 0 && offset < (long) words * Long.BYTES;
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
        return (command() & vfio_h.PCI_COMMAND_MASTER) != 0;
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
