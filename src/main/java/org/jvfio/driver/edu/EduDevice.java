package org.jvfio.driver.edu;

import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.jvfio.Device;
import org.jvfio.InterruptType;
import org.jvfio.Interrupts;
import org.jvfio.Region;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;

/**
 * A driver for QEMU's edu device (1234:11e8), which computes factorials and copies between memory and an internal
 * buffer by DMA.
 *
 * <p>The registers have the byte order of the machine that QEMU emulates; the driver detects it from the identification
 * register. The device supports accesses of 4 bytes, and of 8 to its DMA registers; others cause a machine check.
 *
 * <p>Not safe for use by several threads. The source is QEMU's {@code docs/specs/edu.rst}.
 */
public final class EduDevice {
    /** The PCI vendor ID of edu. */
    public static final int VENDOR_ID = 0x1234;
    /** The PCI device ID of edu. */
    public static final int DEVICE_ID = 0x11e8;
    /** The size of the internal DMA buffer in bytes. */
    public static final int BUFFER_BYTES = 4096;

    private static final int IDENTIFICATION = 0x00;
    private static final int LIVENESS = 0x04;
    private static final int FACTORIAL = 0x08;
    private static final int STATUS = 0x20;
    private static final int STATUS_COMPUTING = 0x01;
    private static final int STATUS_INTERRUPT = 0x80;
    private static final int INTERRUPT_STATUS = 0x24;
    private static final int INTERRUPT_ACKNOWLEDGE = 0x64;
    private static final int INTERRUPT_BY_FACTORIAL = 0x001;
    private static final int INTERRUPT_BY_DMA = 0x100;
    private static final int DMA_SOURCE = 0x80;
    private static final int DMA_DESTINATION = 0x88;
    private static final int DMA_COUNT = 0x90;
    private static final int DMA_COMMAND = 0x98;
    private static final int DMA_RUN = 0x1;
    private static final int DMA_TO_MEMORY = 0x2;
    private static final int DMA_INTERRUPT = 0x4;

    private static final long BUFFER = 0x40000;
    private static final long WIDEST_INT = 0xffff_ffffL;
    private static final int NAME = 0xed;
    private static final int NO_ANSWER = -1;
    private static final long POLL_NANOS = 50_000;
    private static final Duration MAX_TIMEOUT = Duration.ofDays(365);

    private final Device device;
    private final Region registers;
    private final int identification;
    private @Nullable Interrupts interrupts;

    private EduDevice(Device device, Region registers, int identification) {
        this.device = device;
        this.registers = registers;
        this.identification = identification;
    }

    /**
     * Identifies the device, detects its byte order, and enables its memory decoding and bus mastering.
     *
     * @throws VfioException if it is not an edu device, or its registers read all ones
     */
    public static EduDevice of(Device device) {
        device.enableMemory();
        Region bar = device.bar(0);
        for (ByteOrder order : new ByteOrder[] {ByteOrder.LITTLE_ENDIAN, ByteOrder.BIG_ENDIAN}) {
            Region registers = bar.withOrder(order);
            int identification = registers.readInt(IDENTIFICATION);
            if ((identification & 0xffff) == NAME) {
                device.enableBusMastering();
                return new EduDevice(device, registers, identification);
            }
        }
        int read = bar.readInt(IDENTIFICATION);
        throw new VfioException(
                Kind.UNSUPPORTED,
                "drive " + device + " as edu",
                "its registers begin with 0x%08x".formatted(read),
                "name a device 1234:11e8");
    }

    /** The version of the device, as in {@code 1.0}. */
    public String version() {
        return (identification >>> 24) + "." + (identification >>> 16 & 0xff);
    }

    /** The byte order of the registers. */
    public ByteOrder order() {
        return registers.order();
    }

    /** Runs the liveness check: whether the device inverts a value that is written to it. */
    public boolean isAlive() {
        int written = 0x12345678;
        registers.writeInt(LIVENESS, written);
        return registers.readInt(LIVENESS) == ~written;
    }

