package org.jvfio.cli;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import org.jvfio.ByteSize;
import org.jvfio.PciFunction;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;
import org.jvfio.ioctl.Ioctl;
import org.jvfio.ioctl.IoctlFile;
import org.jvfio.ioctl.MapDma;
import org.jvfio.ioctl.RegisterMemory;
import org.jvfio.ioctl.SetContainer;
import org.jvfio.ioctl.TceCreate;
import org.jvfio.ioctl.TceRemove;
import org.jvfio.ioctl.UnmapDma;
import org.jvfio.ioctl.UnregisterMemory;
import org.jvfio.ioctl.ValueIoctl;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_h;

/**
 * A container with a group and a window of 64K pages, used by bare system calls: the least that the library could cost
 * on a kernel. Closing it gives the group back.
 */
final class BareCalls implements AutoCloseable {
    private static final int FLAGS = vfio_h.VFIO_DMA_MAP_FLAG_READ | vfio_h.VFIO_DMA_MAP_FLAG_WRITE;
    private static final int PAGE_SHIFT = 16;

    private final Arena arena = Arena.ofShared();
    private final Kernel kernel;
    private final long windowBytes;
    private File container = new File(-1);
    private File group = new File(-1);
    private long address = -1;
    private long bytes;
    private long window;

    private final class File implements IoctlFile, AutoCloseable {
        private final int number;

        File(int number) {
            this.number = number;
        }

        @Override
        public int ioctl(int request, long argument) {
            return kernel.ioctl(number, request, argument);
        }

        @Override
        public int ioctl(int request, MemorySegment argument) {
            return kernel.ioctl(number, request, argument);
        }

        @Override
        public void close() {
            if (number >= 0) {
                kernel.close(number);
            }
        }
    }

    private BareCalls(Kernel kernel, long windowBytes) {
        this.kernel = kernel;
        this.windowBytes = windowBytes;
    }

    /**
     * Takes the function's group, and registers memory.
     *
     * @param windowBytes of the window
     * @param memoryBytes of the memory, whole pages
     * @throws VfioException if the kernel refuses
     */
    static BareCalls open(Kernel kernel, PciFunction function, long windowBytes, long memoryBytes) {
        BareCalls calls = new BareCalls(kernel, windowBytes);
        try {
            calls.begin(function, memoryBytes);
            return calls;
        } catch (RuntimeException e) {
            calls.close();
            throw e;
        }
    }

    private void begin(PciFunction function, long memoryBytes) {
        container = openFile("/dev/vfio/vfio");
        group = openFile("/dev/vfio/" + function.group().orElseThrow());
        make(SetContainer.of(arena, container.number), group);
        make(ValueIoctl.setIommu(vfio_h.VFIO_SPAPR_TCE_v2_IOMMU), container);
        int protection = vfio_h.PROT_READ | vfio_h.PROT_WRITE;
        address = require(
                "mmap(" + ByteSize.format(memoryBytes) + ")",
                kernel.mmap(memoryBytes, protection, vfio_h.MAP_PRIVATE | vfio_h.MAP_ANONYMOUS, -1, 0));
        bytes = memoryBytes;
        kernel.memory(address, bytes).fill((byte) 1);
        make(RegisterMemory.of(arena, address, bytes), container);
        TceCreate create = TceCreate.of(arena, PAGE_SHIFT, windowBytes, 1);
        make(create, container);
        window = create.startAddress();
    }

    private File openFile(String path) {
        return new File((int) require("open(" + path + ")", kernel.open(path, vfio_h.O_RDWR | vfio_h.O_CLOEXEC)));
    }

    private static void make(Ioctl call, IoctlFile file) {
        int answer = call.call(file);
        if (answer != 0) {
            require(call.toString(), answer);
        }
    }

    /**
     * Passes a result on.
     *
     * @throws VfioException if it is a negated errno
     */
    static long require(String call, long answer) {
        if (Errno.isError(answer)) {
            throw new VfioException(
                    Kind.KERNEL_REFUSED,
                    "measure a system call",
                    call + " returned "
                            + Errno.of((int) -answer).map(Errno::name).orElse(Long.toString(answer)),
                    "see what jvfio doctor says");
        }
        return answer;
    }

    /** The bare calls of an operation; empty if it has none. */
    Optional<BenchTimer.Repeated> calls(BenchOperation operation) {
        return Optional.ofNullable(
                switch (operation) {
                    case IOCTL -> ioctl();
                    case WINDOW -> window(LibraryCalls.GIB);
                    case MAP_64K, MAP_64K_UNPREPARED -> map(64 * LibraryCalls.KIB);
                    case MAP_1M -> map(LibraryCalls.MIB);
                    case MAP_1G -> map(LibraryCalls.GIB);
                    case MAP_PAGES -> mapPages(LibraryCalls.MANY_PAGES);
                    case REGISTER_1G -> register();
                    case MAP_4K, READ_MAPPED, READ_MAPPED_BATCH, WRITE_MAPPED, READ_SYSCALL, EVENTFD -> null;
                });
    }

    private BenchTimer.Repeated ioctl() {
        ValueIoctl call = ValueIoctl.getApiVersion();
        return count -> {
            for (int each = 0; each < count; each++) {
                require("VFIO_GET_API_VERSION", call.call(container));
            }
        };
    }

    /** Maps and unmaps the beginning of the memory. */
    private BenchTimer.Repeated map(long size) {
        MapDma map = MapDma.of(arena, FLAGS, address, window, size);
        UnmapDma unmap = UnmapDma.of(arena, window, size);
        return count -> {
            for (int each = 0; each < count; each++) {
                make(map, container);
                make(unmap, container);
            }
        };
    }

    /** Maps page by page, and unmaps page by page. */
    private BenchTimer.Repeated mapPages(long size) {
        MapDma map = MapDma.of(arena, FLAGS, address, window, size);
        UnmapDma unmap = UnmapDma.of(arena, window, size);
        long page = 1L << PAGE_SHIFT;
        return count -> {
            for (int each = 0; each < count; each++) {
                for (long at = 0; at < size; at += page) {
                    make(map.fill(FLAGS, address + at, window + at, page), container);
                }
                for (long at = 0; at < size; at += page) {
                    make(unmap.fill(window + at, page), container);
                }
            }
        };
    }

    /** Registers and unregisters all of the memory, which was registered before. */
    private BenchTimer.Repeated register() {
        RegisterMemory register = RegisterMemory.of(arena, address, bytes);
        UnregisterMemory unregister = UnregisterMemory.of(arena, address, bytes);
        return count -> {
            make(unregister, container);
            for (int each = 0; each < count; each++) {
                make(register, container);
                make(unregister, container);
            }
            make(register, container);
        };
    }

    /** Creates and removes a window in place of the first one, at its address. */
    private BenchTimer.Repeated window(long size) {
        TceCreate first = TceCreate.of(arena, PAGE_SHIFT, windowBytes, 1);
        TceCreate create = TceCreate.of(arena, PAGE_SHIFT, size, 1);
        TceRemove remove = TceRemove.of(arena, window);
        return count -> {
            make(remove, container);
            for (int each = 0; each < count; each++) {
                make(create, container);
                make(remove, container);
            }
            make(first, container);
        };
    }

    @Override
    public void close() {
        group.close();
        container.close();
        if (address >= 0) {
            kernel.munmap(address, bytes);
        }
        arena.close();
    }
}
