package org.jvfio.bench;

import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntConsumer;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.DmaConstraints;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.DmaWindow;
import org.jvfio.MemoryRange;
import org.jvfio.PageSize;
import org.jvfio.PciAddress;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.edu.EmulatedEdu;

/** What the library and the emulated kernel cost as there is more of something. */
final class Growth {
    private static final long PAGE = 1 << 16;
    private static final long GIB = 1 << 30;
    private static final long TIB = 1L << 40;
    private static final int LEVELS = 2;
    private static final int MAX_DEVICES = 1_000;
    private static final int MAX_THREADS = 8;
    /** Fewer mappings are lost in what else changes on the heap. */
    private static final int MIN_WEIGHED = 10_000;

    private static final int MAX_MAPPINGS = 10_000_000;
    /** For {@link #measure} of everything. */
    static final int ROUNDS = 30;

    /**
     * Measurements of one kind.
     *
     * @param name of its files
     * @param x what grows
     * @param y what is measured, with its unit
     * @param points in the order of x
     */
    record Series(String name, String x, String y, List<Point> points) {}

    /** A value that was measured with so many. */
    record Point(double x, double y) {}

    private final int rounds;

    private Growth(int rounds) {
        this.rounds = rounds;
    }

    /**
     * All series.
     *
     * @param scale 1 for everything; less for smaller maximums, as in a test
     * @param rounds how often each is measured; the best counts
     */
    static List<Series> measure(double scale, int rounds) throws InterruptedException {
        Growth growth = new Growth(rounds);
        List<Series> all = new ArrayList<>();
        all.addAll(growth.mappings((int) (MAX_MAPPINGS * scale)));
        all.add(growth.windows((long) (64 * TIB * scale)));
        all.addAll(growth.threads(Math.max(2, (int) (MAX_THREADS * scale))));
        all.add(growth.devices(Math.max(3, (int) (MAX_DEVICES * scale))));
        return all;
    }

    private static EmulatedMachine machine(int devices) {
        EmulatedMachine.Builder machine = EmulatedMachine.power8().toBuilder().withoutDevices();
        for (int each = 0; each < devices; each++) {
            machine.device(
                    address(each).toString(), each, () -> new EmulatedEdu(ByteOrder.BIG_ENDIAN, -1, Duration.ZERO));
        }
        return machine.build();
    }

    private static PciAddress address(int domain) {
        return PciAddress.parse(String.format(Locale.ROOT, "%04x:01:00.0", domain));
    }

    /** Runs a task many times, and returns the best nanoseconds for one. */
    private double best(int count, IntConsumer task) {
        double best = Double.MAX_VALUE;
        for (int round = 0; round < rounds; round++) {
            long begin = System.nanoTime();
            for (int each = 0; each < count; each++) {
                task.accept(each);
            }
            best = Math.min(best, (double) (System.nanoTime() - begin) / count);
        }
        return best;
    }