    /**
     * Enables an interrupt, which later operations wait for instead of polling registers.
     *
     * @param type {@link InterruptType#INTX} or {@link InterruptType#MSI}; the device has one vector of each
     * @throws VfioException if it cannot be enabled, for example because interrupts of another type are
     */
    public void enableInterrupts(InterruptType type) {
        disableInterrupts();
        registers.writeInt(INTERRUPT_ACKNOWLEDGE, registers.readInt(INTERRUPT_STATUS));
        interrupts = device.enableInterrupts(type, 1);
        registers.writeInt(STATUS, STATUS_INTERRUPT);
    }

    /** Disables the interrupt; later operations poll registers, as they do at first. */
    public void disableInterrupts() {
        if (interrupts != null) {
            registers.writeInt(STATUS, 0);
            interrupts.close();
            interrupts = null;
        }
    }

    /**
     * Computes a factorial modulo 2<sup>32</sup>.
     *
     * @throws VfioException if it takes longer than the timeout, the thread is interrupted, or the registers read all
     *     ones
     */
    public int factorial(int number, Duration timeout) {
        String operation = "compute " + number + "! on " + device;
        awaitZero(operation, STATUS, STATUS_COMPUTING, timeout);
        registers.writeInt(FACTORIAL, number);
        await(operation, INTERRUPT_BY_FACTORIAL, STATUS, STATUS_COMPUTING, timeout);
        return registers.readInt(FACTORIAL);
    }

    /**
     * Whether the DMA registers can hold a bus address. An address of more than 32 bits needs an access of 8 bytes,
     * which Linux before 6.11 splits into two of 4 where the BAR cannot be mapped, as on the emulated kernel.
     *
     * @throws VfioException if the registers read all ones
     */
    public boolean reaches(long iova) {
        if (Long.compareUnsigned(iova, WIDEST_INT) <= 0) {
            return true;
        }
        registers.writeLong(DMA_SOURCE, iova);
        long read = registers.readLong(DMA_SOURCE);
        if (read == NO_ANSWER) {
            requireAnswer("set a DMA address of %s to 0x%x".formatted(device, iova), NO_ANSWER);
        }
        return read == iova;
    }

    /**
     * Copies memory to the internal buffer by DMA. The device does not report DMA errors; compare the data.
     *
     * @param iova the bus address of the memory
     * @param offset in the internal buffer, in bytes
     * @param bytes the size, 1 to {@link #BUFFER_BYTES} - offset
     * @throws VfioException if it takes longer than the timeout, the thread is interrupted, the registers read all
     *     ones, or they cannot hold the address ({@link #reaches})
     * @throws IndexOutOfBoundsException if the part is not inside the internal buffer
     */
    public void readMemory(long iova, int offset, int bytes, Duration timeout) {
        transfer(iova, BUFFER + checked(offset, bytes), bytes, 0, timeout);
    }

    /**
     * Copies the internal buffer to memory by DMA. The device does not report DMA errors; compare the data.
     *
     * @param iova the bus address of the memory
     * @param offset in the internal buffer, in bytes
     * @param bytes the size, 1 to {@link #BUFFER_BYTES} - offset
     * @throws VfioException if it takes longer than the timeout, the thread is interrupted, the registers read all
     *     ones, or they cannot hold the address ({@link #reaches})
     * @throws IndexOutOfBoundsException if the part is not inside the internal buffer
     */
    public void writeMemory(long iova, int offset, int bytes, Duration timeout) {
        transfer(BUFFER + checked(offset, bytes), iova, bytes, DMA_TO_MEMORY, timeout);
    }

    // Older QEMU aborts the virtual machine when a transfer leaves the buffer.
    private static int checked(int offset, int bytes) {
        if (bytes == 0) {
            throw new IndexOutOfBoundsException("a transfer of 0 bytes");
        }
        return Objects.checkFromIndexSize(offset, bytes, BUFFER_BYTES);
    }

