package org.jvfio.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.commons.cli.CommandLine;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.Options;
import org.jspecify.annotations.Nullable;
import org.jvfio.ByteSize;
import org.jvfio.VfioException;
import org.jvfio.driver.nvme.NvmeBuffer;
import org.jvfio.driver.nvme.NvmeCompletion;
import org.jvfio.driver.nvme.NvmeController;
import org.jvfio.driver.nvme.NvmeNamespace;
import org.jvfio.driver.nvme.NvmeQueue;
import org.jvfio.driver.nvme.NvmeRequest;

/** {@code jvfio nvme bench}: how many commands a drive does in a second, and how long each takes. */
final class NvmeBenchCommand implements Command {
    private static final int DEFAULT_DEPTH = 32;
    private static final int MAX_DEPTH = 4096;
    private static final long DEFAULT_BLOCK = 4096;
    private static final long DEFAULT_SECONDS = 5;
    private static final long MAX_SECONDS = 86_400;
    private static final double[] PERCENTILES = {50, 90, 99, 99.9, 100};

    @Override
    public String name() {
        return "nvme bench";
    }

    @Override
    public String summary() {
        return "measure how many commands an NVMe drive does in a second, and how long they take";
    }

    @Override
    public Options options() {
        return NvmeDrive.writing(Progress.addTo(
                        ByteRange.addTo(NvmeDrive.options(), "the part of the drive that is used, all by default")))
                .addOption(Option.builder()
                        .longOpt("write")
                        .desc("writes; reads otherwise")
                        .get())
                .addOption(Option.builder()
                        .longOpt("sequential")
                        .desc("one block after the other; random blocks otherwise")
                        .get())
                .addOption(Option.builder()
                        .longOpt("block")
                        .hasArg()
                        .argName("BYTES")
                        .desc("what a command transfers, 4K by default")
                        .get())
                .addOption(Option.builder()
                        .longOpt("depth")
                        .hasArg()
                        .argName("NUMBER")
                        .desc("commands under way in each queue, 32 by default")
                        .get())
                .addOption(Option.builder()
                        .longOpt("seconds")
                        .hasArg()
                        .argName("NUMBER")
                        .desc("how long, 5 by default")
                        .get());
    }

    @Override
    public void run(CommandLine line, StandardOutput out) throws Failure {
        boolean writes = line.hasOption("write");
        if (writes) {
            NvmeDrive.requireOverwrite(line, name() + " --write");
        }
        int depth = (int) CommandOptions.number(line, "depth", DEFAULT_DEPTH, 1, MAX_DEPTH);
        long seconds = CommandOptions.number(line, "seconds", DEFAULT_SECONDS, 1, MAX_SECONDS);
        long block = CommandOptions.bytes(line, "block", DEFAULT_BLOCK);
        try (NvmeDrive drive = NvmeDrive.open(line, depth + 1, block);
                Progress progress = Progress.of(line)) {
            NvmeNamespace namespace = drive.namespace();
            ByteRange range = ByteRange.ofBlocks(line, namespace, Long.MAX_VALUE);
            long most = namespace.maxTransferBlocks() * namespace.blockBytes();
            if (block < 1 || block % namespace.blockBytes() != 0 || block > Math.min(most, range.size())) {
                throw new Failure(
                        Failure.USAGE,
                        "--block %d: use a multiple of %d, up to %d"
                                .formatted(block, namespace.blockBytes(), Math.min(most, range.size())));
            }
            int capacity = drive.controller().queues().getFirst().capacity();
            if (depth > capacity) {
                throw new Failure(
                        Failure.USAGE,
                        "--depth %d: a queue of the drive has room for %d commands".formatted(depth, capacity));
            }
            drive.keepImage();
            Load load = new Load(namespace, range, (int) block, depth, writes, line.hasOption("sequential"));
            load.run(seconds, progress);
            load.tell(drive).print(out, line.hasOption("json"));
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
        private final boolean polled;
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
            polled = namespace.controller().options().completion() == NvmeCompletion.POLLED;
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
                    taken = polled ? queue.enqueue(request) : queue.submit(request);
                    if (!taken) {
                        stop(new VfioException("go on", "the drive was reset meanwhile", "look at its health"));
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
                    threads.add(Thread.ofPlatform().start(() -> drive(ofQueue, queue)));
                }
                long end = start + TimeUnit.SECONDS.toNanos(seconds);
                while (!over && System.nanoTime() - end < 0) {
                    running.await(100, TimeUnit.MILLISECONDS);
                    progress.tell("measured", (System.nanoTime() - start) / 1_000_000, seconds * 1000);
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

        private void drive(List<Lane> lanes, NvmeQueue queue) {
            lanes.forEach(Lane::start);
            if (polled) {
                try {
                    while (queue.inFlight() > 0 || !over) {
                        queue.poll();
                    }
                } catch (RuntimeException e) {
                    stop(e);
                }
            }
        }

        private Step tell(NvmeDrive drive) {
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
                            Step.data(
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
                                    drive.controller().options().completion().name()),
                            "load",
                            "%d under way in each of %d queue%s, %s"
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
                String name = PERCENTILES[i] == 100
                        ? "max"
                        : "p" + text(PERCENTILES[i] % 1 == 0 ? "%.0f" : "%.1f", PERCENTILES[i]);
                micros[2 * i] = name;
                micros[2 * i + 1] = value;
                words.add(name + " " + text("%.1f", value));
            }
            return step.fact("latencyMicros", Step.data(micros), "latency", String.join(", ", words) + " us");
        }

        private static String text(String format, double value) {
            return String.format(Locale.ROOT, format, value);
        }
    }
}
