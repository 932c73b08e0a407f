package org.jvfio.bench;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.jvfio.bench.Measurements.Measurement;
import org.jvfio.ioctl.ValueIoctl;
import org.jvfio.kernel.Kernel;
import org.jvfio.kernel.linux.LinuxKernel;
import org.jvfio.uapi.pollfd;
import org.jvfio.uapi.vfio_h;

/**
 * Measures the system calls of the library that any Linux has: the counterpart of {@code vfio-bench host}. {@code
 * scripts/bench --compare-host} runs both.
 */
public final class HostCallTimes {
    private static final int WAKE_UPS = 2_000;
    /** A regular file that each process has. */
    private static final String FILE = "/proc/self/exe";

    private HostCallTimes() {}

    /** {@code FIOCLEX}, the cheapest ioctl that every file has; its number depends on the processor. */
    private static int closeOnExec() {
        return System.getProperty("os.arch").startsWith("ppc64") ? 0x20006601 : 0x5451;
    }

    /** {@code FIONREAD}, with a pointer. */
    private static int bytesLeft() {
        return System.getProperty("os.arch").startsWith("ppc64") ? 0x4004667f : 0x541b;
    }

    /** A signal to another thread, which replies with one. */
    static Measurement eventfd(Kernel kernel) {
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

    private static Measurements measurements(Kernel kernel) {
        KernelFile file = new KernelFile(kernel, kernel.open(FILE, vfio_h.O_RDONLY | vfio_h.O_CLOEXEC));
        MemorySegment number = Arena.global().allocate(ValueLayout.JAVA_INT);
        Measurements measurements = new Measurements();
        measurements.add(
                "ioctl",
                () -> Measurement.of(Measurements.COLD, count -> {
                    ValueIoctl call = new ValueIoctl("FIOCLEX", closeOnExec(), 0);
                    for (int each = 0; each < count; each++) {
                        require(call.call(file), 0, "FIOCLEX");
                    }
                }));
        measurements.add(
                "ioctl-struct",
                () -> Measurement.of(Measurements.COLD, count -> {
                    int request = bytesLeft();
                    for (int each = 0; each < count; each++) {
                        require(file.ioctl(request, number), 0, "FIONREAD");
                    }
                }));
        measurements.add(
                "pread",
                () -> Measurement.of(Measurements.COLD, count -> {
                    for (int each = 0; each < count; each++) {
                        require(kernel.pread(file.descriptor(), number, 0), Integer.BYTES, "pread");
                    }
                }));
        measurements.add("eventfd", () -> eventfd(kernel));
        return measurements;
    }

    /** Measures what is named, or all. */
    public static void main(String[] arguments) {
        measurements(LinuxKernel.inspect()).run(List.of(arguments));
        System.exit(0);
    }
}
