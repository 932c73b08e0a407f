package org.jvfio.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.jvfio.ByteSize;
import org.jvfio.VfioException;
import org.jvfio.driver.nvme.NvmeBuffer;
import org.jvfio.driver.nvme.NvmeController;
import org.jvfio.driver.nvme.NvmeNamespace;
import org.jvfio.driver.nvme.NvmeOptions;
import org.jvfio.driver.nvme.NvmeQueue;
import org.jvfio.driver.nvme.NvmeRequest;

/** {@code jvfio nvme bench}: measures how many commands a drive completes in a second, and how long each takes. */
final class NvmeBenchCommand extends Command {
    private static final int DEFAULT_DEPTH = 32;
    private static final int MAX_DEPTH = 4096;
    private static final long DEFAULT_BLOCK = 4096;
    private static final long DEFAULT_SECONDS = 5;
    private static final long MAX_SECONDS = 86_400;
    private static final double[] PERCENTILES = {50, 90, 99, 99.9, 100};

    NvmeBenchCommand() {
        super("nvme bench", "measure the throughput and latency of an NVMe drive");
    }

    @Override
    void describe(CommandSyntax syntax) {
        NvmeDrive.addTo(syntax);
        NvmeDrive.addOverwriteTo(
                        Progress.addTo(ByteRange.addTo(syntax, "use this many bytes of the drive (default: all)")))
                .flag("write", "write (default: read)")
                .flag("sequential", "access one block after the other (default: random blocks)")
                .option("block", "BYTES", "transfer this many bytes with each command (default: 4K)")
                .option("depth", "NUMBER", "keep this many commands in flight in each queue (default: 32)")
                .option("seconds", "NUMBER", "measure for this many seconds (default: 5)")
                .json(shape())
                .example("jvfio nvme bench --block 128K --sequential", "measure sequential reads");
    }

    private static JsonShape shape() {
        JsonShape latency =
                JsonShape.object("latency in microseconds that so many per cent of the commands do not exceed");
        for (double percentile : PERCENTILES) {
            latency.with(name(percentile), JsonShape.number("microseconds"));
        }
        return JsonShape.object("the measurement")
                .with("kernel", JsonShape.string("the kernel the drive is used on"))
                .with(
                        "load",
                        NvmeDrive.addCompletionTo(JsonShape.object("what was measured")
                                .with("operation", JsonShape.word("the commands", List.of("read", "write")))
                                .with("pattern", JsonShape.word("their order", List.of("random", "sequential")))
                                .with("blockBytes", JsonShape.integer("bytes of a command"))
                                .with("queues", JsonShape.integer("pairs of I/O queues"))
                                .with("depth", JsonShape.integer("commands in flight in each queue"))))
                .with("seconds", JsonShape.number("duration"))
                .with("operations", JsonShape.integer("commands completed"))
                .with("iops", JsonShape.integer("commands per second"))
                .with("bytesPerSecond", JsonShape.integer("throughput"))
                .with("latencyMicros", latency);
    }

    private static String name(double percentile) {
        return percentile == 100 ? "max" : "p" + text(percentile % 1 == 0 ? "%.0f" : "%.1f", percentile);
    }

    private static String text(String format, double value) {
        return String.format(Locale.ROOT, format, value);
    }

    /** What all lanes allocate; 0 for blocks that are rejected later. */
    private static long bufferBytes(Invocation in, int depth, long block) throws Failure {
        long pairs = in.number("queues", 1, 1, NvmeOptions.MAX_QUEUE_PAIRS);
        return block < 1 || block > NvmeOptions.MAX_TRANSFER_BYTES ? 0 : pairs * depth * block;
    }

