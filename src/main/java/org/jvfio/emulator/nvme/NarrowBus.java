package org.jvfio.emulator.nvme;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import org.jvfio.emulator.device.DeviceBus;

/** The bus of a device that has fewer address bits. */
record NarrowBus(DeviceBus bus, long addressMask) implements DeviceBus {
    @Override
    public boolean readMemory(long busAddress, MemorySegment into, long offset, long length) {
        return bus.readMemory(busAddress & addressMask, into, offset, length);
    }

    @Override
    public boolean writeMemory(long busAddress, MemorySegment from, long offset, long length) {
        return bus.writeMemory(busAddress & addressMask, from, offset, length);
    }

    @Override
    public void sendMessage(int vector) {
        bus.sendMessage(vector);
    }

    @Override
    public boolean sendsMessages() {
        return bus.sendsMessages();
    }

    @Override
    public boolean sendsMsix() {
        return bus.sendsMsix();
    }

    @Override
    public void setLine(boolean asserted) {
        bus.setLine(asserted);
    }

    @Override
    public void after(Duration delay, Runnable action) {
        bus.after(delay, action);
    }
}
