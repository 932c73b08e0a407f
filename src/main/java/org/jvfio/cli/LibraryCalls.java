package org.jvfio.cli;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.DmaWindow;
import org.jvfio.MemoryRange;
import org.jvfio.PageSize;
import org.jvfio.PciFunction;
import org.jvfio.Region;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.pollfd;
import org.jvfio.uapi.vfio_h;

/** The library's calls that {@code jvfio bench} measures, with an edu device. Closing it gives the device back. */
final class LibraryCalls implements AutoCloseable {
    static final long WINDOW = 4L << 30;
    static final long GIB = 1 << 30;
    static final long MIB = 1 << 20;
    static final long KIB = 1 << 10;
    static final long MANY_PAGES = 16 * MIB;

    /** Reads in a batch. */
    static final int BATCH = 1000;

    private static final VarHandle INT = ValueLayout.JAVA_INT.varHandle();
    private static final int IDENTITY = 0x00;
    private static final int LIVENESS = 0x04;

    private final Kernel kernel;
    private final Device device;
    private final Container container;
    private final Region registers;
    private @Nullable DmaWindow window;
    private @Nullable DmaMemory memory;
    private @Nullable EventPair events;
    private long unregistered;
    private int sink;

    /** @throws VfioException if the device cannot be taken */
    LibraryCalls(Kernel kernel, PciFunction function) {
        this.kernel = kernel;
        device = Device.open(kernel, function.address());
        try {
            container = device.container();
            device.enableMemory();
            registers = device.bar(0);
        } catch (RuntimeException e) {
            try {
                device.close();
            } catch (RuntimeException suppressed) {
                e.addSuppressed(suppressed);
            }
            throw e;
        }
    }

    /**
     * The library's way to do it; empty if the library has none of its own.
     *
     * @throws VfioException if it cannot be done with this device or host
     */
    Optional<BenchTimer.Repeated> calls(BenchOperation operation) {
        return Optional.ofNullable(
                switch (operation) {
                    case IOCTL -> null;
                    case WINDOW -> windows();
                    case MAP_4K -> prepared(container.defaultWindow(), part(4 * KIB));
                    case MAP_64K -> prepared(window(), part(64 * KIB));
                    case MAP_64K_UNPREPARED -> unprepared(part(64 * KIB));
                    case MAP_1M -> prepared(window(), part(MIB));
                    case MAP_1G -> prepared(window(), part(GIB));
                    case MAP_PAGES -> prepared(window(), part(MANY_PAGES));
                    case REGISTER_1G -> registrations();
                    case READ_MAPPED -> reads(mapped());
                    case READ_MAPPED_BATCH -> batches();
                    case WRITE_MAPPED -> writes();
                    case READ_SYSCALL -> reads(registers.viaSyscalls());
                    case EVENTFD -> events();
                });
    }

    /** The load or store alone, without what the library checks; empty for what is none. */
    Optional<BenchTimer.Repeated> bareAccesses(BenchOperation operation) {
        boolean reads = operation == BenchOperation.READ_MAPPED || operation == BenchOperation.READ_MAPPED_BATCH;
        if (!registers.isMapped() || !(reads || operation == BenchOperation.WRITE_MAPPED)) {
            return Optional.empty();
        }
        MemorySegment segment = registers.unsafeSegment(0, 2 * Integer.BYTES);
        return Optional.of(
                reads
                        ? count -> {
                            for (int each = 0; each < count; each++) {
                                sink += (int) INT.getOpaque(segment, (long) IDENTITY);
                            }
                        }
                        : count -> {
                            for (int each = 0; each < count; each++) {
                                INT.setOpaque(segment, (long) LIVENESS, each);
                            }
                        });
    }

    private DmaWindow window() {
        DmaWindow known = window;
        if (known == null) {
            known = container.createWindow(PageSize.SIZE_64K, WINDOW, 1);
            window = known;
        }
        return known;
    }

    /** The first bytes of memory, which is allocated anew if there are fewer. */
    private MemoryRange part(long bytes) {
        DmaMemory known = memory;
        if (known == null || known.size() < bytes) {
            if (known != null) {
                known.close();
            }
            known = container.allocate(Math.max(bytes, MANY_PAGES));
            memory = known;
        }
        return known.range(0, bytes);
    }

    private BenchTimer.Repeated windows() {
        return count -> {
            for (int each = 0; each < count; each++) {
                container.createWindow(PageSize.SIZE_64K, GIB, 1).close();
            }
        };
    }

    private static BenchTimer.Repeated prepared(DmaWindow window, MemoryRange part) {
        DmaMapping mapping = window.prepare(part, DmaDirection.BIDIRECTIONAL);
        return count -> {
            for (int each = 0; each < count; each++) {
                mapping.map();
                mapping.unmap();
            }
        };
    }

