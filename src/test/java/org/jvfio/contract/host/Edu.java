package org.jvfio.contract.host;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.concurrent.locks.LockSupport;
import org.jvfio.uapi.vfio_h;

/**
 * An edu device and its DMA engine, which copies between memory and a buffer of its own. The registers are accessed as
 * the device wants it, with 4 bytes, or above 0x80 also with 8; anything else is a machine check.
 */
public final class Edu {
    /** The size of the device's buffer, in bytes. */
    public static final int BUFFER_BYTES = 4096;

    private static final int ID = 0x00;
    private static final int INTERRUPT_RAISE = 0x60;
    private static final int INTERRUPT_ACKNOWLEDGE = 0x64;
    private static final int DMA_SOURCE = 0x80;
    private static final int DMA_DESTINATION = 0x88;
    private static final int DMA_COUNT = 0x90;
    private static final int DMA_COMMAND = 0x98;
    private static final int RUN = 1;
    private static final int TO_MEMORY = 2;
    private static final long BUFFER = 0x40000;
    private static final int ID_VALUE = 0x010000ed;

    private static final long POLL_NANOS = 100_000;
    private static final long MAX_TRANSFER_NANOS = 20_000_000_000L;

    private final RawDevice device;
    private final long bar;
    private ByteOrder order = ByteOrder.BIG_ENDIAN;

    private Edu(RawDevice device) {
        this.device = device;
        this.bar = device.offset(vfio_h.VFIO_PCI_BAR0_REGION_INDEX);
        this.order = byteOrder();
    }

    /** An edu device with its bus mastering on. */
    public static Edu mastering(RawDevice device) {
        device.masterBus(true);
        return new Edu(device);
    }

    /** An edu device that may not write to memory, nor send messages. */
    public static Edu notMastering(RawDevice device) {
        device.masterBus(false);
        return new Edu(device);
    }

    /** The device interrupts: by its message, or by its line until it is acknowledged. */
    public void raise() {
        writeRegister(INTERRUPT_RAISE, 1);
    }

    public void acknowledge() {
        writeRegister(INTERRUPT_ACKNOWLEDGE, -1);
    }

    /** QEMU has the registers in the byte order of its machine, which is big-endian for POWER. */
    private ByteOrder byteOrder() {
        int id = readRegister(ID);
        assertTrue(id == ID_VALUE || id == Integer.reverseBytes(ID_VALUE), () -> "id 0x%x".formatted(id));
        return id == ID_VALUE ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN;
    }

    /** Copies the first bytes at a bus address into the device's buffer. */
    public void readMemory(long iova, int bytes) {
        transfer(iova, BUFFER, bytes, RUN);
    }

    /** Copies the first bytes of the device's buffer to a bus address. */
    public void writeMemory(long iova, int bytes) {
        transfer(BUFFER, iova, bytes, RUN | TO_MEMORY);
    }

    /** The device does not say whether a transfer failed. */
    private void transfer(long source, long destination, int bytes, int command) {
        write(DMA_SOURCE, source);
        write(DMA_DESTINATION, destination);
        write(DMA_COUNT, bytes);
        write(DMA_COMMAND, command);
        long end = System.nanoTime() + MAX_TRANSFER_NANOS;
        // Frozen, the device's registers read as all ones: it is not seen to end, and has ended.
        int status = readRegister(DMA_COMMAND);
        while ((status & RUN) != 0 && status != -1) {
            assertTrue(System.nanoTime() < end, "the transfer does not end");
            LockSupport.parkNanos(POLL_NANOS);
            status = readRegister(DMA_COMMAND);
        }
    }

    /** Writes 4 bytes. */
    public void writeRegister(int register, int value) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocateFrom(ValueLayout.JAVA_INT.withOrder(order), value);
            assertEquals(Integer.BYTES, device.pwrite(bytes, bar + register));
        }
    }

    /** Reads 4 bytes. */
    public int readRegister(int register) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(ValueLayout.JAVA_INT);
            assertEquals(Integer.BYTES, device.pread(bytes, bar + register));
            return bytes.get(ValueLayout.JAVA_INT.withOrder(order), 0);
        }
    }

    /** Writes a register of 8 bytes, with 4 where they do: Linux makes accesses of 8 bytes only from 6.11 on. */
    private void write(int register, long value) {
        if (value == Integer.toUnsignedLong((int) value)) {
            writeRegister(register, (int) value);
            return;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocateFrom(ValueLayout.JAVA_LONG.withOrder(order), value);
            assertEquals(Long.BYTES, device.pwrite(bytes, bar + register));
        }
    }
}
