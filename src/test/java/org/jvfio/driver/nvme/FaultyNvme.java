package org.jvfio.driver.nvme;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.DeviceBus;
import org.jvfio.emulator.DeviceIdentity;
import org.jvfio.emulator.DeviceInterrupts;
import org.jvfio.emulator.EmulatedDevice;
import org.jvfio.emulator.nvme.EmulatedNvme;

/**
 * An emulated NVMe controller with something between it and the bus: subclasses change what it reads, writes and hears. All
 * of it is called with the host's lock held.
 */
class FaultyNvme implements EmulatedDevice {
    static final int CAP = 0x00;
    static final int CC = 0x14;
    static final int CSTS = 0x1c;
    static final int ASQ = 0x28;
    static final int ACQ = 0x30;
    static final int DOORBELLS = 0x1000;
    /** The MSI-X table is behind the doorbells. */
    static final int DOORBELLS_END = 0x2000;

    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final int COMPLETION_HALF = 8;
    private static final int SUBMISSION = 64;
    private static final int MOST_VECTORS = 8;

    private final EmulatedNvme drive;
    private @Nullable DeviceBus plugged;
    private MemorySegment firstHalf = MemorySegment.NULL;
    private int enabledTimes;

    FaultyNvme() {
        this(NvmeHost.drive());
    }

    FaultyNvme(EmulatedNvme drive) {
        this.drive = drive;
    }

    /** What the driver reads of a register instead of the value. */
    long reads(long offset, int size, long value) {
        return value;
    }

    /** Whether the controller hears of a write; of a doorbell, say. */
    boolean hears(long offset, int size, long value) {
        return true;
    }

    /** A command as the controller fetches it, which may be changed. */
    void fetches(MemorySegment command) {
        // It is what the driver has written.
    }

    /** Whether a completion of 16 bytes, which may be changed, is written now. */
    boolean completes(long address, MemorySegment completion) {
        return true;
    }

    /** What the controller writes to memory that is no completion, which may be changed. */
    void writes(MemorySegment data) {
        // It is what the controller has.
    }

    final DeviceBus bus() {
        DeviceBus known = plugged;
        if (known == null) {
            throw new IllegalStateException("not plugged in");
        }
        return known;
    }

    final EmulatedNvme drive() {
        return drive;
    }

    /** Writes a completion, and interrupts. */
    final void complete(long address, MemorySegment completion) {
        bus().writeMemory(address, completion, 0, COMPLETION_HALF);
        bus().writeMemory(address + COMPLETION_HALF, completion, COMPLETION_HALF, COMPLETION_HALF);
        for (int vector = 0; vector < MOST_VECTORS && bus().sendsMessages(); vector++) {
            bus().sendMessage(vector);
        }
    }

    /** Does something later, unless the controller is disabled before. */
    final void later(Duration delay, Runnable action) {
        int now = enabledTimes;
        bus().after(delay, () -> {
            if (enabledTimes == now) {
                action.run();
            }
        });
    }

    /** Flips some of the bits of a segment. */
    static void flip(MemorySegment segment, Random random, int bits) {
        for (int i = 0; i < bits; i++) {
            long at = random.nextLong(segment.byteSize());
            byte old = segment.get(ValueLayout.JAVA_BYTE, at);
            segment.set(ValueLayout.JAVA_BYTE, at, (byte) (old ^ 1 << random.nextInt(Byte.SIZE)));
        }
    }

    private final class Bus implements DeviceBus {
        @Override
        public boolean readMemory(long busAddress, MemorySegment into, long offset, long length) {
            boolean read = bus().readMemory(busAddress, into, offset, length);
            if (read && length % SUBMISSION == 0 && length < 512) {
                for (long at = offset; at < offset + length; at += SUBMISSION) {
                    fetches(into.asSlice(at, SUBMISSION));
                }
            }
            return read;
        }

        @Override
        public boolean writeMemory(long busAddress, MemorySegment from, long offset, long length) {
            if (length != COMPLETION_HALF) {
                MemorySegment copy =
                        MemorySegment.ofArray(from.asSlice(offset, length).toArray(ValueLayout.JAVA_BYTE));
                writes(copy);
                return bus().writeMemory(busAddress, copy, 0, length);
            }
            if (offset == 0) {
                firstHalf = MemorySegment.ofArray(new long[2]).copyFrom(from.asSlice(0, COMPLETION_HALF));
                return true;
            }
            MemorySegment completion = firstHalf;
            completion.asSlice(COMPLETION_HALF).copyFrom(from.asSlice(offset, COMPLETION_HALF));
            long address = busAddress - COMPLETION_HALF;
            if (completes(address, completion)) {
                return bus().writeMemory(address, completion, 0, COMPLETION_HALF)
                        && bus().writeMemory(busAddress, completion, COMPLETION_HALF, COMPLETION_HALF);
            }
            return true;
        }

        @Override
        public void sendMessage(int vector) {
            bus().sendMessage(vector);
        }

        @Override
        public boolean sendsMessages() {
            return bus().sendsMessages();
        }

        @Override
        public void setLine(boolean asserted) {
            bus().setLine(asserted);
        }

        @Override
        public void after(Duration delay, Runnable action) {
            bus().after(delay, action);
        }
    }

    @Override
    public DeviceIdentity identity() {
        return drive.identity();
    }

    @Override
    public long[] barBytes() {
        return drive.barBytes();
    }

    @Override
    public boolean isWideBar(int bar) {
        return drive.isWideBar(bar);
    }

    @Override
    public DeviceInterrupts interrupts() {
        return drive.interrupts();
    }

    @Override
    public boolean isExpress() {
        return drive.isExpress();
    }

    @Override
    public void plug(DeviceBus bus) {
        plugged = bus;
        drive.plug(new Bus());
    }

    @Override
    public void reset() {
        enabledTimes++;
        drive.reset();
    }

    @Override
    public boolean answers(int bar, long offset, int size) {
        return drive.answers(bar, offset, size);
    }

    @Override
    public long read(int bar, long offset, int size) {
        long value = drive.read(bar, offset, size);
        return offset < DOORBELLS ? reads(offset, size, value) & (-1L >>> (Long.SIZE - size * Byte.SIZE)) : value;
    }

    @Override
    public void write(int bar, long offset, int size, long value) {
        if (offset == CC) {
            enabledTimes++;
        }
        if (offset >= DOORBELLS_END || hears(offset, size, value)) {
            drive.write(bar, offset, size, value);
        }
    }
}
