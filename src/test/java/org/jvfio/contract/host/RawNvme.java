package org.jvfio.contract.host;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.jvfio.contract.host.Answers.assertAnswer;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.concurrent.locks.LockSupport;
import org.jvfio.fixture.nvme.NvmeAccess;
import org.jvfio.fixture.nvme.NvmeEntry;
import org.jvfio.fixture.nvme.NvmeHostQueue;
import org.jvfio.fixture.nvme.NvmeHostQueue.Completion;
import org.jvfio.uapi.vfio_h;

/** An NVMe controller, driven by its registers and queues alone. */
public final class RawNvme implements NvmeAccess {
    public static final int CC = 0x14;
    public static final int CSTS = 0x1c;
    public static final int READY = 1;
    public static final int FATAL = 2;
    /** Enabled, entries of 64 and 16 bytes, pages of 4 KiB. */
    public static final int ENABLED = 0x00460001;

    public static final int PAGE = 4096;

    private static final int AQA = 0x24;
    private static final int ASQ = 0x28;
    private static final int ACQ = 0x30;
    private static final int ADMIN_ENTRIES = 32;
    private static final long MEMORY_BYTES = 2 << 20;
    private static final long IOVA = 0x1000000;
    private static final ValueLayout.OfInt DWORD = ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong QWORD = ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final long POLL_NANOS = 200_000;
    private static final long MAX_NANOS = 20_000_000_000L;

    private final RawDevice device;
    private final long bar;
    private final MemorySegment memory;
    private long allocated;
    private long alignment = PAGE;
    private long deadline;
    private NvmeHostQueue admin;

    /** Maps memory for a controller, disables it, and lets it master the bus. */
    public RawNvme(VfioProcess process, RawContainer container, RawDevice device) {
        this.device = device;
        bar = device.offset(vfio_h.VFIO_PCI_BAR0_REGION_INDEX);
        long address = process.memory(MEMORY_BYTES);
        assertAnswer(0, container.register(address, MEMORY_BYTES));
        assertAnswer(0, container.map(IOVA, address, MEMORY_BYTES));
        memory = process.segment(address, MEMORY_BYTES);
        device.masterBus(true);
        disable();
        admin = new NvmeHostQueue(this, 0, ADMIN_ENTRIES, ADMIN_ENTRIES);
    }

    /** Where the controller has the first byte of the memory. */
    public static long memoryAddress() {
        return IOVA;
    }

    /** Allocates pages again: from an offset of the memory on, each time at a multiple of a page size. */
    public void allocateFrom(long offset, long pageBytes) {
        allocated = offset;
        alignment = pageBytes;
    }

    /** An address that is not mapped. */
    public static long nowhere() {
        return IOVA + 4 * MEMORY_BYTES;
    }

    /** Makes new admin queues, which the controller does not know yet. */
    public NvmeHostQueue newAdminQueue() {
        admin = new NvmeHostQueue(this, 0, ADMIN_ENTRIES, ADMIN_ENTRIES);
        return admin;
    }

    public RawNvme enabled() {
        newAdminQueue();
        register(AQA, (ADMIN_ENTRIES - 1) << 16 | (ADMIN_ENTRIES - 1));
        address(ASQ, admin.submissions());
        address(ACQ, admin.completions());
        register(CC, ENABLED);
        awaitStatus(READY);
        return this;
    }

    public void disable() {
        register(CC, 0);
        awaitStatus(0);
    }

    /** Tells where the admin queues are, without a look at the status. */
    public void enableWith(int sizes, long submissions, long completions, int configuration) {
        register(AQA, sizes);
        address(ASQ, submissions);
        address(ACQ, completions);
        register(CC, configuration);
    }

    private void address(int register, long value) {
        register(register, (int) value);
        register(register + 4, (int) (value >>> Integer.SIZE));
    }

    public void awaitStatus(int expected) {
        deadline = 0;
        int status = register(CSTS);
        while (status != expected && pause()) {
            status = register(CSTS);
        }
        assertEquals(expected, status, "CSTS");
    }

    /** Waits until the controller is ready or has failed; returns CSTS. */
    public int awaitAnyStatus() {
        deadline = 0;
        int status = register(CSTS);
        while ((status & (READY | FATAL)) == 0 && pause()) {
            status = register(CSTS);
        }
        return status;
    }

    public NvmeHostQueue admin() {
        return admin;
    }

    public Completion admin(NvmeEntry entry) {
        return admin.execute(entry);
    }

    /** Creates a pair of I/O queues that are polled. */
    public NvmeHostQueue createQueues(int id, int entries) {
        NvmeHostQueue queue = new NvmeHostQueue(this, id, entries, entries);
        NvmeEntry completions = NvmeEntry.createCompletionQueue(id, entries, queue.completions(), 0, 1);
        NvmeEntry submissions = NvmeEntry.createSubmissionQueue(id, entries, queue.submissions(), id, 1);
        assertEquals(0, admin(completions).status());
        assertEquals(0, admin(submissions).status());
        return queue;
    }

    public int register(int offset) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(DWORD);
            assertEquals(Integer.BYTES, device.pread(bytes, bar + offset));
            return bytes.get(DWORD, 0);
        }
    }

    @Override
    public void register(int offset, int value) {
        // All of memory must be written before the controller hears of it, and read after it has answered.
        VarHandle.fullFence();
        try (Arena arena = Arena.ofConfined()) {
            assertEquals(Integer.BYTES, device.pwrite(arena.allocateFrom(DWORD, value), bar + offset));
        }
        deadline = 0;
    }

    @Override
    public long pages(int count) {
        long offset = (allocated + alignment - 1) & -alignment;
        allocated = offset + (long) count * PAGE;
        assertTrue(allocated <= MEMORY_BYTES, "the test needs more memory");
        at(IOVA + offset, (long) count * PAGE).fill((byte) 0);
        return IOVA + offset;
    }

    public MemorySegment at(long address, long bytes) {
        return memory.asSlice(address - IOVA, bytes);
    }

    @Override
    public int dword(long address) {
        return memory.get(DWORD, address - IOVA);
    }

    @Override
    public void dword(long address, int value) {
        memory.set(DWORD, address - IOVA, value);
    }

    public long qword(long address) {
        return memory.get(QWORD, address - IOVA);
    }

    public void qword(long address, long value) {
        memory.set(QWORD, address - IOVA, value);
    }

    @Override
    public boolean pause() {
        long now = System.nanoTime();
        if (deadline == 0) {
            deadline = now + MAX_NANOS;
        }
        LockSupport.parkNanos(POLL_NANOS);
        VarHandle.fullFence();
        return now < deadline;
    }
}
