package org.jvfio.bench;

import static org.jvfio.fixture.nvme.Opcodes.CREATE_CQ;
import static org.jvfio.fixture.nvme.Opcodes.CREATE_SQ;
import static org.jvfio.fixture.nvme.Opcodes.READ;
import static org.jvfio.fixture.nvme.Opcodes.WRITE;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.concurrent.TimeUnit;
import org.jvfio.emulator.nvme.EmulatedNvme;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The emulated NVMe controller reads 4 KiB blocks at random places: a batch of commands with one doorbell, without a
 * driver.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Fork(1)
@State(Scope.Benchmark)
public class NvmeControllerBenchmark {
    private static final ValueLayout.OfInt DWORD = ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong QWORD = ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final long WINDOW = BenchProcess.SECOND_WINDOW;
    private static final long MEMORY_BYTES = 1 << 20;
    private static final int ENTRIES = 64;
    private static final int PAGE = 4096;
    private static final long DRIVE_BYTES = 64 << 20;
    private static final int BLOCKS_OF_PAGE = PAGE / 512;
    private static final long DOORBELL = 0x1000;
    private static final long ADMIN_SUBMISSIONS = 0;
    private static final long ADMIN_COMPLETIONS = PAGE;
    private static final long SUBMISSIONS = 2 * PAGE;
    private static final long COMPLETIONS = 3 * PAGE;
    private static final long DATA = 16 * PAGE;

    /** How many commands there are for each doorbell. */
    @Param({"1", "32"})
    private int depth;

    private final BenchProcess process =
            new BenchProcess(EmulatedNvme.builder().namespace(DRIVE_BYTES).build());
    private MemorySegment memory = MemorySegment.NULL;
    private int tail;
    private int head;
    private int phase = 1;
    private long block = 1;

    /** Enables the controller, creates a pair of queues, and writes all blocks, so that none is known to be zeros. */
    @Setup
    public void enable() {
        long address = process.registeredMemory(MEMORY_BYTES);
        process.call(process.windowOf(16, 1L << 30, 1));
        process.call(process.mapOf(address, WINDOW, MEMORY_BYTES));
        memory = process.kernel().memory(address, MEMORY_BYTES);
        process.write(0x24, (ENTRIES - 1) << 16 | (ENTRIES - 1));
        process.write(0x28, WINDOW + ADMIN_SUBMISSIONS);
        process.write(0x30, WINDOW + ADMIN_COMPLETIONS);
        process.write(0x14, 0x00460001);
        entry(ADMIN_SUBMISSIONS, CREATE_CQ, WINDOW + COMPLETIONS, 1L << 32 | (ENTRIES - 1) << 16 | 1);
        process.write(DOORBELL, 1);
        entry(ADMIN_SUBMISSIONS + 64, CREATE_SQ, WINDOW + SUBMISSIONS, 0x10001L << 32 | (ENTRIES - 1) << 16 | 1);
        process.write(DOORBELL, 2);
        for (long first = 0; first < DRIVE_BYTES / 512; first += BLOCKS_OF_PAGE) {
            submit(WRITE, first, 0);
            process.write(DOORBELL + 8, tail);
            reap();
            process.write(DOORBELL + 12, head);
        }
    }

    @TearDown
    public void close() {
        process.close();
    }

    private void entry(long at, int opcode, long prp, long dwords10) {
        memory.set(DWORD, at, opcode);
        memory.set(DWORD, at + 4, 1);
        memory.set(QWORD, at + 24, prp);
        memory.set(QWORD, at + 40, dwords10);
    }

    private void submit(int opcode, long first, int slot) {
        long at = SUBMISSIONS + tail * 64L;
        entry(at, opcode | slot << 16, WINDOW + DATA + (long) slot * PAGE, first);
        memory.set(DWORD, at + 48, BLOCKS_OF_PAGE - 1);
        tail = (tail + 1) % ENTRIES;
    }

    private void reap() {
        int last = memory.get(DWORD, COMPLETIONS + head * 16L + 12);
        if ((last >>> 16 & 1) != phase || last >>> 17 != 0) {
            throw new IllegalStateException("completion 0x%x".formatted(last));
        }
        head++;
        if (head == ENTRIES) {
            head = 0;
            phase ^= 1;
        }
    }

    /** A batch of reads. */
    @Benchmark
    public void read() {
        for (int slot = 0; slot < depth; slot++) {
            block = block * 6364136223846793005L + 1442695040888963407L;
            submit(READ, (block >>> 33) % (DRIVE_BYTES / PAGE) * BLOCKS_OF_PAGE, slot);
        }
        process.write(DOORBELL + 8, tail);
        for (int slot = 0; slot < depth; slot++) {
            reap();
        }
        process.write(DOORBELL + 12, head);
    }
}