    private BenchTimer.Repeated unprepared(MemoryRange part) {
        DmaWindow into = window();
        return count -> {
            for (int each = 0; each < count; each++) {
                into.map(part, DmaDirection.BIDIRECTIONAL).close();
            }
        };
    }

    /** The same memory each time, whose pages exist. */
    private BenchTimer.Repeated registrations() {
        if (memory != null) {
            memory.close();
            memory = null;
        }
        int protection = vfio_h.PROT_READ | vfio_h.PROT_WRITE;
        unregistered = BareCalls.require(
                "mmap", kernel.mmap(GIB, protection, vfio_h.MAP_PRIVATE | vfio_h.MAP_ANONYMOUS, -1, 0));
        MemorySegment segment = kernel.memory(unregistered, GIB);
        segment.fill((byte) 1);
        return count -> {
            for (int each = 0; each < count; each++) {
                container.register(segment).close();
            }
        };
    }

    private Region mapped() {
        if (!registers.isMapped()) {
            throw new VfioException(
                    Kind.UNSUPPORTED,
                    "access " + registers + " by loads and stores",
                    "the kernel does not allow it to be mapped",
                    "use a real device, or QEMU's: registers of emulated devices cannot be mapped");
        }
        return registers;
    }

    private BenchTimer.Repeated reads(Region region) {
        return count -> {
            for (int each = 0; each < count; each++) {
                sink += region.readInt(IDENTITY);
            }
        };
    }

    private BenchTimer.Repeated batches() {
        Region region = mapped();
        return count -> {
            for (int done = 0; done < count; done += BATCH) {
                int reads = Math.min(BATCH, count - done);
                sink += (int) region.batch(batch -> {
                    int sum = 0;
                    for (int each = 0; each < reads; each++) {
                        sum += batch.readInt(IDENTITY);
                    }
                    return sum;
                });
            }
        };
    }

    private BenchTimer.Repeated writes() {
        Region region = mapped();
        return count -> {
            for (int each = 0; each < count; each++) {
                region.writeInt(LIVENESS, each);
            }
        };
    }

    private BenchTimer.Repeated events() {
        EventPair pair = new EventPair(kernel);
        events = pair;
        return pair::exchange;
    }

    /** Two eventfds, and a thread that answers a signal of one by a signal of the other. */
    private static final class EventPair implements AutoCloseable {
        private final Kernel kernel;
        private final Arena arena = Arena.ofShared();
        private final MemorySegment one = arena.allocateFrom(ValueLayout.JAVA_LONG, 1);
        private final int there;
        private final int back;
        private final Waiter waiter;
        private final Thread replier;
        private volatile boolean over;

        EventPair(Kernel kernel) {
            this.kernel = kernel;
            there = descriptor(kernel);
            back = descriptor(kernel);
            waiter = new Waiter(back);
            Waiter signalled = new Waiter(there);
            replier = Thread.ofPlatform().daemon().start(() -> {
                signalled.await();
                while (!over) {
                    signal(back);
                    signalled.await();
                }
            });
        }

        private static int descriptor(Kernel kernel) {
            return (int) BareCalls.require("eventfd", kernel.eventfd(0, vfio_h.EFD_NONBLOCK | vfio_h.EFD_CLOEXEC));
        }

        private void signal(int eventfd) {
            BareCalls.require("write", kernel.write(eventfd, one));
        }

        private final class Waiter {
            private final int eventfd;
            private final MemorySegment ready = arena.allocate(pollfd.layout());
            private final MemorySegment count = arena.allocate(ValueLayout.JAVA_LONG);

            Waiter(int eventfd) {
                this.eventfd = eventfd;
                pollfd.fd(ready, eventfd);
                pollfd.events(ready, (short) vfio_h.POLLIN);
            }

            void await() {
                BareCalls.require("poll", kernel.poll(ready, -1));
                BareCalls.require("read", kernel.read(eventfd, count));
            }
        }

        void exchange(int count) {
            for (int each = 0; each < count; each++) {
                signal(there);
                waiter.await();
            }
        }

        @Override
        public void close() {
            over = true;
            signal(there);
            try {
                replier.join();
            } catch (InterruptedException e) {
                // It is a daemon, which goes on to use the descriptors.
                Thread.currentThread().interrupt();
                return;
            }
            kernel.close(there);
            kernel.close(back);
            arena.close();
        }
    }

    @Override
    public void close() {
        try {
            if (events != null) {
                events.close();
            }
        } finally {
            try {
                device.close();
            } finally {
                if (unregistered != 0) {
                    kernel.munmap(unregistered, GIB);
                }
            }
        }
    }
}
