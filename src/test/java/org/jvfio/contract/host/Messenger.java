package org.jvfio.contract.host;

import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.DeviceBus;
import org.jvfio.emulator.device.DeviceIdentity;
import org.jvfio.emulator.device.DeviceInterrupts;
import org.jvfio.emulator.device.EmulatedDevice;

/** A device that sends the message of the vector that is written to its first register, of 4 bytes. */
public final class Messenger implements EmulatedDevice {
    /** 65 MSI-X vectors, as QEMU's NVMe controller has them. */
    public static final DeviceInterrupts EXTENDED = new DeviceInterrupts(true, 0, 65, 0, 0x2000, 0x3000);

    public static final long BAR_BYTES = 16 << 10;

    private final DeviceInterrupts interrupts;
    private @Nullable DeviceBus bus;
    private long written;

    public Messenger(DeviceInterrupts interrupts) {
        this.interrupts = interrupts;
    }

    @Override
    public DeviceIdentity identity() {
        return new DeviceIdentity(0x1234, 0x11ea, 0, 0x00ff00);
    }

    @Override
    public long[] barBytes() {
        return new long[] {BAR_BYTES};
    }

    @Override
    public boolean isWideBar(int bar) {
        return true;
    }

    @Override
    public boolean isExpress() {
        return true;
    }

    @Override
    public DeviceInterrupts interrupts() {
        return interrupts;
    }

    @Override
    public void plug(DeviceBus deviceBus) {
        bus = deviceBus;
    }

    @Override
    public void reset() {
        written = 0;
    }

    @Override
    public boolean answers(int bar, long offset, int size) {
        return size == Integer.BYTES;
    }

    @Override
    public long read(int bar, long offset, int size) {
        return offset == 0 ? written : 0;
    }

    @Override
    public void write(int bar, long offset, int size, long value) {
        DeviceBus plugged = bus;
        if (offset == 0 && plugged != null) {
            written = value;
            plugged.sendMessage((int) value);
        }
    }
}
