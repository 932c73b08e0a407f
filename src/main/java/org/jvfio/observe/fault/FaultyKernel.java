package org.jvfio.observe.fault;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.function.IntSupplier;
import java.util.function.LongUnaryOperator;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.ForwardingKernel;
import org.jvfio.observe.fault.Fault.Effect;
import org.jvfio.observe.fault.FaultPoint.On;
import org.jvfio.observe.fault.OpenFiles.OpenFile;
import org.jvfio.uapi.vfio_iommu_type1_dma_map;
import org.jvfio.uapi.vfio_iommu_type1_dma_unmap;

/** The system calls of a program, with the faults of a plan. */
final class FaultyKernel extends ForwardingKernel {
    private final FaultRun run;
    private final OpenFiles files = new OpenFiles();
    private final Consumer<HostChange> host;

    /**
     * A freeze or a removal.
     *
     * @param eventDevice the device that the event is of, if it is of one
     */
    record HostChange(Effect effect, @Nullable String eventDevice) {}

    /**
     * A kernel around another one.
     *
     * @param host what freezes and removes devices
     */
    FaultyKernel(Kernel behind, FaultRun run, Consumer<HostChange> host) {
        super(behind);
        this.run = run;
        this.host = host;
    }

    /**
     * Applies what happens before a call.
     *
     * @return the result if the call is refused, or 1 if it is to be made
     */
    private int before(List<Effect> effects, FaultEvent event) {
        int result = 1;
        for (Effect effect : effects) {
            switch (effect) {
                case Effect.Delay delay -> sleep(delay.time());
                case Effect.Refusal refusal -> result = refusal.errno().negated();
                case Effect.Frozen _, Effect.Removed _ -> host.accept(new HostChange(effect, event.device()));
                default -> {
                    // Of the data of a transfer.
                }
            }
        }
        return result;
    }

    /** Neither shortened nor lost by an interrupt of the thread, which it keeps. */
    private static void sleep(Duration time) {
        long end = System.nanoTime() + time.toNanos();
        boolean interrupted = false;
        for (long left = time.toNanos(); left > 0; left = end - System.nanoTime()) {
            LockSupport.parkNanos(left);
            interrupted |= Thread.interrupted();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private int call(FaultEvent event, IntSupplier call) {
        List<Effect> effects = run.effects(event);
        int result = effects.isEmpty() ? 1 : before(effects, event);
        return result < 0 ? result : call.getAsInt();
    }

    /**
     * A call that transfers data.
     *
     * @param call makes the call for a number of bytes
     */
    private long transfer(FaultEvent event, long size, LongUnaryOperator call) {
        List<Effect> effects = run.effects(event);
        if (effects.isEmpty()) {
            return call.applyAsLong(size);
        }
        int result = before(effects, event);
        if (result < 0) {
            return result;
        }
        long bytes = size;
        for (Effect effect : effects) {
            bytes = effect instanceof Effect.ShortTransfer transfer ? Math.min(bytes, transfer.bytes()) : bytes;
        }
        return bytes == 0 && size > 0 ? 0 : call.applyAsLong(bytes);
    }

    @Override
    public int open(String path, int flags) {
        int fd = call(FaultEvent.open(path), () -> super.open(path, flags));
        files.opened(path, fd);
        return fd;
    }

    @Override
    public int close(int fd) {
        OpenFile file = files.get(fd);
        FaultEvent event = FaultEvent.onFile(On.CLOSE, file, 0);
        int refusal = before(run.effects(event), event);
        files.closed(fd);
        int result = super.close(fd);
        return refusal < 0 ? refusal : result;
    }

    @Override
    public int ioctl(int fd, int request, long argument) {
        return call(FaultEvent.ioctl(files.get(fd), request, 0, 0), () -> super.ioctl(fd, request, argument));
    }

    @Override
    public int ioctl(int fd, int request, MemorySegment argument) {
        OpenFile file = files.get(fd);
        int result = call(event(file, request, argument), () -> super.ioctl(fd, request, argument));
        if (file.kind() == FileKind.GROUP && request == VfioRequest.VFIO_GROUP_GET_DEVICE_FD.number()) {
            files.device(argument, result);
        }
        return result;
    }

    private static FaultEvent event(OpenFile file, int request, MemorySegment argument) {
        if (file.kind() == FileKind.CONTAINER && argument.isNative()) {
            if (request == VfioRequest.VFIO_IOMMU_MAP_DMA.number()
                    && argument.byteSize() >= vfio_iommu_type1_dma_map.sizeof()) {
                return FaultEvent.ioctl(
                        file,
                        request,
                        vfio_iommu_type1_dma_map.iova(argument),
                        vfio_iommu_type1_dma_map.size(argument));
            }
            if (request == VfioRequest.VFIO_IOMMU_UNMAP_DMA.number()
                    && argument.byteSize() >= vfio_iommu_type1_dma_unmap.sizeof()) {
                return FaultEvent.ioctl(
                        file,
                        request,
                        vfio_iommu_type1_dma_unmap.iova(argument),
                        vfio_iommu_type1_dma_unmap.size(argument));
            }
        }
        return FaultEvent.ioctl(file, request, 0, 0);
    }

    @Override
    public long mmap(long length, int protection, int flags, int fd, long offset) {
        FaultEvent event = FaultEvent.call(On.MMAP);
        int refusal = before(run.effects(event), event);
        return refusal < 0 ? refusal : super.mmap(length, protection, flags, fd, offset);
    }

    @Override
    public int munmap(long address, long length) {
        return call(FaultEvent.call(On.MUNMAP), () -> super.munmap(address, length));
    }

    @Override
    public long pread(int fd, MemorySegment buffer, long offset) {
        FaultEvent event = FaultEvent.positioned(On.PREAD, files.get(fd), offset, buffer.byteSize());
        return transfer(event, buffer.byteSize(), bytes -> super.pread(fd, buffer.asSlice(0, bytes), offset));
    }

    @Override
    public long pwrite(int fd, MemorySegment buffer, long offset) {
        FaultEvent event = FaultEvent.positioned(On.PWRITE, files.get(fd), offset, buffer.byteSize());
        return transfer(event, buffer.byteSize(), bytes -> super.pwrite(fd, buffer.asSlice(0, bytes), offset));
    }

    @Override
    public long read(int fd, MemorySegment buffer) {
        FaultEvent event = FaultEvent.onFile(On.READ, files.get(fd), buffer.byteSize());
        return transfer(event, buffer.byteSize(), bytes -> super.read(fd, buffer.asSlice(0, bytes)));
    }

    @Override
    public long write(int fd, MemorySegment buffer) {
        FaultEvent event = FaultEvent.onFile(On.WRITE, files.get(fd), buffer.byteSize());
        return transfer(event, buffer.byteSize(), bytes -> super.write(fd, buffer.asSlice(0, bytes)));
    }

    @Override
    public int eventfd(int initialValue, int flags) {
        int fd = call(FaultEvent.call(On.EVENTFD), () -> super.eventfd(initialValue, flags));
        files.eventfd(fd);
        return fd;
    }

    @Override
    public int poll(MemorySegment pollfds, int timeoutMillis) {
        return call(FaultEvent.call(On.POLL), () -> super.poll(pollfds, timeoutMillis));
    }
}
