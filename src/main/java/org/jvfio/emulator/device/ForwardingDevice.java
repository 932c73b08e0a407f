package org.jvfio.emulator.device;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A device that passes everything on to another one, and what that does to its bus: the base for a {@link
 * DeviceWrapper}. A subclass overrides the methods of the device that it observes or changes, and {@link #bus} for DMA
 * and interrupts.
 */
public abstract class ForwardingDevice implements EmulatedDevice {
    private final EmulatedDevice behind;
    private @Nullable DeviceBus host;

    /**
     * A device around another one.
     *
     * @param behind the device that the calls are passed on to
     */
    protected ForwardingDevice(EmulatedDevice behind) {
        this.behind = behind;
    }

    /**
     * The bus that the device behind gets.
     *
     * @param hostBus the bus of the host; {@link ForwardingBus} passes everything on to it
     */
    protected DeviceBus bus(DeviceBus hostBus) {
        return hostBus;
    }

    /**
     * The bus of the host.
     *
     * @throws IllegalStateException before the device is plugged in
     */
    protected final DeviceBus host() {
        DeviceBus plugged = host;
        if (plugged == null) {
            throw new IllegalStateException("the device is not plugged in");
        }
        return plugged;
    }

    @Override
    public void plug(DeviceBus bus) {
        host = bus;
        behind.plug(bus(bus));
    }

    @Override
    public DeviceIdentity identity() {
        return behind.identity();
    }

    @Override
    public long[] barBytes() {
        return behind.barBytes();
    }

    @Override
    public BarKind barKind(int bar) {
        return behind.barKind(bar);
    }

    @Override
    public boolean isWideBar(int bar) {
        return behind.isWideBar(bar);
    }

    @Override
    public DeviceInterrupts interrupts() {
        return behind.interrupts();
    }

    @Override
    public boolean isExpress() {
        return behind.isExpress();
    }

    @Override
    public List<EmulatedCapability> capabilities() {
        return behind.capabilities();
    }

    @Override
    public byte[] rom() {
        return behind.rom();
    }

    @Override
    public List<Path> files() {
        return behind.files();
    }

    @Override
    public void reset() {
        behind.reset();
    }

    @Override
    public boolean answers(int bar, long offset, int size) {
        return behind.answers(bar, offset, size);
    }

    @Override
    public boolean isReserved(int bar, long offset, int size) {
        return behind.isReserved(bar, offset, size);
    }

    @Override
    public long read(int bar, long offset, int size) {
        return behind.read(bar, offset, size);
    }

    @Override
    public void write(int bar, long offset, int size, long value) {
        behind.write(bar, offset, size, value);
    }

    /** A bus that passes everything on to another one. */
    protected abstract static class ForwardingBus implements DeviceBus {
        private final DeviceBus behind;

        /**
         * A bus around another one.
         *
         * @param behind the bus that the calls are passed on to
         */
        protected ForwardingBus(DeviceBus behind) {
            this.behind = behind;
        }

        @Override
        public boolean readMemory(long busAddress, MemorySegment into, long offset, long length) {
            return behind.readMemory(busAddress, into, offset, length);
        }

        @Override
        public boolean writeMemory(long busAddress, MemorySegment from, long offset, long length) {
            return behind.writeMemory(busAddress, from, offset, length);
        }

        @Override
        public void sendMessage(int vector) {
            behind.sendMessage(vector);
        }

        @Override
        public boolean sendsMessages() {
            return behind.sendsMessages();
        }

        @Override
        public boolean sendsMsix() {
            return behind.sendsMsix();
        }

        @Override
        public void setLine(boolean asserted) {
            behind.setLine(asserted);
        }

        @Override
        public MemorySegment barMemory(int bar) {
            return behind.barMemory(bar);
        }

        @Override
        public void after(Duration delay, Runnable action) {
            behind.after(delay, action);
        }
    }
}
