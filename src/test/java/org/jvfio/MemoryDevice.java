package org.jvfio;

import java.lang.foreign.ValueLayout;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.BarKind;
import org.jvfio.emulator.device.DeviceBus;
import org.jvfio.emulator.device.DeviceIdentity;
import org.jvfio.emulator.device.DeviceInterrupts;
import org.jvfio.emulator.device.EmulatedDevice;

/**
 * A device with memory in BAR 0, a register in BAR 2 and, if it has vectors, its MSI-X table in the memory. What is
 * written to the register is an offset in the memory, of which it adds one to the byte.
 */
final class MemoryDevice implements EmulatedDevice {
    static final int MEMORY = 0;
    static final int REGISTER = 2;

    private final long bytes;
    private final DeviceInterrupts interrupts;
    private @Nullable DeviceBus bus;

    /**
     * A device.
     *
     * @param bytes the size of its memory
     * @param table the offset of its MSI-X table of 4 entries in the memory, -1 for none
     */
    MemoryDevice(long bytes, long table) {
        this.bytes = bytes;
        this.interrupts =
                table < 0 ? DeviceInterrupts.NONE : new DeviceInterrupts(false, 0, 4, MEMORY, table, table + 0x800);
    }

    @Override
    public DeviceIdentity identity() {
        return new DeviceIdentity(0x1b36, 0x0002, 1, 0x050000);
    }

    @Override
    public long[] barBytes() {
        return new long[] {bytes, 0, 16};
    }

    @Override
    public BarKind barKind(int bar) {
        return bar == MEMORY ? BarKind.MEMORY : BarKind.REGISTERS;
    }

    @Override
    public boolean isWideBar(int bar) {
        return bar == MEMORY;
    }

    @Override
    public DeviceInterrupts interrupts() {
        return interrupts;
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
        var memory = Objects.requireNonNull(bus).barMemory(MEMORY);
        memory.set(ValueLayout.JAVA_BYTE, value, (byte) (memory.get(ValueLayout.JAVA_BYTE, value) + 1));
    }
}
