package org.jvfio.driver.nvme;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.DeviceBus;
import org.jvfio.emulator.device.DeviceIdentity;
import org.jvfio.emulator.device.DeviceInterrupts;
import org.jvfio.emulator.device.EmulatedDevice;
import org.jvfio.emulator.nvme.EmulatedNvme;

/**
 * An emulated NVMe controller with hooks for what its driver does. The hooks run with the host's lock held.
 */
class WatchedNvme implements EmulatedDevice {
    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final int SUBMISSION = 64;
    private static final int PAGE = 4096;

    private final EmulatedNvme drive;
    private @Nullable DeviceBus plugged;

    WatchedNvme() {
        this(NvmeHost.drive());
    }

    WatchedNvme(EmulatedNvme drive) {
        this.drive = drive;
    }

    /** A register or doorbell was written. */
    void written(long offset, long value) {
        // A hook for subclasses.
    }

    /** A command was fetched from a submission queue. */
    void fetches(MemorySegment command) {
        // A hook for subclasses.
    }

    /** A page of data is about to be written to memory; the hook may change it. */
    void gives(MemorySegment page) {
        // A hook for subclasses.
    }

    final DeviceBus bus() {
        DeviceBus known = plugged;
        if (known == null) {
            throw new IllegalStateException("not plugged in");
        }
        return known;
    }

    private final class Bus implements DeviceBus {
        @Override
        public boolean readMemory(long busAddress, MemorySegment into, long offset, long length) {
            boolean read = bus().readMemory(busAddress, into, offset, length);
            if (read && length % SUBMISSION == 0 && length < 512) {
                for (long at = offset; at < offset + length; at += SUBMISSION) {
                    fetches(into.asSlice(at, SUBMISSION).asReadOnly());
                }
            }
            return read;
        }

        @Override
        public boolean writeMemory(long busAddress, MemorySegment from, long offset, long length) {
            if (length != PAGE) {
                return bus().writeMemory(busAddress, from, offset, length);
            }
            MemorySegment page =
                    MemorySegment.ofArray(from.asSlice(offset, length).toArray(ValueLayout.JAVA_BYTE));
            gives(page);
            return bus().writeMemory(busAddress, page, 0, length);
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
        public boolean sendsMsix() {
            return bus().sendsMsix();
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
        drive.reset();
    }

    @Override
    public boolean answers(int bar, long offset, int size) {
        return drive.answers(bar, offset, size);
    }

    @Override
    public long read(int bar, long offset, int size) {
        return drive.read(bar, offset, size);
    }

    @Override
    public void write(int bar, long offset, int size, long value) {
        written(offset, value);
        drive.write(bar, offset, size, value);
    }
}
