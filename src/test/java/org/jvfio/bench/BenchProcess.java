package org.jvfio.bench;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.device.EmulatedDevice;
import org.jvfio.ioctl.GetDeviceFd;
import org.jvfio.ioctl.Ioctl;
import org.jvfio.ioctl.MapDma;
import org.jvfio.ioctl.RegisterMemory;
import org.jvfio.ioctl.SetContainer;
import org.jvfio.ioctl.SetIrqs;
import org.jvfio.ioctl.TceCreate;
import org.jvfio.ioctl.TceRemove;
import org.jvfio.ioctl.UnmapDma;
import org.jvfio.ioctl.ValueIoctl;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_h;

/**
 * A process on an emulated POWER8 host with 64K pages, whose container (version 2) holds group 0 with one device. A
 * call is filled once and made many times.
 */
final class BenchProcess implements AutoCloseable {
    /** Where the second window of a container begins. */
    static final long SECOND_WINDOW = 1L << 59;

    private static final String ADDRESS = "0000:01:00.0";
    private static final int REGION_SHIFT = 40;
    private static final int READ_WRITE = vfio_h.VFIO_DMA_MAP_FLAG_READ | vfio_h.VFIO_DMA_MAP_FLAG_WRITE;

    private final Arena arena = Arena.ofShared();
    private final EmulatedKernel kernel;
    private final KernelFile container;
    private final KernelFile device;
    private final MemorySegment register;
    private final MemorySegment smallRegister;

    BenchProcess(EmulatedDevice emulated) {
        kernel = EmulatedKernel.boot(EmulatedMachine.power8().toBuilder()
                .withoutDevices()
                .device(ADDRESS, 0, () -> emulated)
                .build());
        register = arena.allocate(ValueLayout.JAVA_LONG);
        smallRegister = arena.allocate(ValueLayout.JAVA_INT);
        container = open("/dev/vfio/vfio");
        KernelFile group = open("/dev/vfio/0");
        succeed(SetContainer.of(arena, container.descriptor()).call(group));
        succeed(ValueIoctl.setIommu(vfio_h.VFIO_SPAPR_TCE_v2_IOMMU).call(container));
        device = new KernelFile(
                kernel, (int) succeed(GetDeviceFd.of(arena, ADDRESS).call(group)));
        long command = ((long) vfio_h.VFIO_PCI_CONFIG_REGION_INDEX << REGION_SHIFT) + vfio_h.PCI_COMMAND;
        MemorySegment enable = arena.allocateFrom(
                ValueLayout.JAVA_SHORT, (short) (vfio_h.PCI_COMMAND_MEMORY | vfio_h.PCI_COMMAND_MASTER));
        succeed(kernel.pwrite(device.descriptor(), enable, command));
    }

    private KernelFile open(String path) {
        return new KernelFile(kernel, (int) succeed(kernel.open(path, vfio_h.O_RDWR)));
    }

    /** Passes a call's result on, unless it is an error: a benchmark must not measure refusals. */
    static long succeed(long answer) {
        if (Errno.isError(answer)) {
            throw new IllegalStateException("a call of the benchmark failed: "
                    + Errno.of((int) -answer).map(Errno::name).orElse(Long.toString(answer)));
        }
        return answer;
    }

    Kernel kernel() {
        return kernel;
    }

    /** An ioctl of the container. */
    void call(Ioctl call) {
        succeed(call.call(container));
    }

    /** Writes a register of the device: 8 bytes of BAR 0. */
    void write(long offset, long value) {
        register.set(ValueLayout.JAVA_LONG, 0, value);
        succeed(kernel.pwrite(device.descriptor(), register, offset));
    }

    /** Writes a register of the device: 4 bytes of BAR 0. */
    void write(long offset, int value) {
        smallRegister.set(ValueLayout.JAVA_INT, 0, value);
        succeed(kernel.pwrite(device.descriptor(), smallRegister, offset));
    }

    /** An eventfd that the device's MSI message signals. */
    int messageEvent() {
        int event = (int) succeed(kernel.eventfd(0, vfio_h.EFD_NONBLOCK));
        int flags = vfio_h.VFIO_IRQ_SET_DATA_EVENTFD | vfio_h.VFIO_IRQ_SET_ACTION_TRIGGER;
        succeed(SetIrqs.of(arena, flags, vfio_h.VFIO_PCI_MSI_IRQ_INDEX, 0, 1, event)
                .call(device));
        return event;
    }

    /** Reads and clears the counter of an eventfd. */
    void take(int event) {
        succeed(kernel.read(event, register));
    }

    /** Memory of the process that is registered for DMA, and its address. */
    long registeredMemory(long bytes) {
        int protection = vfio_h.PROT_READ | vfio_h.PROT_WRITE;
        long address = succeed(kernel.mmap(bytes, protection, vfio_h.MAP_PRIVATE | vfio_h.MAP_ANONYMOUS, -1, 0));
        call(RegisterMemory.of(arena, address, bytes));
        return address;
    }

    /** MAP_DMA in both directions. */
    MapDma mapOf(long address, long iova, long bytes) {
        return MapDma.of(arena, READ_WRITE, address, iova, bytes);
    }

    UnmapDma unmapOf(long iova, long bytes) {
        return UnmapDma.of(arena, iova, bytes);
    }

    TceCreate windowOf(int pageShift, long bytes, int levels) {
        return TceCreate.of(arena, pageShift, bytes, levels);
    }

    TceRemove removalOf(long start) {
        return TceRemove.of(arena, start);
    }

    @Override
    public void close() {
        kernel.exit();
        arena.close();
    }
}
