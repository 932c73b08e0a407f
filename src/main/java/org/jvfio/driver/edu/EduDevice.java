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

/**
 * QEMU's edu device (1234:11e8): it computes factorials, and copies between memory and a buffer of its own by DMA.
 *
 * <p>Its registers are in the byte order of the machine that QEMU emulates, which its identification tells. It takes
 * accesses of 4 bytes, and of 8 only for the addresses of its DMA; anything else is a machine check.
 *
 * <p>It is for one thread. The source of its registers is QEMU's {@code docs/specs/edu.rst}.
 */
public final class EduDevice {
    /** The PCI vendor number of edu. */
    public static final int VENDOR_ID = 0x1234;
    /** The PCI device number of edu. */
    public static final int DEVICE_ID = 0x11e8;
    /** The size of its DMA buffer in bytes. */
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
    private static final Duration LONGEST = Duration.ofDays(365);

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
     * Finds out what the device is, and turns its bus mastering on.
     *
     * @throws VfioException if it is no edu, or does not answer
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
                "drive " + device + " as edu",
                read == NO_ANSWER ? "its registers do not answer" : "its registers begin with 0x%08x".formatted(read),
                read == NO_ANSWER ? "look at the state of its PE" : "name a device 1234:11e8");
    }

    /** Its version, as in {@code 1.0}. */
    public String version() {
        return (identification >>> 24) + "." + (identification >>> 16 & 0xff);
    }

    /** The byte order of its registers. */
    public ByteOrder order() {
        return registers.order();
    }

    /** Whether it answers the inverse of a number that is written to it. */
    public boolean isAlive() {
        int written = 0x12345678;
        registers.writeInt(LIVENESS, written);
        return registers.readInt(LIVENESS) == ~written;
    }

    /**
     * Waits for its interrupts from now on, instead of reading its registers again and again.
     *
     * @param type {@link InterruptType#INTX} or {@link InterruptType#MSI}; it has one vector of either
     * @throws VfioException if they cannot be enabled, as when others of the device are
     */
    public void enableInterrupts(InterruptType type) {
        disableInterrupts();
        registers.writeInt(INTERRUPT_ACKNOWLEDGE, registers.readInt(INTERRUPT_STATUS));
        interrupts = device.enableInterrupts(type, 1);
        registers.writeInt(STATUS, STATUS_INTERRUPT);
    }

    /** Reads its registers again and again to wait, as it does at first. */
    public void disableInterrupts() {
        if (interrupts != null) {
            registers.writeInt(STATUS, 0);
            interrupts.close();
            interrupts = null;
        }
    }

    /**
     * The factorial of a number, modulo 2<sup>32</sup>.
     *
     * @throws VfioException if it takes longer than the timeout, or the device does not answer
     */
    public int factorial(int number, Duration timeout) {
        String asked = "have " + device + " compute " + number + "!";
        awaitZero(asked, STATUS, STATUS_COMPUTING, timeout);
        registers.writeInt(FACTORIAL, number);
        await(asked, INTERRUPT_BY_FACTORIAL, STATUS, STATUS_COMPUTING, timeout);
        return registers.readInt(FACTORIAL);
    }

    /**
     * Whether the device can be told a bus address. One that needs more than 32 bits takes an access of 8 bytes, and Linux
     * before 6.11 makes two of 4 of it where the BAR is not mapped, as on an emulated kernel.
     *
     * @throws VfioException if the device does not answer
     */
    public boolean reaches(long iova) {
        if (Long.compareUnsigned(iova, WIDEST_INT) <= 0) {
            return true;
        }
        registers.writeLong(DMA_SOURCE, iova);
        long told = registers.readLong(DMA_SOURCE);
        if (told == NO_ANSWER) {
            requireAnswer("tell %s of IOVA 0x%x".formatted(device, iova), NO_ANSWER);
        }
        return told == iova;
    }

    /**
     * Has the device read memory into its buffer. It does not tell whether it could: compare what comes back.
     *
     * @param iova the bus address of the memory
     * @param offset where in the buffer, in bytes
     * @param bytes how much, 1 to {@link #BUFFER_BYTES} - offset
     * @throws VfioException if it takes longer than the timeout, the device does not answer, or it cannot be told such an
     *     address ({@link #reaches})
     * @throws IndexOutOfBoundsException if the buffer is too small
     */
    public void readMemory(long iova, int offset, int bytes, Duration timeout) {
        transfer(iova, BUFFER + checked(offset, bytes), bytes, 0, timeout);
    }

    /**
     * Has the device write from its buffer to memory. It does not tell whether it could: look at the memory.
     *
     * @param iova the bus address of the memory
     * @param offset where in the buffer, in bytes
     * @param bytes how much, 1 to {@link #BUFFER_BYTES} - offset
     * @throws VfioException if it takes longer than the timeout, the device does not answer, or it cannot be told such an
     *     address ({@link #reaches})
     * @throws IndexOutOfBoundsException if the buffer is too small
     */
    public void writeMemory(long iova, int offset, int bytes, Duration timeout) {
        transfer(BUFFER + checked(offset, bytes), iova, bytes, DMA_TO_MEMORY, timeout);
    }

    // QEMU ends the virtual machine when a transfer leaves the buffer.
    private static int checked(int offset, int bytes) {
        if (bytes == 0) {
            throw new IndexOutOfBoundsException("a transfer of 0 bytes");
        }
        return Objects.checkFromIndexSize(offset, bytes, BUFFER_BYTES);
    }

    private void transfer(long source, long destination, int bytes, int direction, Duration timeout) {
        String asked = "have %s do DMA from 0x%x to 0x%x".formatted(device, source, destination);
        awaitZero(asked, DMA_COMMAND, DMA_RUN, timeout);
        // The buffer's address has less than 32 bits, so that one that has more is the memory's.
        if (!reaches(source | destination)) {
            throw new VfioException(
                    asked,
                    "the kernel makes two accesses of one of 8 bytes, which the device takes for an address of 32 bits",
                    "use IOVAs below 4 GiB, as of a device with a DMA mask of 32 bits");
        }
        writeAddress(DMA_SOURCE, source);
        writeAddress(DMA_DESTINATION, destination);
        registers.writeInt(DMA_COUNT, bytes);
        // POWER orders neither memory before a doorbell nor memory after a completion by itself.
        VarHandle.fullFence();
        registers.writeInt(DMA_COMMAND, DMA_RUN | direction | (interrupts != null ? DMA_INTERRUPT : 0));
        await(asked, INTERRUPT_BY_DMA, DMA_COMMAND, DMA_RUN, timeout);
        VarHandle.fullFence();
    }

    private void writeAddress(int register, long address) {
        if (Long.compareUnsigned(address, WIDEST_INT) <= 0) {
            registers.writeInt(register, (int) address);
        } else {
            registers.writeLong(register, address);
        }
    }

    /** Waits for an interrupt, or where none are enabled, for bits of a register to be zero. */
    private void await(String asked, int reason, int register, int bits, Duration timeout) {
        if (interrupts == null) {
            awaitZero(asked, register, bits, timeout);
            return;
        }
        long end = end(timeout);
        boolean done = false;
        while (!done) {
            if (!awaitInterrupt(asked, interrupts, Duration.ofNanos(end - System.nanoTime()))) {
                throw notReady(asked, timeout);
            }
            int reasons = registers.readInt(INTERRUPT_STATUS);
            requireAnswer(asked, reasons);
            registers.writeInt(INTERRUPT_ACKNOWLEDGE, reasons);
            if (interrupts.type() == InterruptType.INTX) {
                interrupts.unmask();
            }
            // The interrupt can be that of a former operation, which was given up.
            done = (reasons & reason) != 0 && (registers.readInt(register) & bits) == 0;
        }
    }

    private static boolean awaitInterrupt(String asked, Interrupts interrupts, Duration timeout) {
        try {
            return interrupts.await(0, timeout);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new VfioException(asked, "the thread was interrupted", "reset the device, which may still be at it");
        }
    }

    /** A timeout that can be counted in nanoseconds: a negative one is over, a very long one is cut. */
    private static Duration bounded(Duration timeout) {
        return timeout.isNegative() ? Duration.ZERO : timeout.compareTo(LONGEST) > 0 ? LONGEST : timeout;
    }

    private static long end(Duration timeout) {
        return System.nanoTime() + bounded(timeout).toNanos();
    }

    private static VfioException notReady(String asked, Duration timeout) {
        return new VfioException(
                asked, "it is not ready after " + bounded(timeout).toMillis() + " ms", "reset the device");
    }

    private static void requireAnswer(String asked, int value) {
        if (value == NO_ANSWER) {
            throw new VfioException(asked, "its registers read all ones", "look at the state of its PE");
        }
    }

    private void awaitZero(String asked, int register, int bits, Duration timeout) {
        long end = end(timeout);
        while (true) {
            int value = registers.readInt(register);
            requireAnswer(asked, value);
            if ((value & bits) == 0) {
                return;
            }
            if (System.nanoTime() - end > 0) {
                throw notReady(asked, timeout);
            }
            LockSupport.parkNanos(POLL_NANOS);
        }
    }
}
