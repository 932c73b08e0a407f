package org.jvfio.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.jvfio.Device;
import org.jvfio.PciAddress;
import org.jvfio.ThreadAllocation;
import org.jvfio.driver.nvme.NvmeBuffer;
import org.jvfio.driver.nvme.NvmeController;
import org.jvfio.driver.nvme.NvmeNamespace;
import org.jvfio.driver.nvme.NvmeOptions;
import org.jvfio.driver.nvme.NvmeQueue;
import org.jvfio.driver.nvme.NvmeRequest;
import org.jvfio.kernel.Kernel;
import org.jvfio.kernel.linux.LinuxKernel;

/**
 * Random reads of 4 KiB from an NVMe drive on Linux, in turns by this library and by the kernel's own driver, whose
 * part {@code nvme-bench.c} is. {@code scripts/bench --compare-nvme} runs it in a guest.
 *
 * <p>Warms up first. Prints what each turn measured, and a table of medians: reads per second, and bytes of heap per
 * read.
 */
public final class NvmeReads {
    private static final int BLOCK = 4096;
    private static final long USED_BYTES = 64L << 20;
    private static final int[] DEPTHS = {1, 32};
    private static final int BATCH = 64;

    private final PciAddress drive;
    private final double seconds;
    private final SplittableRandom random = new SplittableRandom(1);
    private final Map<String, List<Double>> inC = new LinkedHashMap<>();
    private final Map<String, List<Double>> inJava = new LinkedHashMap<>();
    private final Map<String, Double> bytes = new LinkedHashMap<>();

    private NvmeReads(PciAddress drive, double seconds) {
        this.drive = drive;
        this.seconds = seconds;
    }

    /** Commands of one depth, all of them in flight. */
    private final class Reads {
        private final NvmeNamespace disk;
        private final NvmeQueue queue;
        private final NvmeRequest[] requests;
        private final NvmeBuffer[] buffers;
        private int next;

        Reads(NvmeController nvme, NvmeBuffer memory, int depth) {
            disk = nvme.namespace(1);
            queue = nvme.queue(0);
            requests = new NvmeRequest[depth];
            buffers = new NvmeBuffer[depth];
            for (int each = 0; each < depth; each++) {
                requests[each] = new NvmeRequest();
                buffers[each] = memory.slice((long) each * BLOCK, BLOCK);
                submit(each);
            }
            queue.ring();
        }

        private void submit(int number) {
            int blocks = BLOCK / disk.blockBytes();
            long lba = random.nextLong(USED_BYTES / BLOCK) * blocks;
            if (!queue.enqueue(requests[number].read(disk, lba, blocks, buffers[number]))) {
                throw new IllegalStateException("the queue is full");
            }
        }

        /** Waits for the oldest commands, one after another, and submits as many. */
        void run(int count) {
            for (int each = 0; each < count; each++) {
                await(requests[next]);
                submit(next);
                next = next + 1 == requests.length ? 0 : next + 1;
            }
        }

        private void await(NvmeRequest oldest) {
            while (!oldest.isDone()) {
                queue.poll();
            }
            oldest.requireSuccess();
        }

        void end() {
            queue.ring();
            Arrays.stream(requests).forEach(this::await);
        }
    }

    private void measureJava(double duration, boolean counts) {
        Kernel kernel = LinuxKernel.open();
        try (Device device = Device.open(kernel, drive);
                NvmeController nvme = NvmeController.open(device, NvmeOptions.DEFAULT);
                NvmeBuffer memory = nvme.allocate(1 << 20)) {
            for (int depth : DEPTHS) {
                Reads reads = new Reads(nvme, memory, depth);
                String name = "depth " + depth;
                long heap = ThreadAllocation.bytes();
                long begin = System.nanoTime();
                long end = begin + (long) (duration * TimeUnit.SECONDS.toNanos(1));
                long count = 0;
                while (System.nanoTime() - end < 0) {
                    reads.run(BATCH);
                    count += BATCH;
                }
                double taken = (System.nanoTime() - begin) / (double) TimeUnit.SECONDS.toNanos(1);
                double perRead = (double) (ThreadAllocation.bytes() - heap) / count;
                reads.end();
                if (counts) {
                    add(inJava, name, count / taken);
                    bytes.merge(name, perRead, Math::max);
                }
            }
        }
    }

    private static void add(Map<String, List<Double>> to, String name, double value) {
        to.computeIfAbsent(name, _ -> new ArrayList<>()).add(value);
    }

    private void measureC(String program) throws IOException, InterruptedException {
        run("kernel-nvme");
        run(program, "/dev/nvme0n1", Double.toString(seconds)).lines().forEach(line -> {
            String[] words = line.split("\t", -1);
            add(inC, words[0], Double.parseDouble(words[1]));
        });
        run("kernel-nvme", "--vfio");
    }

    private static String run(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) {
            throw new IllegalStateException(
                    String.join(" ", command) + " ended with status " + process.exitValue() + ": " + output);
        }
        return output;
    }

    static double median(List<Double> values) {
        List<Double> sorted = values.stream().sorted().toList();
        int middle = sorted.size() / 2;
        return sorted.size() % 2 == 1 ? sorted.get(middle) : (sorted.get(middle - 1) + sorted.get(middle)) / 2;
    }

    /** A row of the table. */
    static String row(String name, List<Double> inC, List<Double> inJava, double bytes) {
        double c = median(inC);
        double java = median(inJava);
        return String.format(
                Locale.ROOT, "%-10s %14.0f %14.0f %8.2f %8.1f", name, c, java, java / c, bytes < 0.1 ? 0 : bytes);
    }

    private static String all(List<Double> values) {
        return String.join(
                " ",
                values.stream()
                        .map(value -> String.format(Locale.ROOT, "%.0f", value))
                        .toList());
    }

    /** Measures: {@code NvmeReads ADDRESS PROGRAM TURNS SECONDS WARM-UP-SECONDS}. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        if (arguments.length != 5) {
            System.err.println("usage: NvmeReads ADDRESS PROGRAM TURNS SECONDS WARM-UP-SECONDS");
            System.exit(2);
        }
        NvmeReads reads = new NvmeReads(PciAddress.parse(arguments[0]), Double.parseDouble(arguments[3]));
        reads.measureJava(Double.parseDouble(arguments[4]), false);
        int turns = Integer.parseInt(arguments[2]);
        for (int turn = 0; turn < turns; turn++) {
            reads.measureC(arguments[1]);
            reads.measureJava(reads.seconds, true);
        }
        reads.inC.forEach((name, values) -> System.out.println("C, " + name + ": " + all(values)));
        reads.inJava.forEach((name, values) -> System.out.println("Java, " + name + ": " + all(values)));
        System.out.printf("%-10s %14s %14s %8s %8s%n", "reads/s", "C, nvme.ko", "Java", "ratio", "bytes");
        reads.inC.forEach((name, values) -> System.out.println(
                row(name, values, reads.inJava.getOrDefault(name, List.of()), reads.bytes.getOrDefault(name, 0.0))));
    }
}