    @Override
    int run(Invocation in) throws Failure {
        boolean writes = in.has("write");
        if (writes) {
            NvmeDrive.requireOverwrite(in, name() + " --write");
        }
        int depth = (int) in.number("depth", DEFAULT_DEPTH, 1, MAX_DEPTH);
        long seconds = in.number("seconds", DEFAULT_SECONDS, 1, MAX_SECONDS);
        long block = in.bytes("block", DEFAULT_BLOCK);
        try (NvmeDrive drive = NvmeDrive.open(in, depth + 1, block, bufferBytes(in, depth, block));
                Progress progress = Progress.of(in)) {
            NvmeNamespace namespace = drive.namespace();
            ByteRange range = ByteRange.ofBlocks(in, namespace, Long.MAX_VALUE);
            long most = namespace.maxTransferBlocks() * namespace.blockBytes();
            if (block < 1 || block % namespace.blockBytes() != 0 || block > Math.min(most, range.size())) {
                throw new Failure(
                        Failure.USAGE,
                        "--block %s: use a multiple of %s, up to %s"
                                .formatted(
                                        ByteSize.format(block),
                                        ByteSize.format(namespace.blockBytes()),
                                        ByteSize.format(Math.min(most, range.size()))));
            }
            int capacity = drive.controller().queues().getFirst().capacity();
            if (depth > capacity) {
                throw new Failure(
                        Failure.USAGE, "--depth %d: a queue of the drive holds %d commands".formatted(depth, capacity));
            }
            drive.keepImage();
            Load load = new Load(namespace, range, (int) block, depth, writes, in.has("sequential"));
            load.run(seconds, progress);
            load.result(drive).print(in.out(), in.json());
            return 0;
        }
    }

    /** Requests that are submitted again as soon as they are done, until the time is over. */
    private static final class Load {
        private final NvmeNamespace namespace;
        private final ByteRange range;
        private final int block;
        private final int depth;
        private final boolean writes;
        private final boolean sequential;
        private final LatencyHistogram latencies = new LatencyHistogram();
        private final AtomicReference<@Nullable RuntimeException> failure = new AtomicReference<>();
        private long nanos;
        private volatile boolean over;

        private Load(
                NvmeNamespace namespace, ByteRange range, int block, int depth, boolean writes, boolean sequential) {
            this.namespace = namespace;
            this.range = range;
            this.block = block;
            this.depth = depth;
            this.writes = writes;
            this.sequential = sequential;
        }

        /** One request of a queue, which goes on by itself. */
        private final class Lane {
            private final NvmeQueue queue;
            private final NvmeBuffer buffer;
            private final CountDownLatch running;
            private final SplittableRandom random;
            private final NvmeRequest request = new NvmeRequest();
            private final long places;
            private final int stride;
            private long place;
            private long started;

            private Lane(NvmeQueue queue, NvmeBuffer buffer, CountDownLatch running, int number, int lanes) {
                this.queue = queue;
                this.buffer = buffer;
                this.running = running;
                random = new SplittableRandom(number);
                places = range.size() / block;
                stride = lanes;
                place = number % places;
                request.onDone(this::done);
            }

            private void start() {
                long at = sequential ? place : random.nextLong(places);
                place = (place + stride) % places;
                int blocks = block / namespace.blockBytes();
                long lba = range.offset() / namespace.blockBytes() + at * blocks;
                if (writes) {
                    request.write(namespace, lba, blocks, buffer);
                } else {
                    request.read(namespace, lba, blocks, buffer);
                }
                started = System.nanoTime();
                boolean taken = false;
                try {
                    // A queue that is polled tells the drive of all that was enqueued since, at once.
                    taken = queue.isPolled() ? queue.enqueue(request) : queue.submit(request);
                    if (!taken) {
                        stop(new VfioException(
                                VfioException.Kind.BUSY,
                                "go on",
                                "the drive was reset meanwhile",
                                "look at its health"));
                    }
                } catch (RuntimeException e) {
                    stop(e);
                } finally {
                    if (!taken) {
                        running.countDown();
                    }
                }
            }

            private void done(NvmeRequest ended) {
                if (ended.isSuccess()) {
                    latencies.add(System.nanoTime() - started);
                    if (!over) {
                        start();
                        return;
                    }
                } else {
                    try {
                        ended.requireSuccess();
                    } catch (VfioException e) {
                        stop(e);
                    }
                }
                running.countDown();
            }
        }

        private void stop(RuntimeException why) {
            failure.compareAndSet(null, why);
            over = true;
        }

