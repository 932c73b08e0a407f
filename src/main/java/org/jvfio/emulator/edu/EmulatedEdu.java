package org.jvfio.emulator.edu;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.DeviceBus;
import org.jvfio.emulator.device.DeviceIdentity;
import org.jvfio.emulator.device.DeviceInterrupts;
import org.jvfio.emulator.device.EmulatedDevice;

/**
 * The {@code edu} device of QEMU ({@code docs/specs/edu.rst}): an id, a factorial unit, a DMA engine with a buffer of
 * 4096 bytes, and interrupts by INTx or one MSI message. A reset clears its registers; in QEMU they survive it.
 */
public final class EmulatedEdu implements EmulatedDevice {
    /** The delay of QEMU's engine before it transfers. */
    public static final Duration QEMU_LATENCY = Duration.ofMillis(100);

    private static final DeviceIdentity IDENTITY = new DeviceIdentity(0x1234, 0x11e8, 0x10, 0x00ff00);
    private static final long BAR_BYTES = 1 << 20;
    private static final int ID_VALUE = 0x010000ed;

    private static final int ID = 0x00;
    private static final int LIVENESS = 0x04;
    private static final int FACTORIAL = 0x08;
    private static final int STATUS = 0x20;
    private static final int IRQ_STATUS = 0x24;
    private static final int IRQ_RAISE = 0x60;
    private static final int IRQ_ACKNOWLEDGE = 0x64;
    private static final int DMA_SOURCE = 0x80;
    private static final int DMA_DESTINATION = 0x88;
    private static final int DMA_COUNT = 0x90;
    private static final int DMA_COMMAND = 0x98;

    private static final int STATUS_COMPUTING = 0x01;
    private static final int STATUS_IRQ_WHEN_DONE = 0x80;
    private static final int IRQ_FACTORIAL = 0x001;
    private static final int IRQ_DMA = 0x100;
    private static final long RUN = 1;
    private static final long TO_MEMORY = 2;
    private static final long IRQ_AT_END = 4;

    private static final long BUFFER = 0x40000;
    private static final int BUFFER_BYTES = 4096;

    private final ByteOrder order;
    private final long dmaMask;
    private final Duration latency;
    private final long[] buffer = new long[BUFFER_BYTES / Long.BYTES];
    private @Nullable DeviceBus bus;
    private int liveness;
    private int factorial;
    private int status;
    private int irqStatus;
    private long source;
    private long destination;
    private long count;
    private long command;

    /**
     * An edu device.
     *
     * @param order the byte order of its registers: big-endian on QEMU's POWER machines
     * @param dmaMask applied to every DMA address; QEMU's default is 28 bits
     * @param latency the duration of a transfer and of a factorial; QEMU's is {@link #QEMU_LATENCY}
     */
    public EmulatedEdu(ByteOrder order, long dmaMask, Duration latency) {
        this.order = order;
        this.dmaMask = dmaMask;
        this.latency = latency;
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
        return DeviceInterrupts.of(true, 1);
    }

    @Override
    public void plug(DeviceBus deviceBus) {
        bus = deviceBus;
    }

    @Override
    public void reset() {
        liveness = 0;
        factorial = 0;
        status = 0;
        irqStatus = 0;
        source = 0;
        destination = 0;
        count = 0;
        command = 0;
    }

    @Override
    public boolean answers(int bar, long offset, int size) {
        return size >= Integer.BYTES;
    }

    /** Its registers have 4 bytes, those of DMA 4 or 8, which old kernels split into halves. */
    @Override
    public boolean isReserved(int bar, long offset, int size) {
        return switch ((int) offset) {
            case ID, LIVENESS, FACTORIAL, STATUS, IRQ_STATUS, IRQ_RAISE, IRQ_ACKNOWLEDGE -> size != Integer.BYTES;
            case DMA_SOURCE, DMA_DESTINATION, DMA_COUNT, DMA_COMMAND -> size < Integer.BYTES;
            case DMA_SOURCE + 4, DMA_DESTINATION + 4, DMA_COUNT + 4, DMA_COMMAND + 4 -> size != Integer.BYTES;
            default -> true;
        };
    }

