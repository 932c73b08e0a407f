package org.jvfio.bench;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.DmaWindow;
import org.jvfio.MemoryRange;
import org.jvfio.PageSize;
import org.jvfio.PciAddress;
import org.jvfio.Region;
import org.jvfio.ThreadAllocation;
import org.jvfio.ioctl.ValueIoctl;
import org.jvfio.kernel.Kernel;
import org.jvfio.kernel.linux.LinuxKernel;
import org.jvfio.uapi.pollfd;
import org.jvfio.uapi.vfio_h;

/**
 * Measures what the library's calls cost on Linux, with an edu device: the counterpart of {@code vfio-bench.c}, which
 * makes the same calls in C. {@code scripts/bench --compare} runs both in one guest.
 *
 * <p>Prints a line for each measurement, separated by tabs: name; nanoseconds per operation over the first 20,000 from
 * a cold start; once it is compiled; and bytes of heap per operation, once compiled. A cold start is one for the first
 * measurement of a JVM only.
 */
public final class CallTimes {
    private static final int COLD = 20_000;
    private static final int WAKE_UPS = 2_000;
    private static final int ROUNDS = 3;
    private static final long SETTLED_NANOS = 700_000_000;
    private static final double IMPROVEMENT = 0.99;
    private static final long KIB = 1 << 10;
    private static final long MIB = 1 << 20;
    private static final long GIB = 1 << 30;
    private static final int LIVENESS = 0x04;
    private static final int REGISTERS = 1_000;

    /** An operation, made several times in one call, so that the loop is compiled with it. */
    @FunctionalInterface
    private interface Repeated {
        void run(int count);
    }

    /** What one measurement does, how often after warming up, and how many operations a call of it counts for. */
    private record Measurement(int count, int operations, Repeated repeated) {
        static Measurement of(int count, Repeated repeated) {
            return new Measurement(count, 1, repeated);
        }
    }

    private final Map<String, Supplier<Measurement>> measurements = new LinkedHashMap<>();
    private final Kernel kernel = LinuxKernel.open();
    private final Device device;
    private final Container container;
    private final Region registers;
    private final DmaMemory small;
    private final DmaMemory large;
    private @Nullable DmaWindow window;
    private int sink;

    private CallTimes(PciAddress address) {
        device = Device.open(kernel, address);
        container = device.container();
        device.enableMemory();
        registers = device.bar(0);
        small = container.allocate(MIB);
        large = container.allocate(GIB);
        KernelFile file = new KernelFile(kernel, kernel.open("/dev/vfio/vfio", vfio_h.O_RDWR | vfio_h.O_CLOEXEC));
        measurements.put(
                "window",
                () -> Measurement.of(200, count -> {
                    for (int each = 0; each < count; each++) {
                        container.createWindow(PageSize.SIZE_64K, GIB, 1).close();
                    }
                }));
        measurements.put(
                "ioctl",
                () -> Measurement.of(COLD, count -> {
                    ValueIoctl getApiVersion = ValueIoctl.getApiVersion();
                    for (int each = 0; each < count; each++) {
                        sink += getApiVersion.call(file);
                    }
                }));
        measurements.put("map-4k", () -> prepared(container.defaultWindow(), small.range(0, 4 * KIB), COLD));
        measurements.put("map-64k", () -> prepared(window(), small.range(0, 64 * KIB), COLD));
        measurements.put("map-64k-unprepared", () -> unprepared(window(), small.range(0, 64 * KIB), COLD));
        measurements.put("map-1m", () -> prepared(window(), small.range(), 2_000));
        measurements.put("map-1g", () -> prepared(window(), large.range(), 20));
        measurements.put("map-pages", () -> prepared(window(), large.range(0, 16 * MIB), 20));
        measurements.put("register-1g", this::registration);
        measurements.put(
                "read-mapped",
                () -> Measurement.of(100_000, count -> {
                    for (int each = 0; each < count; each++) {
                        sink += registers.readInt(0);
                    }
                }));
        measurements.put("read-mapped-batch", this::batch);
        measurements.put("read-mapped-segment", this::segment);
        measurements.put(
                "write-mapped",
                () -> Measurement.of(100_000, count -> {
                    for (int each = 0; each < count; each++) {
                        registers.writeInt(LIVENESS, 1);
                    }
                }));
        Region bySyscalls = registers.viaSyscalls();
        measurements.put(
                "read-pread",
                () -> Measurement.of(COLD, count -> {
                    for (int each = 0; each < count; each++) {
                        sink += bySyscalls.readInt(0);
                    }
                }));
        measurements.put("eventfd", () -> eventfd(kernel));
    }

    private DmaWindow window() {
        DmaWindow known = window;
        if (known == null) {
            known = container.createWindow(PageSize.SIZE_64K, 4 * GIB, 1);
            window = known;
        }
        return known;
    }

    private static Measurement prepared(DmaWindow window, MemoryRange part, int count) {
        DmaMapping mapping = window.prepare(part, DmaDirection.BIDIRECTIONAL);
        return Measurement.of(count, times -> {
            for (int each = 0; each < times; each++) {
                mapping.map();
                mapping.unmap();
            }
        });
    }

    private static Measurement unprepared(DmaWindow window, MemoryRange part, int count) {
        return Measurement.of(count, times -> {
            for (int each = 0; each < times; each++) {
                window.map(part, DmaDirection.BIDIRECTIONAL).close();
            }
        });
    }

