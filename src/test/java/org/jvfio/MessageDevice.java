package org.jvfio;

import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.DeviceBus;
import org.jvfio.emulator.device.DeviceIdentity;
import org.jvfio.emulator.device.DeviceInterrupts;
import org.jvfio.emulator.device.EmulatedDevice;

/** A device that sends the MSI-X message of the number that is written to its register. */
final class MessageDevice implements EmulatedDevice {
    static final int VECTORS = 16;
    static final int SEND = 0;

    private @Nullable DeviceBus bus;

    @Override
    public DeviceIdentity identity() {
        return new DeviceIdentity(0x1b36, 0x0001, 1, 0x00ff00);
    }

    @Override
    public long[] barBytes() {
        return new long[] {0x4000};
    }

    @Override
    public DeviceInterrupts interrupts() {
        return new DeviceInterrupts(true, 0, VECTORS, 0, 0x2000, 0x3000);
    }

    @Override
    public boolean isExpress() {
        return true;
    }

    @Override
    public void plug(DeviceBus deviceBus) {
        bus = deviceBus;
    }

    @Override
    public void reset() {}

    @Override
    public boolean answers(int bar, long offset, int size) {
        return true;
    }

    @Override
    public long read(int bar, long offset, int size) {
        return 0;
    }

    @Override
    public void write(int bar, long offset, int size, long value) {
        if (offset == SEND) {
            Objects.requireNonNull(bus).sendMessage((int) value);
        }
    }
}
