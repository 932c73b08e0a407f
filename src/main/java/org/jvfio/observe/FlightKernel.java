package org.jvfio.observe;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.jvfio.ioctl.Ioctl;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.FlightEvents.CallEvent;
import org.jvfio.observe.FlightEvents.Freeze;
import org.jvfio.observe.FlightEvents.InterruptEvent;
import org.jvfio.observe.FlightEvents.IoctlEvent;
import org.jvfio.observe.FlightEvents.MapEvent;
import org.jvfio.observe.FlightEvents.OtherEvent;
import org.jvfio.observe.FlightEvents.RegisterEvent;
import org.jvfio.uapi.vfio_eeh_pe_op;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_iommu_type1_dma_map;
import org.jvfio.uapi.vfio_iommu_type1_dma_unmap;

/**
 * A kernel that makes each call an event of the JDK Flight Recorder. Texts are made for events that are recorded only,
 * and not for mappings and register accesses, which have numbers.
 */
final class FlightKernel extends ForwardingKernel {
    private static final int REGION_SHIFT = 40;

    private final Map<Integer, FileKind> files = new ConcurrentHashMap<>();

    FlightKernel(Kernel behind) {
        super(behind);
    }

    private static void commit(CallEvent event, int descriptor, long result) {
        event.descriptor = descriptor;
        event.result = result;
        if (Errno.isError(result)) {
            event.errno = Errno.of((int) -result).map(Errno::name).orElse(null);
        }
        event.commit();
    }

    private static OtherEvent begin() {
        OtherEvent event = new OtherEvent();
        event.begin();
        return event;
    }

    private static void end(OtherEvent event, String call, int descriptor, String argument, long result) {
        event.end();
        if (event.shouldCommit()) {
            event.call = call;
            event.argument = argument;
            commit(event, descriptor, result);
        }
    }

    private FileKind kind(int fd) {
        return files.getOrDefault(fd, FileKind.OTHER);
    }

    private void opened(int fd, String name) {
        if (fd >= 0) {
            files.put(fd, FileKind.of(name));
        }
    }

    @Override
    public int open(String path, int flags) {
        OtherEvent event = begin();
        int answer = super.open(path, flags);
        end(event, "open", -1, path, answer);
        opened(answer, path);
        return answer;
    }

    @Override
    public int close(int fd) {
        OtherEvent event = begin();
        files.remove(fd);
        int answer = super.close(fd);
        end(event, "close", fd, "", answer);
        return answer;
    }

    @Override
    public int ioctl(int fd, int request, long argument) {
        IoctlEvent event = new IoctlEvent();
        event.begin();
        int answer = super.ioctl(fd, request, argument);
        event.end();
        if (event.shouldCommit()) {
            event.call = IoctlDecoder.decode(kind(fd), request, argument)
                    .map(Ioctl::toString)
                    .orElseGet(() -> "0x%x(0x%x)".formatted(request, argument));
            commit(event, fd, answer);
        }
        return answer;
    }

    @Override
    public int ioctl(int fd, int request, MemorySegment argument) {
        FileKind kind = kind(fd);
        if (kind == FileKind.CONTAINER && request == vfio_h.VFIO_IOMMU_MAP_DMA) {
            return map(fd, argument);
        }
        if (kind == FileKind.CONTAINER && request == vfio_h.VFIO_IOMMU_UNMAP_DMA) {
            return unmap(fd, argument);
        }
        IoctlEvent event = new IoctlEvent();
        String call = event.isEnabled() ? call(kind, request, argument) : "";
        event.begin();
        int answer = super.ioctl(fd, request, argument);
        event.end();
        if (event.shouldCommit()) {
            event.call = call;
            event.written = answer < 0 ? "" : written(kind, request, argument);
            commit(event, fd, answer);
        }
        if (answer >= 0 && request == Requests.GET_DEVICE_FD) {
            files.put(answer, FileKind.DEVICE);
        }
        if (answer > 0
                && kind == FileKind.CONTAINER
                && request == vfio_h.VFIO_EEH_PE_OP
                && vfio_eeh_pe_op.op(argument) == vfio_h.VFIO_EEH_PE_GET_STATE) {
            Freeze freeze = new Freeze();
            freeze.descriptor = fd;
            freeze.state = answer;
            freeze.commit();
        }
        return answer;
    }

