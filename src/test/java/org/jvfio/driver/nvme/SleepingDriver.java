package org.jvfio.driver.nvme;

import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jvfio.Device;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.InterruptType;
import org.jvfio.Interrupts;
import org.jvfio.PciCommand;
import org.jvfio.Region;
import org.jvfio.fixture.nvme.NvmeAccess;
import org.jvfio.fixture.nvme.NvmeEntry;
import org.jvfio.fixture.nvme.NvmeHostQueue;
import org.jvfio.fixture.nvme.Opcodes;

/** A driver without any handling of quirks: it submits a command, and sleeps until the interrupt of its completion. */
final class SleepingDriver implements NvmeAccess, AutoCloseable {
    private static final int CC = 0x14;
    private static final int CSTS = 0x1c;
    private static final int AQA = 0x24;
    private static final int ASQ = 0x28;
    private static final int ACQ = 0x30;
    private static final int ENABLED = 0x00460001;
    private static final int ENTRIES = 64;
    private static final int PAGE = 4096;
    private static final long MEMORY_BYTES = 1 << 16;
    private static final long MAX_NANOS = TimeUnit.SECONDS.toNanos(20);
    private static final ValueLayout.OfInt DWORD = ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Device device;
    private final Region bar;
    private final DmaMemory memory;
    private final DmaMapping mapping;
    private final Interrupts interrupts;
    private final NvmeHostQueue admin;
    private final long data;
    private final long deadline = System.nanoTime() + MAX_NANOS;
    private int allocatedPages;

    SleepingDriver(Device device, InterruptType type) {
        this.device = device;
        device.enableMemory();
        bar = device.bar(0);
        memory = device.container().allocate(MEMORY_BYTES);
        memory.range().shareWithDevice();
        mapping = device.container().defaultWindow().map(memory, DmaDirection.BIDIRECTIONAL);
        interrupts = device.enableInterrupts(type, 1);
        device.enableBusMastering();
        register(CC, 0);
        awaitStatus(0);
        admin = new NvmeHostQueue(this, 0, ENTRIES, ENTRIES);
        data = pages(1);
        register(AQA, (ENTRIES - 1) << Short.SIZE | (ENTRIES - 1));
        bar.writeLong(ASQ, admin.submissions());
        bar.writeLong(ACQ, admin.completions());
        register(CC, ENABLED);
        awaitStatus(1);
    }

    private void awaitStatus(int expected) {
        while (bar.readInt(CSTS) != expected && pause()) {
            Thread.onSpinWait();
        }
    }

    /** Has the controller identify itself; whether its interrupt came in time. */
    boolean identifies(Duration timeout) throws InterruptedException {
        NvmeEntry identify = NvmeEntry.of(Opcodes.IDENTIFY).prp(data, 0).dword(10, 1);
        admin.submit(identify);
        return interrupts.await(0, timeout);
    }

    /** Whether the controller has completed a command that the driver did not hear of. */
    boolean hasCompletion() {
        VarHandle.fullFence();
        return !admin.isEmpty();
    }

    @Override
    public void register(int offset, int value) {
        VarHandle.fullFence();
        bar.writeInt(offset, value);
    }

    @Override
    public long pages(int count) {
        long offset = (long) allocatedPages * PAGE;
        allocatedPages += count;
        return mapping.iova() + offset;
    }

    @Override
    public int dword(long address) {
        return memory.segment().get(DWORD, address - mapping.iova());
    }

    @Override
    public void dword(long address, int value) {
        memory.segment().set(DWORD, address - mapping.iova(), value);
    }

    @Override
    public boolean pause() {
        LockSupport.parkNanos(TimeUnit.MICROSECONDS.toNanos(200));
        return System.nanoTime() < deadline;
    }

    @Override
    public void close() {
        register(CC, 0);
        device.configSpace().disable(PciCommand.BUS_MASTER);
        interrupts.close();
        mapping.close();
        memory.close();
    }
}