    private List<Series> mappings(int maximum) {
        List<Point> times = new ArrayList<>();
        List<Point> heap = new ArrayList<>();
        List<Point> more = new ArrayList<>();
        live(300 * rounds, new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
        for (int count = 1; count <= maximum; count *= 10) {
            live(count, times, heap, more);
        }
        return List.of(
                new Series("mappings-time", "live mappings", "ns to map each of them", times),
                new Series("mappings-heap", "live mappings", "bytes of heap for each", heap),
                new Series("mappings-more", "live mappings", "ns to map and close one more", more));
    }

    private void live(int count, List<Point> times, List<Point> heap, List<Point> more) {
        try (Container container = Container.open(EmulatedKernel.boot(machine(1)))) {
            container.attach(0);
            DmaMemory page = container.allocate(PAGE);
            DmaWindow window = container.createWindow(PageSize.SIZE_64K, TIB, 2);
            MemoryRange part = page.range();
            // The first of few would pay for what all need.
            map(window, part, 100_000 / Math.max(count, 100)).forEach(DmaMapping::close);
            long before = used();
            long begin = System.nanoTime();
            for (int each = 0; each < count; each++) {
                window.map(part, DmaDirection.BIDIRECTIONAL, DmaConstraints.NONE);
            }
            times.add(new Point(count, (double) (System.nanoTime() - begin) / count));
            if (count >= MIN_WEIGHED) {
                heap.add(new Point(count, (double) (used() - before) / count));
            }
            more.add(new Point(
                    count,
                    best(
                            300 * rounds,
                            _ -> window.map(part, DmaDirection.BIDIRECTIONAL, DmaConstraints.NONE)
                                    .close())));
        }
    }

    private static List<DmaMapping> map(DmaWindow window, MemoryRange part, int count) {
        List<DmaMapping> mapped = new ArrayList<>();
        for (int each = 0; each < count; each++) {
            mapped.add(window.map(part, DmaDirection.BIDIRECTIONAL));
        }
        return mapped;
    }

    private static long used() {
        // The first collection may leave what finalization or references keep.
        for (int each = 0; each < 3; each++) {
            System.gc();
        }
        return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
    }

    private Series windows(long maximum) {
        List<Point> points = new ArrayList<>();
        try (Container container = Container.open(EmulatedKernel.boot(machine(1)))) {
            container.attach(0);
            // The first is not compiled yet.
            best(
                    3 * rounds,
                    _ -> container.createWindow(PageSize.SIZE_64K, GIB, LEVELS).close());
            for (long bytes = GIB; bytes <= maximum; bytes *= 4) {
                long size = bytes;
                points.add(new Point(
                        (double) bytes / GIB,
                        best(
                                3 * rounds,
                                _ -> container
                                        .createWindow(PageSize.SIZE_64K, size, LEVELS)
                                        .close())));
            }
        }
        return new Series("windows", "size of the window in GiB", "ns to create and remove it", points);
    }

    /**
     * Each thread has a container of its own: on one host, and each on a host of its own, which is what the processors
     * allow at most.
     */
    private List<Series> threads(int maximum) throws InterruptedException {
        EmulatedKernel shared = EmulatedKernel.boot(machine(maximum));
        List<DmaMapping> together = new ArrayList<>();
        List<DmaMapping> apart = new ArrayList<>();
        List<Container> containers = new ArrayList<>();
        for (int each = 0; each < maximum; each++) {
            together.add(prepared(shared, each, containers));
            apart.add(prepared(EmulatedKernel.boot(machine(1)), 0, containers));
        }
        // Until the code of all is compiled.
        for (int each = 0; each < 3; each++) {
            pairsPerMicro(together);
            pairsPerMicro(apart);
        }
        int turns = rounds / 3 + 1;
        double[][] sharing = new double[maximum][turns];
        double[][] alone = new double[maximum][turns];
        double[][] gain = new double[maximum][turns];
        // In turns, so that other load disturbs all of them.
        for (int turn = 0; turn < turns; turn++) {
            for (int count = 1; count <= maximum; count++) {
                double one = pairsPerMicro(together.subList(0, 1));
                sharing[count - 1][turn] = pairsPerMicro(together.subList(0, count));
                alone[count - 1][turn] = pairsPerMicro(apart.subList(0, count));
                gain[count - 1][turn] = sharing[count - 1][turn] / one;
            }
        }
        containers.forEach(Container::close);
        return List.of(
                new Series(
                        "threads",
                        "threads, each with a container",
                        "pairs of map and unmap in 1 us, together",
                        points(sharing)),
                new Series(
                        "threads-gain",
                        "threads, each with a container",
                        "times the pairs of one thread just before",
                        points(gain)),
                new Series(
                        "threads-apart",
                        "threads, each with a host",
                        "pairs of map and unmap in 1 us, together, which share nothing",
                        points(alone)));
    }

    /** The medians of what was measured with 1, 2 and so on. */
    private static List<Point> points(double[][] measured) {
        List<Point> points = new ArrayList<>();
        for (double[] turns : measured) {
            double median = Arrays.stream(turns).sorted().toArray()[turns.length / 2];
            points.add(new Point(points.size() + 1, median));
        }
        return points;
    }

    private static DmaMapping prepared(EmulatedKernel kernel, int group, List<Container> opened) {
        Container container = Container.open(kernel);
        opened.add(container);
        container.attach(group);
        return container
                .createWindow(PageSize.SIZE_64K, GIB, 1)
                .prepare(container.allocate(PAGE).range(), DmaDirection.BIDIRECTIONAL);
    }

    private double pairsPerMicro(List<DmaMapping> mappings) throws InterruptedException {
        int pairs = 7_000 * rounds;
        CountDownLatch ready = new CountDownLatch(mappings.size() + 1);
        AtomicReference<Throwable> failure = new AtomicReference<>();
        List<Thread> threads = mappings.stream()
                .map(mapping -> Thread.ofPlatform().unstarted(() -> {
                    ready.countDown();
                    await(ready);
                    for (int each = 0; each < pairs; each++) {
                        mapping.map();
                        mapping.unmap();
                    }
                }))
                .toList();
        for (Thread thread : threads) {
            thread.setUncaughtExceptionHandler((_, thrown) -> failure.set(thrown));
            thread.start();
        }
        ready.countDown();
        await(ready);
        long begin = System.nanoTime();
        for (Thread thread : threads) {
            thread.join();
        }
        Throwable thrown = failure.get();
        if (thrown != null) {
            throw new IllegalStateException("a thread failed", thrown);
        }
        return 1e3 * pairs * mappings.size() / (System.nanoTime() - begin);
    }

    private static void await(CountDownLatch ready) {
        try {
            ready.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private Series devices(int maximum) {
        List<Point> points = new ArrayList<>();
        // The first hosts would pay for the compilation of all.
        for (int round = 0; round < rounds / 3; round++) {
            open(3);
        }
        for (int count : new int[] {1, 3, 10, 30, 100, 300, 1_000}) {
            if (count <= maximum) {
                points.add(new Point(count, open(count)));
            }
        }
        return new Series("devices", "devices of the host", "ns to open and close one of them", points);
    }

    private double open(int devices) {
        EmulatedKernel kernel = EmulatedKernel.boot(machine(devices));
        PciAddress last = address(devices - 1);
        return best(3 * rounds, _ -> Device.open(kernel, last).close());
    }
}