    private static String call(FileKind kind, int request, MemorySegment struct) {
        return IoctlDecoder.decode(kind, request, bytes(struct))
                .map(Ioctl::toString)
                .orElseGet(() -> "0x%x(%d bytes)".formatted(request, struct.byteSize()));
    }

    private static String written(FileKind kind, int request, MemorySegment struct) {
        return IoctlDecoder.decode(kind, request, bytes(struct))
                .map(Ioctl::written)
                .orElse("");
    }

    private static byte[] bytes(MemorySegment struct) {
        return struct.asSlice(0, Math.min(struct.byteSize(), Frame.MAX_DATA)).toArray(ValueLayout.JAVA_BYTE);
    }

    private int map(int fd, MemorySegment struct) {
        MapEvent event = new MapEvent();
        event.begin();
        int answer = super.ioctl(fd, vfio_h.VFIO_IOMMU_MAP_DMA, struct);
        event.end();
        if (event.shouldCommit()) {
            event.operation = "MAP_DMA";
            event.iova = vfio_iommu_type1_dma_map.iova(struct);
            event.vaddr = vfio_iommu_type1_dma_map.vaddr(struct);
            event.size = vfio_iommu_type1_dma_map.size(struct);
            commit(event, fd, answer);
        }
        return answer;
    }

    private int unmap(int fd, MemorySegment struct) {
        MapEvent event = new MapEvent();
        event.begin();
        int answer = super.ioctl(fd, vfio_h.VFIO_IOMMU_UNMAP_DMA, struct);
        event.end();
        if (event.shouldCommit()) {
            event.operation = "UNMAP_DMA";
            event.iova = vfio_iommu_type1_dma_unmap.iova(struct);
            event.size = vfio_iommu_type1_dma_unmap.size(struct);
            commit(event, fd, answer);
        }
        return answer;
    }

    @Override
    public long mmap(long length, int protection, int flags, int fd, long offset) {
        OtherEvent event = begin();
        long answer = super.mmap(length, protection, flags, fd, offset);
        end(event, "mmap", fd, event.isEnabled() ? "0x%x bytes".formatted(length) : "", answer);
        return answer;
    }

    @Override
    public int munmap(long address, long length) {
        OtherEvent event = begin();
        int answer = super.munmap(address, length);
        end(event, "munmap", -1, event.isEnabled() ? "0x%x bytes at 0x%x".formatted(length, address) : "", answer);
        return answer;
    }

    @Override
    public void adopt(MemorySegment memory) {
        OtherEvent event = begin();
        super.adopt(memory);
        end(event, "adopt", -1, "", 0);
    }

    @Override
    public void disown(MemorySegment memory) {
        OtherEvent event = begin();
        super.disown(memory);
        end(event, "disown", -1, "", 0);
    }

    @Override
    public long pread(int fd, MemorySegment buffer, long offset) {
        RegisterEvent event = new RegisterEvent();
        event.begin();
        long answer = super.pread(fd, buffer, offset);
        end(event, false, fd, buffer, offset, answer);
        return answer;
    }

    @Override
    public long pwrite(int fd, MemorySegment buffer, long offset) {
        RegisterEvent event = new RegisterEvent();
        event.begin();
        long answer = super.pwrite(fd, buffer, offset);
        end(event, true, fd, buffer, offset, answer);
        return answer;
    }

    private static void end(
            RegisterEvent event, boolean write, int fd, MemorySegment buffer, long offset, long answer) {
        event.end();
        if (event.shouldCommit()) {
            event.write = write;
            event.region = (int) (offset >>> REGION_SHIFT);
            event.offset = offset & (1L << REGION_SHIFT) - 1;
            event.width = buffer.byteSize();
            event.value = value(buffer);
            commit(event, fd, answer);
        }
    }