        private void run(long seconds, Progress progress) throws Failure {
            NvmeController nvme = namespace.controller();
            int lanes = nvme.queues().size() * depth;
            CountDownLatch running = new CountDownLatch(lanes);
            try (NvmeBuffer buffer = nvme.allocate((long) lanes * block)) {
                if (writes) {
                    new SeededBytes(0).fill(buffer.segment().asSlice(0, (long) lanes * block & -Long.BYTES), 0);
                }
                List<Thread> threads = new ArrayList<>();
                long start = System.nanoTime();
                int number = 0;
                for (NvmeQueue queue : nvme.queues()) {
                    List<Lane> ofQueue = new ArrayList<>();
                    for (int i = 0; i < depth; i++, number++) {
                        ofQueue.add(
                                new Lane(queue, buffer.slice((long) number * block, block), running, number, lanes));
                    }
                    threads.add(Thread.ofPlatform().start(() -> drive(ofQueue, queue, running)));
                }
                long end = start + TimeUnit.SECONDS.toNanos(seconds);
                while (!over && System.nanoTime() - end < 0) {
                    running.await(100, TimeUnit.MILLISECONDS);
                    progress.show("measured", (System.nanoTime() - start) / 1_000_000, seconds * 1000);
                }
                over = true;
                for (Thread thread : threads) {
                    thread.join();
                }
                running.await();
                nanos = System.nanoTime() - start;
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new Failure(Failure.FAILED, "interrupted");
            }
            RuntimeException failed = failure.get();
            if (failed != null) {
                throw failed;
            }
        }

        private void drive(List<Lane> lanes, NvmeQueue queue, CountDownLatch running) {
            lanes.forEach(Lane::start);
            try {
                while (queue.inFlight() > 0 || !over) {
                    if (queue.isPolled()) {
                        queue.poll();
                    } else {
                        // Interrupts complete the commands, unless the driver finds that they never come.
                        running.await(10, TimeUnit.MILLISECONDS);
                    }
                }
            } catch (RuntimeException e) {
                stop(e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                stop(new IllegalStateException("interrupted", e));
            }
        }

        private Step result(NvmeDrive drive) {
            long operations = latencies.count();
            double elapsed = nanos / 1e9;
            Step step = new Step(
                            "bench",
                            "%s %s of %s in %s"
                                    .formatted(
                                            sequential ? "Sequential" : "Random",
                                            writes ? "writes" : "reads",
                                            ByteSize.format(block),
                                            namespace))
                    .fact("kernel", drive.kernelTitle(), "kernel", drive.kernelTitle())
                    .fact(
                            "load",
                            Json.object(
                                    "operation",
                                    writes ? "write" : "read",
                                    "pattern",
                                    sequential ? "sequential" : "random",
                                    "blockBytes",
                                    block,
                                    "queues",
                                    drive.controller().queues().size(),
                                    "depth",
                                    depth,
                                    "completion",
                                    drive.completionWord(),
                                    "polledQueues",
                                    drive.polledQueues()),
                            "load",
                            "%d in flight in each of %d queue%s, %s"
                                    .formatted(
                                            depth,
                                            drive.controller().queues().size(),
                                            drive.controller().queues().size() == 1 ? "" : "s",
                                            drive.completion()))
                    .fact("seconds", elapsed, "time", text("%.2f s", elapsed))
                    .fact("operations", operations, "operations", Long.toString(operations))
                    .fact("iops", Math.round(operations / elapsed), "IOPS", text("%.0f", operations / elapsed))
                    .fact(
                            "bytesPerSecond",
                            Math.round(operations * (double) block / elapsed),
                            "throughput",
                            text("%.1f MiB/s", operations * (double) block / elapsed / (1 << 20)));
            List<String> words = new ArrayList<>();
            Object[] micros = new Object[2 * PERCENTILES.length];
            for (int i = 0; i < PERCENTILES.length; i++) {
                double value = latencies.percentile(PERCENTILES[i]) / 1000.0;
                String name = name(PERCENTILES[i]);
                micros[2 * i] = name;
                micros[2 * i + 1] = value;
                words.add(name + " " + text("%.1f", value));
            }
            return step.fact("latencyMicros", Json.object(micros), "latency", String.join(", ", words) + " us");
        }
    }
}
