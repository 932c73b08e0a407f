package org.jvfio.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.jvfio.Device;
import org.jvfio.PciAddress;
import org.jvfio.driver.nvme.NvmeBuffer;
import org.jvfio.driver.nvme.NvmeController;
import org.jvfio.driver.nvme.NvmeNamespace;
import org.jvfio.driver.nvme.NvmeOptions;
import org.jvfio.driver.nvme.NvmeQueue;
import org.jvfio.driver.nvme.NvmeRequest;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.nvme.EmulatedNvme;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.Observer;
import org.jvfio.observe.RecordOptions;
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
 * Random reads from an emulated NVMe drive, polled by one thread: commands in a second. They are of 4 KiB; with {@code
 * -p bytes=4194304} of 4 MiB, say, whose lists of pages are chained.
 */
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
@State(Scope.Benchmark)
public class NvmeBenchmark {
    private static final PciAddress DRIVE = PciAddress.parse("0002:01:00.0");
    private static final int BLOCK = 4096;
    private static final long USED_BYTES = 64L << 20;

    /** How many commands are in flight at a time. */
    @Param({"1", "32"})
    private int depth;

    /** What a command transfers, a power of two. */
    @Param("4096")
    private int bytes;

    /** Whether the calls are recorded in a file. */
    @Param("false")
    private boolean recorded;

    /** What the measured loop uses. */
    private record Driven(NvmeNamespace disk, NvmeQueue queue) {}

    private final SplittableRandom random = new SplittableRandom(1);
    private @Nullable Observer observer;
    private @Nullable Path file;
    private @Nullable Device device;
    private @Nullable NvmeController controller;
    private @Nullable Driven driven;
    private NvmeRequest[] requests = {};
    private NvmeBuffer[] buffers = {};
    private int next;

    /** With the parameters that JMH sets. */
    public NvmeBenchmark() {}

    NvmeBenchmark(int depth, boolean recorded) {
        this.depth = depth;
        this.bytes = BLOCK;
        this.recorded = recorded;
    }

    @Setup
    public void open() throws IOException {
        EmulatedMachine machine = EmulatedMachine.power8().toBuilder()
                .withoutDevices()
                .device(DRIVE.toString(), 0, EmulatedNvme.builder().mdts(0)::build)
                .build();
        Kernel kernel = EmulatedKernel.boot(machine);
        if (recorded) {
            Path made = Files.createTempFile("jvfio", ".rec");
            file = made;
            Observer recorder = Observer.record(RecordOptions.of(made), "a benchmark");
            observer = recorder;
            kernel = recorder.observe(kernel);
        }
        device = Device.open(kernel, DRIVE);
        controller = NvmeController.open(
                device,
                NvmeOptions.builder().maxTransferBytes(Math.max(1 << 20, bytes)).build());
        NvmeNamespace disk = controller.namespace(1);
        NvmeBuffer all = controller.allocate(Math.max(1 << 20, (long) depth * bytes));
        // Blocks that were never written take no memory to read.
        for (long at = 0; at < USED_BYTES; at += all.size()) {
            disk.write(at / disk.blockBytes(), all.size() / disk.blockBytes(), all);
        }
        requests = new NvmeRequest[depth];
        buffers = new NvmeBuffer[depth];
        for (int i = 0; i < depth; i++) {
            buffers[i] = all.slice((long) i * bytes, bytes);
            requests[i] = new NvmeRequest();
            submit(i, disk, controller.queue(0));
        }
        controller.queue(0).ring();
        driven = new Driven(disk, controller.queue(0));
    }

    private void submit(int number, NvmeNamespace disk, NvmeQueue queue) {
        int blocks = bytes / disk.blockBytes();
        long lba = random.nextLong(USED_BYTES / bytes) * blocks;
        if (!queue.enqueue(requests[number].read(disk, lba, blocks, buffers[number]))) {
            throw new IllegalStateException("the queue is full");
        }
    }

    /** Waits for the oldest command, and submits another; rings the doorbell when no completion is left. */
    @Benchmark
    public void randomRead() {
        Driven open = driven;
        if (open == null) {
            throw new IllegalStateException("not open");
        }
        NvmeRequest oldest = requests[next];
        while (!oldest.isDone()) {
            open.queue().poll();
        }
        oldest.requireSuccess();
        submit(next, open.disk(), open.queue());
        next = next + 1 == depth ? 0 : next + 1;
    }

    @TearDown
    public void close() throws IOException {
        if (controller != null) {
            controller.close();
        }
        if (device != null) {
            device.close();
        }
        if (observer != null) {
            observer.close();
        }
        if (file != null) {
            Files.deleteIfExists(file);
        }
    }
}
