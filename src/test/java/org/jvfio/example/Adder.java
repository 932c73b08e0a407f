package org.jvfio.example;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.DeviceBus;
import org.jvfio.emulator.device.DeviceIdentity;
import org.jvfio.emulator.device.DeviceInterrupts;
import org.jvfio.emulator.device.EmulatedCapability;
import org.jvfio.emulator.device.EmulatedDevice;

/**
 * A device that somebody has only on paper: it adds the bytes of memory. Its driver writes where they begin, and then
 * how many they are; a while later the sum is there, and MSI-X vector 0 says so, or vector 1 that memory could not be
 * read.
 */
final class Adder implements EmulatedDevice {
    static final long ADDRESS = 0x00;
    static final long COUNT = 0x08;
    static final long SUM = 0x10;

    static final int DONE = 0;
    static final int FAILED = 1;

    private static final long TABLE = 0x800;
    private static final long PENDING_BITS = 0xc00;

    private final Duration latency;
    private @Nullable DeviceBus bus;
    private long address;
    private long sum;

    /**
     * An adder.
     *
     * @param latency what it takes to add
     */
    Adder(Duration latency) {
        this.latency = latency;
    }

    @Override
    public DeviceIdentity identity() {
        return new DeviceIdentity(0x1234, 0xadd0, 1, 0x120000);
    }

    @Override
    public long[] barBytes() {
        return new long[] {4096};
    }

    @Override
    public DeviceInterrupts interrupts() {
        return new DeviceInterrupts(false, 0, 2, 0, TABLE, PENDING_BITS);
    }

    @Override
    public boolean isExpress() {
        return true;
    }

    @Override
    public List<EmulatedCapability> capabilities() {
        return List.of(EmulatedCapability.serialNumber(42));
    }

    @Override
    public void plug(DeviceBus deviceBus) {
        bus = deviceBus;
    }

    @Override
    public void reset() {
        address = 0;
        sum = 0;
    }

    // @start region="registers"
    @Override
    public boolean answers(int bar, long offset, int size) {
        return size == Long.BYTES;
    }

    @Override
    public long read(int bar, long offset, int size) {
        return offset == SUM ? sum : -1;
    }

    @Override
    public void write(int bar, long offset, int size, long value) {
        if (offset == ADDRESS) {
            address = value;
        } else if (offset == COUNT && bus != null) {
            DeviceBus plugged = bus;
            plugged.after(latency, () -> add(plugged, MemorySegment.ofArray(new byte[(int) (value & 0xffff)])));
        }
    }

    // @end

    // @start region="dma"
    private void add(DeviceBus plugged, MemorySegment bytes) {
        if (!plugged.readMemory(address, bytes)) {
            // The PE is frozen by now, and the driver reads all ones; or bus mastering is off. This message is lost.
            plugged.sendMessage(FAILED);
            return;
        }
        sum = 0;
        for (long each = 0; each < bytes.byteSize(); each++) {
            sum += bytes.get(ValueLayout.JAVA_BYTE, each) & 0xff;
        }
        plugged.sendMessage(DONE);
    }
    // @end
}