    /** The same memory each time, whose pages exist. */
    private Measurement registration() {
        long address = kernel.mmap(
                GIB, vfio_h.PROT_READ | vfio_h.PROT_WRITE, vfio_h.MAP_PRIVATE | vfio_h.MAP_ANONYMOUS, -1, 0);
        MemorySegment memory = kernel.memory(address, GIB);
        memory.fill((byte) 1);
        return Measurement.of(5, count -> {
            for (int each = 0; each < count; each++) {
                container.register(memory).close();
            }
        });
    }

    private Measurement batch() {
        return new Measurement(100, REGISTERS, count -> {
            for (int each = 0; each < count; each++) {
                sink += (int) registers.batch(batch -> {
                    int sum = 0;
                    for (int register = 0; register < REGISTERS; register++) {
                        sum += batch.readInt(0);
                    }
                    return sum;
                });
            }
        });
    }

    private Measurement segment() {
        MemorySegment segment = registers.unsafeSegment(0, Integer.BYTES);
        var register = ValueLayout.JAVA_INT.varHandle();
        return Measurement.of(100_000, count -> {
            for (int each = 0; each < count; each++) {
                sink += (int) register.getOpaque(segment, 0L);
            }
        });
    }

    /** A signal to another thread, which replies with one. */
    private static Measurement eventfd(Kernel kernel) {
        Arena arena = Arena.global();
        int there = kernel.eventfd(0, vfio_h.EFD_NONBLOCK | vfio_h.EFD_CLOEXEC);
        int back = kernel.eventfd(0, vfio_h.EFD_NONBLOCK | vfio_h.EFD_CLOEXEC);
        MemorySegment one = arena.allocateFrom(ValueLayout.JAVA_LONG, 1);
        Thread.ofPlatform().daemon().start(() -> {
            Waiter waiter = new Waiter(kernel, arena, there);
            while (true) {
                waiter.await();
                require(kernel.write(back, one), Long.BYTES, "write");
            }
        });
        Waiter waiter = new Waiter(kernel, arena, back);
        return Measurement.of(WAKE_UPS, count -> {
            for (int each = 0; each < count; each++) {
                require(kernel.write(there, one), Long.BYTES, "write");
                waiter.await();
            }
        });
    }

    private static final class Waiter {
        private final Kernel kernel;
        private final int eventfd;
        private final MemorySegment ready;
        private final MemorySegment count;

        Waiter(Kernel kernel, Arena arena, int eventfd) {
            this.kernel = kernel;
            this.eventfd = eventfd;
            this.ready = arena.allocate(pollfd.layout());
            this.count = arena.allocate(ValueLayout.JAVA_LONG);
            pollfd.fd(ready, eventfd);
            pollfd.events(ready, (short) vfio_h.POLLIN);
        }

        void await() {
            require(kernel.poll(ready, -1), 1, "poll");
            require(kernel.read(eventfd, count), Long.BYTES, "read");
        }
    }

    private static void require(long answer, long wanted, String call) {
        if (answer != wanted) {
            throw new IllegalStateException("%s returned %d, not %d".formatted(call, answer, wanted));
        }
    }

    private void measure(String name) {
        Measurement measurement = Objects.requireNonNull(measurements.get(name)).get();
        int count = measurement.count();
        int coldCount = Math.min(count, COLD);
        double cold = time(measurement, coldCount);
        double warm = warm(measurement, count);
        long before = ThreadAllocation.bytes();
        measurement.repeated().run(count);
        double bytes = (double) (ThreadAllocation.bytes() - before) / count / measurement.operations();
        System.out.println(
                String.format(Locale.ROOT, "%s\t%.1f\t%.1f\t%.1f", name, cold, warm, bytes < 0.1 ? 0 : bytes));
    }

    /**
     * The best time of a round, once none has been better for a while: C2 compiles in the background, and takes the
     * processor while it does.
     */
    private static double warm(Measurement measurement, int count) {
        double best = Double.MAX_VALUE;
        long improved = System.nanoTime();
        for (int since = 0; since < ROUNDS || System.nanoTime() - improved < SETTLED_NANOS; since++) {
            double each = time(measurement, count);
            if (each < best * IMPROVEMENT) {
                improved = System.nanoTime();
                since = 0;
            }
            best = Math.min(best, each);
        }
        return best;
    }

    private static double time(Measurement measurement, int count) {
        long begin = System.nanoTime();
        measurement.repeated().run(count);
        return (double) (System.nanoTime() - begin) / count / measurement.operations();
    }

    /** Measures what is named, or all, with the edu device at an address. */
    public static void main(String[] arguments) {
        if (arguments.length == 0) {
            System.err.println("usage: CallTimes ADDRESS [NAME...]");
            System.exit(2);
        }
        CallTimes times = new CallTimes(PciAddress.parse(arguments[0]));
        List<String> names = Arrays.asList(arguments).subList(1, arguments.length);
        Set<String> unknown = new TreeSet<>(names);
        unknown.removeAll(times.measurements.keySet());
        if (!unknown.isEmpty()) {
            System.err.println("CallTimes: unknown: " + unknown + "; known: " + times.measurements.keySet());
            System.exit(2);
        }
        (names.isEmpty() ? times.measurements.keySet() : names).forEach(times::measure);
        times.device.close();
        System.exit(0);
    }
}