    private void transfer(long source, long destination, int bytes, int direction, Duration timeout) {
        String operation = "copy from 0x%x to 0x%x by DMA of %s".formatted(source, destination, device);
        awaitZero(operation, DMA_COMMAND, DMA_RUN, timeout);
        // The internal buffer's address fits in 32 bits, so the upper bits are those of the memory.
        if (!reaches(source | destination)) {
            throw new VfioException(
                    Kind.UNSUPPORTED,
                    operation,
                    "the kernel splits an access of 8 bytes into two of 4, which sets 32 bits of the address only",
                    "use IOVAs below 4 GiB, as for a device with a DMA mask of 32 bits");
        }
        writeAddress(DMA_SOURCE, source);
        writeAddress(DMA_DESTINATION, destination);
        registers.writeInt(DMA_COUNT, bytes);
        // POWER is weakly ordered: memory must be written before the doorbell and read after the completion.
        VarHandle.fullFence();
        registers.writeInt(DMA_COMMAND, DMA_RUN | direction | (interrupts != null ? DMA_INTERRUPT : 0));
        await(operation, INTERRUPT_BY_DMA, DMA_COMMAND, DMA_RUN, timeout);
        VarHandle.fullFence();
    }

    private void writeAddress(int register, long address) {
        if (Long.compareUnsigned(address, WIDEST_INT) <= 0) {
            registers.writeInt(register, (int) address);
        } else {
            registers.writeLong(register, address);
        }
    }

    /** Waits for an interrupt; polls until bits of a register are zero if it is not enabled. */
    private void await(String operation, int reason, int register, int bits, Duration timeout) {
        if (interrupts == null) {
            awaitZero(operation, register, bits, timeout);
            return;
        }
        long end = end(timeout);
        boolean done = false;
        while (!done) {
            if (!awaitInterrupt(operation, interrupts, Duration.ofNanos(end - System.nanoTime()))) {
                throw notReady(operation, timeout);
            }
            int reasons = registers.readInt(INTERRUPT_STATUS);
            requireAnswer(operation, reasons);
            registers.writeInt(INTERRUPT_ACKNOWLEDGE, reasons);
            if (interrupts.type() == InterruptType.INTX) {
                interrupts.unmask();
            }
            // The interrupt may be that of a former operation that timed out.
            done = (reasons & reason) != 0 && (registers.readInt(register) & bits) == 0;
        }
    }

    private static boolean awaitInterrupt(String operation, Interrupts interrupts, Duration timeout) {
        try {
            return interrupts.await(0, timeout);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new VfioException(
                    Kind.INTERRUPTED,
                    operation,
                    "the thread was interrupted",
                    "reset the device: the operation may still be in progress");
        }
    }

    /** Limits a timeout to what fits in nanoseconds, and a negative one to zero. */
    private static Duration bounded(Duration timeout) {
        return timeout.isNegative() ? Duration.ZERO : timeout.compareTo(MAX_TIMEOUT) > 0 ? MAX_TIMEOUT : timeout;
    }

    private static long end(Duration timeout) {
        return System.nanoTime() + bounded(timeout).toNanos();
    }

    private static VfioException notReady(String operation, Duration timeout) {
        return new VfioException(
                Kind.TIMEOUT,
                operation,
                "the device is not ready after " + bounded(timeout).toMillis() + " ms",
                "reset the device");
    }

    private static void requireAnswer(String operation, int value) {
        if (value == NO_ANSWER) {
            throw new VfioException(
                    Kind.DEVICE_ERROR,
                    operation,
                    "its registers read all ones, although its configuration space responds",
                    "reset the device");
        }
    }

    private void awaitZero(String operation, int register, int bits, Duration timeout) {
        long end = end(timeout);
        while (true) {
            int value = registers.readInt(register);
            requireAnswer(operation, value);
            if ((value & bits) == 0) {
                return;
            }
            if (System.nanoTime() - end > 0) {
                throw notReady(operation, timeout);
            }
            LockSupport.parkNanos(POLL_NANOS);
        }
    }
}
