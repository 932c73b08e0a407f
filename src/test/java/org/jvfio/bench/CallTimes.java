package org.jvfio.bench;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.List;
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
import org.jvfio.bench.Measurements.Measurement;
import org.jvfio.ioctl.ValueIoctl;
import org.jvfio.kernel.Kernel;
import org.jvfio.kernel.linux.LinuxKernel;
import org.jvfio.uapi.vfio_h;

/**
 * Measures what the library's calls cost on Linux, with an edu device: the counterpart of {@code vfio-bench.c}, which
 * makes the same calls in C. {@code scripts/bench --compare} runs both in one guest.
 * */
public final class CallTimes {
    private static final long KIB = 1 << 10;
    private static final long MIB = 1 << 20;
    private static final long GIB = 1 << 30;
    private static final long HUGE_PAGE = 16 * MIB;
    private static final int LIVENESS = 0x04;
    private static final int REGISTERS = 1_000;
    /** Calls after which the JVM has compiled what they run. */
    private static final int COMPILED = 20_000;

    private static final VarHandle REGISTER = ValueLayout.JAVA_INT.varHandle();

    private final Measurements measurements = new Measurements();
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
        measurements.add(
                "window",
                () -> Measurement.of(200, count -> {
                    for (int each = 0; each < count; each++) {
                        container.createWindow(PageSize.SIZE_64K, GIB, 1).close();
                    }
                }));
        measurements.add(
                "ioctl",
                () -> Measurement.of(Measurements.COLD, count -> {
                    ValueIoctl getApiVersion = ValueIoctl.getApiVersion();
                    for (int each = 0; each < count; each++) {
                        sink += getApiVersion.call(file);
                    }
                }));
        measurements.add(
                "map-4k", () -> prepared(container.defaultWindow(), small.range(0, 4 * KIB), Measurements.COLD));
        measurements.add("map-64k", () -> prepared(window(), small.range(0, 64 * KIB), Measurements.COLD));
        measurements.add("map-64k-unprepared", () -> unprepared(window(), small.range(0, 64 * KIB), Measurements.COLD));
        measurements.add("map-1m", () -> prepared(window(), small.range(), 2_000));
        measurements.add("map-1g", () -> prepared(window(), large.range(), 20));
        measurements.add("map-pages", () -> prepared(window(), large.range(0, 16 * MIB), 20));
        measurements.add("register-1g", this::registration);
        measurements.add(
                "read-mapped",
                () -> Measurement.of(100_000, count -> {
                    for (int each = 0; each < count; each++) {
                        registers.readInt(0);
                    }
                }));
        measurements.add("read-mapped-batch", this::batch);
        measurements.add("read-mapped-segment", this::segment);
        measurements.add(
                "write-mapped",
                () -> Measurement.of(100_000, count -> {
                    for (int each = 0; each < count; each++) {
                        registers.writeInt(LIVENESS, 1);
                    }
                }));
        Region bySyscalls = registers.viaSyscalls();
        measurements.add(
                "read-pread",
                () -> Measurement.of(Measurements.COLD, count -> {
                    for (int each = 0; each < count; each++) {
                        sink += bySyscalls.readInt(0);
                    }
                }));
        measurements.add("eventfd", () -> HostCallTimes.eventfd(kernel));
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

    /** The same memory each time, whose pages exist: whole huge pages, if the kernel has any. */
    private Measurement registration() {
        long address = kernel.mmap(
                GIB + HUGE_PAGE,
                vfio_h.PROT_READ | vfio_h.PROT_WRITE,
                vfio_h.MAP_PRIVATE | vfio_h.MAP_ANONYMOUS,
                -1,
                0);
        MemorySegment memory = kernel.memory((address + HUGE_PAGE - 1) & -HUGE_PAGE, GIB);
        memory.fill((byte) 1);
        // So that the library is compiled: a call that takes a millisecond is too rare for that.
        MemorySegment part = memory.asSlice(0, 64 * KIB);
        for (int each = 0; each < COMPILED; each++) {
            container.register(part).close();
        }
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
        return Measurement.of(100_000, count -> {
            for (int each = 0; each < count; each++) {
                sink += (int) REGISTER.getOpaque(segment, 0L);
            }
        });
    }

    /** Measures what is named, or all, with the edu device at an address. */
    public static void main(String[] arguments) {
        if (arguments.length == 0) {
            System.err.println("usage: CallTimes ADDRESS [NAME...]");
            System.exit(2);
        }
        CallTimes times = new CallTimes(PciAddress.parse(arguments[0]));
        times.measurements.run(List.of(arguments).subList(1, arguments.length));
        times.device.close();
        System.exit(0);
    }
}