    @Override
    public long read(int bar, long offset, int size) {
        long value = isIgnored(offset, size)
                ? -1
                : switch ((int) offset) {
                    case ID -> ID_VALUE;
                    case LIVENESS -> liveness;
                    case FACTORIAL -> factorial;
                    case STATUS -> status;
                    case IRQ_STATUS -> irqStatus;
                    case DMA_SOURCE -> source;
                    case DMA_DESTINATION -> destination;
                    case DMA_COUNT -> count;
                    case DMA_COMMAND -> command;
                    default -> -1L;
                };
        return ordered(value, size);
    }

    @Override
    public void write(int bar, long offset, int size, long value) {
        if (isIgnored(offset, size)) {
            return;
        }
        long written = ordered(value, size);
        switch ((int) offset) {
            case LIVENESS -> liveness = ~(int) written;
            case FACTORIAL -> computeFactorial((int) written);
            case STATUS -> status = (status & ~STATUS_IRQ_WHEN_DONE) | ((int) written & STATUS_IRQ_WHEN_DONE);
            case IRQ_RAISE -> raise((int) written);
            case IRQ_ACKNOWLEDGE -> acknowledge((int) written);
            case DMA_SOURCE, DMA_DESTINATION, DMA_COUNT, DMA_COMMAND -> writeDma((int) offset, written);
            default -> {
                // The device ignores it.
            }
        }
    }

    /** The registers below 0x80 are 32 bits wide; a 64-bit read returns all ones. */
    private static boolean isIgnored(long offset, int size) {
        return size == Long.BYTES && offset < DMA_SOURCE;
    }

    /** With MSI, each raise sends a message; otherwise INTx stays asserted until all are acknowledged. */
    private void raise(int interrupts) {
        irqStatus |= interrupts;
        if (irqStatus != 0) {
            if (plugged().sendsMessages()) {
                plugged().sendMessage(0);
            } else {
                plugged().setLine(true);
            }
        }
    }

    private void acknowledge(int interrupts) {
        irqStatus &= ~interrupts;
        if (irqStatus == 0 && !plugged().sendsMessages()) {
            plugged().setLine(false);
        }
    }

    private long ordered(long value, int size) {
        if (order == ByteOrder.LITTLE_ENDIAN) {
            return value;
        }
        return size == Integer.BYTES
                ? Integer.toUnsignedLong(Integer.reverseBytes((int) value))
                : Long.reverseBytes(value);
    }

    private void computeFactorial(int number) {
        if ((status & STATUS_COMPUTING) != 0) {
            return;
        }
        factorial = number;
        status |= STATUS_COMPUTING;
        plugged().after(latency, () -> {
            int product = 1;
            for (int factor = number; Integer.compareUnsigned(factor, 1) > 0 && product != 0; factor--) {
                product *= factor;
            }
            factorial = product;
            status &= ~STATUS_COMPUTING;
            if ((status & STATUS_IRQ_WHEN_DONE) != 0) {
                raise(IRQ_FACTORIAL);
            }
        });
    }

    private void writeDma(int register, long value) {
        if ((command & RUN) != 0) {
            return;
        }
        switch (register) {
            case DMA_SOURCE -> source = value;
            case DMA_DESTINATION -> destination = value;
            case DMA_COUNT -> count = value;
            default -> {
                if ((value & RUN) != 0) {
                    command = value;
                    plugged().after(latency, this::transfer);
                }
            }
        }
    }

    /** A failed transfer ends like a successful one: the device does not report failures. */
    private void transfer() {
        boolean toMemory = (command & TO_MEMORY) != 0;
        long inBuffer = (toMemory ? source : destination) - BUFFER;
        long inMemory = (toMemory ? destination : source) & dmaMask;
        if (inBuffer >= 0 && count >= 0 && inBuffer <= BUFFER_BYTES && count <= BUFFER_BYTES - inBuffer) {
            MemorySegment part = MemorySegment.ofArray(buffer).asSlice(inBuffer, count);
            if (toMemory) {
                plugged().writeMemory(inMemory, part);
            } else {
                plugged().readMemory(inMemory, part);
            }
        }
        command &= ~RUN;
        if ((command & IRQ_AT_END) != 0) {
            raise(IRQ_DMA);
        }
    }

    private DeviceBus plugged() {
        DeviceBus plugged = bus;
        if (plugged == null) {
            throw new IllegalStateException("the device is not plugged in");
        }
        return plugged;
    }
}
