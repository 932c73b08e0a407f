package org.jvfio.bench;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.DeviceBus;
import org.jvfio.emulator.device.DeviceIdentity;
import org.jvfio.emulator.device.DeviceInterrupts;
import org.jvfio.emulator.device.EmulatedDevice;

/** A device that does DMA when a bus address is written to a register of 8 bytes, before the write returns. */
final class DmaEngine implements EmulatedDevice {
    /** Reads memory at the written bus address into the buffer. */
    static final long READ = 0x00;
    /** Writes the buffer to memory at the written bus address. */
    static final long WRITE = 0x08;
    /** Reads 8 bytes at the written bus address plus each of the offsets. */
    static final long READ_AT_OFFSETS = 0x10;

    /** Sends an MSI message. */
    static final long SEND = 0x18;
    /** Does nothing. */
    static final long NOTHING = 0x20;

    private static final DeviceIdentity IDENTITY = new DeviceIdentity(0x1234, 0x11e9, 0, 0x00ff00);
    private static final long BAR_BYTES = 4096;

    private MemorySegment buffer = MemorySegment.ofArray(new long[1]);
    private long[] offsets = {};
    private @Nullable DeviceBus bus;

    /** Gives the device a buffer. */
    MemorySegment buffer(long bytes) {
        buffer = Arena.ofAuto().allocate(bytes, Long.BYTES);
        return buffer;
    }

    /** What {@link #READ_AT_OFFSETS} adds to the bus address, in bytes. */
    void offsets(long... values) {
        offsets = values.clone();
    }

    @Override
    public DeviceIdentity identity() {
        return IDENTITY;
    }

    @Override
    public long[] barBytes() {
        return new long[] {BAR_BYTES};
    }

    @Override
    public DeviceInterrupts interrupts() {
        return DeviceInterrupts.of(false, 1);
    }

    @Override
    public void plug(DeviceBus deviceBus) {
        bus = deviceBus;
    }

    @Override
    public void reset() {
        // It has no state of its own.
    }

    @Override
    public boolean answers(int bar, long offset, int size) {
        return size == Long.BYTES;
    }

    @Override
    public long read(int bar, long offset, int size) {
        return -1;
    }

    @Override
    public void write(int bar, long offset, int size, long busAddress) {
        DeviceBus plugged = bus;
        if (plugged == null || !transfer(plugged, offset, busAddress)) {
            throw new IllegalStateException("DMA at 0x%x failed".formatted(busAddress));
        }
    }

    private boolean transfer(DeviceBus plugged, long register, long busAddress) {
        if (register == SEND) {
            plugged.sendMessage(0);
            return true;
        }
        if (register == NOTHING) {
            return true;
        }
        if (register == READ) {
            return plugged.readMemory(busAddress, buffer);
        }
        if (register == WRITE) {
            return plugged.writeMemory(busAddress, buffer);
        }
        boolean all = true;
        for (long offset : offsets) {
            all &= plugged.readMemory(busAddress + offset, buffer);
        }
        return all;
    }
}