    private static long value(MemorySegment buffer) {
        return switch ((int) Math.min(buffer.byteSize(), Integer.MAX_VALUE)) {
            case Byte.BYTES -> Byte.toUnsignedLong(buffer.get(ValueLayout.JAVA_BYTE, 0));
            case Short.BYTES ->
                Byte.toUnsignedLong(buffer.get(ValueLayout.JAVA_BYTE, 0))
                        | Byte.toUnsignedLong(buffer.get(ValueLayout.JAVA_BYTE, 1)) << Byte.SIZE;
            case Integer.BYTES -> Integer.toUnsignedLong(buffer.get(RecordFormat.INT, 0));
            case Long.BYTES -> buffer.get(RecordFormat.LONG, 0);
            default -> 0;
        };
    }

    @Override
    public long read(int fd, MemorySegment buffer) {
        if (kind(fd) != FileKind.EVENTFD) {
            OtherEvent event = begin();
            long answer = super.read(fd, buffer);
            end(event, "read", fd, "", answer);
            return answer;
        }
        InterruptEvent event = new InterruptEvent();
        OtherEvent empty = begin();
        event.begin();
        long answer = super.read(fd, buffer);
        event.end();
        if (answer != Long.BYTES) {
            end(empty, "read", fd, "", answer);
        } else if (event.shouldCommit()) {
            event.count = buffer.get(RecordFormat.LONG, 0);
            commit(event, fd, answer);
        }
        return answer;
    }

    @Override
    public long write(int fd, MemorySegment buffer) {
        OtherEvent event = begin();
        long answer = super.write(fd, buffer);
        end(event, "write", fd, "", answer);
        return answer;
    }

    @Override
    public int eventfd(int initialValue, int flags) {
        OtherEvent event = begin();
        int answer = super.eventfd(initialValue, flags);
        end(event, "eventfd", -1, "", answer);
        opened(answer, FileKind.EVENTFD_NAME);
        return answer;
    }

    @Override
    public int poll(MemorySegment pollfds, int timeoutMillis) {
        OtherEvent event = begin();
        int answer = super.poll(pollfds, timeoutMillis);
        end(event, "poll", -1, "", answer);
        return answer;
    }

    @Override
    public int getrlimit(int resource, MemorySegment rlimit) {
        OtherEvent event = begin();
        int answer = super.getrlimit(resource, rlimit);
        end(event, "getrlimit", -1, "", answer);
        return answer;
    }

    @Override
    public int setrlimit(int resource, MemorySegment rlimit) {
        OtherEvent event = begin();
        int answer = super.setrlimit(resource, rlimit);
        end(event, "setrlimit", -1, "", answer);
        return answer;
    }

    @Override
    public long sysconf(int name) {
        OtherEvent event = begin();
        long answer = super.sysconf(name);
        end(event, "sysconf", -1, "", answer);
        return answer;
    }

    /** A call that reads a file. */
    private interface Reading<T> {
        T read() throws IOException;
    }

    /** The result of a failure is that of ENOENT, or of EIO where it is another. */
    private static <T> T reading(String call, String path, Reading<T> reading) throws IOException {
        OtherEvent event = begin();
        @Nullable IOException failure = null;
        try {
            return reading.read();
        } catch (IOException e) {
            failure = e;
            throw e;
        } finally {
            end(event, call, -1, path, failure == null ? 0 : errno(failure).negated());
        }
    }

    private static Errno errno(IOException failure) {
        return switch (Outcome.of(failure)) {
            case NO_SUCH_FILE -> Errno.ENOENT;
            case ACCESS_DENIED -> Errno.EACCES;
            case NOT_A_DIRECTORY -> Errno.ENOTDIR;
            default -> Errno.EIO;
        };
    }

    @Override
    public String readFile(String path) throws IOException {
        return reading("readFile", path, () -> super.readFile(path));
    }

    @Override
    public String readLink(String path) throws IOException {
        return reading("readLink", path, () -> super.readLink(path));
    }

    @Override
    public List<String> list(String directory) throws IOException {
        return reading("list", directory, () -> super.list(directory));
    }
}
