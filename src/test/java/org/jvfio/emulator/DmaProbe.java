package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.DeviceBus;
import org.jvfio.emulator.device.DeviceIdentity;
import org.jvfio.emulator.device.EmulatedDevice;

/**
 * A device that does DMA at once, within the write to its command register, and that fails or calls a test when it is
 * told to.
 */
final class DmaProbe implements EmulatedDevice {
    static final long ADDRESS = 0x00;
    static final long SIZE = 0x08;
    static final long COMMAND = 0x10;
    /** 1 if the last transfer succeeded, 0 if it failed. */
    static final long RESULT = 0x18;

    static final long READ = 0;
    static final long WRITE = 1;
    static final long FAIL = 2;
    static final long FAIL_LATER = 3;
    static final long CALL = 4;

    private final Runnable called;
    private @Nullable DeviceBus bus;
    private long address;
    private long size;
    private boolean done;

    DmaProbe() {
        this(() -> {});
    }

    /** @param called run by the command {@link #CALL} */
    DmaProbe(Runnable called) {
        this.called = called;
    }

    @Override
    public DeviceIdentity identity() {
        return new DeviceIdentity(0x1234, 0xd3a0, 1, 0x120000);
    }

    @Override
    public long[] barBytes() {
        return new long[] {4096};
    }

    @Override
    public void plug(DeviceBus deviceBus) {
        bus = deviceBus;
    }

    @Override
    public void reset() {
        address = 0;
        size = 0;
        done = false;
    }

    @Override
    public boolean answers(int bar, long offset, int width) {
        return width == Long.BYTES;
    }

    @Override
    public long read(int bar, long offset, int width) {
        return offset == RESULT && done ? 1 : 0;
    }

    @Override
    public void write(int bar, long offset, int width, long value) {
        if (offset == ADDRESS) {
            address = value;
        } else if (offset == SIZE) {
            size = value;
        } else if (offset == COMMAND) {
            command(Objects.requireNonNull(bus), value);
        }
    }

    private void command(DeviceBus plugged, long command) {
        if (command == FAIL) {
            throw new UnsupportedOperationException("a register that the model lacks");
        }
        if (command == FAIL_LATER) {
            plugged.after(Duration.ZERO, () -> {
                throw new AssertionError("a bug of the model");
            });
            return;
        }
        if (command == CALL) {
            called.run();
            return;
        }
        MemorySegment buffer = MemorySegment.ofArray(new byte[(int) size]);
        done = command == READ ? plugged.readMemory(address, buffer) : plugged.writeMemory(address, buffer);
    }
}
