package org.jvfio.bench;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.device.EmulatedDevice;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_iommu_spapr_register_memory;
import org.jvfio.uapi.vfio_iommu_spapr_tce_create;
import org.jvfio.uapi.vfio_iommu_spapr_tce_remove;
import org.jvfio.uapi.vfio_iommu_type1_dma_map;
import org.jvfio.uapi.vfio_iommu_type1_dma_unmap;
import org.jvfio.uapi.vfio_irq_set;

/**
 * A process on an emulated POWER8 host with 64K pages, whose container (version 2) holds group 0 with one device. Makes the structs of calls, to be filled once and used many times.
 */
final class VfioProcess implements AutoCloseable {
    /** Where the second window of a container begins. */
    static final long SECOND_WINDOW = 1L << 59;

    private static final String ADDRESS = "0000:01:00.0";
    private static final int REGION_SHIFT = 40;
    private static final int READ_WRITE = vfio_h.VFIO_DMA_MAP_FLAG_READ | vfio_h.VFIO_DMA_MAP_FLAG_WRITE;

    private final Arena arena = Arena.ofShared();
    private final EmulatedKernel kernel;
    private final int container;
    private final int device;
    private final MemorySegment register;
    private final MemorySegment smallRegister;

    VfioProcess(EmulatedDevice emulated) {
        kernel = EmulatedKernel.boot(EmulatedMachine.power8().toBuilder()
                .withoutDevices()
                .device(ADDRESS, 0, () -> emulated)
                .build());
        register = arena.allocate(ValueLayout.JAVA_LONG);
        smallRegister = arena.allocate(ValueLayout.JAVA_INT);
        container = (int) succeed(kernel.open("/dev/vfio/vfio", vfio_h.O_RDWR));
        int group = (int) succeed(kernel.open("/dev/vfio/0", vfio_h.O_RDWR));
        MemorySegment descriptor = arena.allocateFrom(ValueLayout.JAVA_INT, container);
        succeed(kernel.ioctl(group, vfio_h.VFIO_GROUP_SET_CONTAINER, descriptor));
        succeed(kernel.ioctl(container, vfio_h.VFIO_SET_IOMMU, vfio_h.VFIO_SPAPR_TCE_v2_IOMMU));
        device = (int) succeed(kernel.ioctl(group, vfio_h.VFIO_GROUP_GET_DEVICE_FD, arena.allocateFrom(ADDRESS)));
        long command = ((long) vfio_h.VFIO_PCI_CONFIG_REGION_INDEX << REGION_SHIFT) + vfio_h.PCI_COMMAND;
        MemorySegment enable = arena.allocateFrom(
                ValueLayout.JAVA_SHORT, (short) (vfio_h.PCI_COMMAND_MEMORY | vfio_h.PCI_COMMAND_MASTER));
        succeed(kernel.pwrite(device, enable, command));
    }

    /** Passes a call's answer on, unless it is an error: a benchmark must not measure refusals. */
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
    void call(int request, MemorySegment struct) {
        succeed(kernel.ioctl(container, request, struct));
    }

    /** Writes a register of the device: 8 bytes of BAR 0. */
    void write(long offset, long value) {
        register.set(ValueLayout.JAVA_LONG, 0, value);
        succeed(kernel.pwrite(device, register, offset));
    }

    /** Writes a register of the device: 4 bytes of BAR 0. */
    void write(long offset, int value) {
        smallRegister.set(ValueLayout.JAVA_INT, 0, value);
        succeed(kernel.pwrite(device, smallRegister, offset));
    }

    /** An eventfd that the device's MSI message signals. */
    int messageEvent() {
        int event = (int) succeed(kernel.eventfd(0, vfio_h.EFD_NONBLOCK));
        MemorySegment set = arena.allocate(vfio_irq_set.sizeof() + Integer.BYTES, Integer.BYTES);
        vfio_irq_set.argsz(set, (int) set.byteSize());
        vfio_irq_set.flags(set, vfio_h.VFIO_IRQ_SET_DATA_EVENTFD | vfio_h.VFIO_IRQ_SET_ACTION_TRIGGER);
        vfio_irq_set.index(set, vfio_h.VFIO_PCI_MSI_IRQ_INDEX);
        vfio_irq_set.count(set, 1);
        set.set(vfio_h.C_INT, vfio_irq_set.sizeof(), event);
        succeed(kernel.ioctl(device, vfio_h.VFIO_DEVICE_SET_IRQS, set));
        return event;
    }

    /** Takes what an eventfd counted. */
    void take(int event) {
        succeed(kernel.read(event, register));
    }

    /** Memory of the process that is registered for DMA, and its address. */
    long registeredMemory(long bytes) {
        int protection = vfio_h.PROT_READ | vfio_h.PROT_WRITE;
        long address = succeed(kernel.mmap(bytes, protection, vfio_h.MAP_PRIVATE | vfio_h.MAP_ANONYMOUS, -1, 0));
        MemorySegment registration = vfio_iommu_spapr_register_memory.allocate(arena);
        vfio_iommu_spapr_register_memory.argsz(registration, (int) vfio_iommu_spapr_register_memory.sizeof());
        vfio_iommu_spapr_register_memory.vaddr(registration, address);
        vfio_iommu_spapr_register_memory.size(registration, bytes);
        call(vfio_h.VFIO_IOMMU_SPAPR_REGISTER_MEMORY, registration);
        return address;
    }

    MemorySegment mapOf(long address, long iova, long bytes) {
        MemorySegment map = vfio_iommu_type1_dma_map.allocate(arena);
        vfio_iommu_type1_dma_map.argsz(map, (int) vfio_iommu_type1_dma_map.sizeof());
        vfio_iommu_type1_dma_map.flags(map, READ_WRITE);
        vfio_iommu_type1_dma_map.vaddr(map, address);
        vfio_iommu_type1_dma_map.iova(map, iova);
        vfio_iommu_type1_dma_map.size(map, bytes);
        return map;
    }

    MemorySegment unmapOf(long iova, long bytes) {
        MemorySegment unmap = vfio_iommu_type1_dma_unmap.allocate(arena);
        vfio_iommu_type1_dma_unmap.argsz(unmap, (int) vfio_iommu_type1_dma_unmap.sizeof());
        vfio_iommu_type1_dma_unmap.iova(unmap, iova);
        vfio_iommu_type1_dma_unmap.size(unmap, bytes);
        return unmap;
    }

    MemorySegment windowOf(int pageShift, long bytes, int levels) {
        MemorySegment create = vfio_iommu_spapr_tce_create.allocate(arena);
        vfio_iommu_spapr_tce_create.argsz(create, (int) vfio_iommu_spapr_tce_create.sizeof());
        vfio_iommu_spapr_tce_create.page_shift(create, pageShift);
        vfio_iommu_spapr_tce_create.window_size(create, bytes);
        vfio_iommu_spapr_tce_create.levels(create, levels);
        return create;
    }

    MemorySegment removalOf(long start) {
        MemorySegment remove = vfio_iommu_spapr_tce_remove.allocate(arena);
        vfio_iommu_spapr_tce_remove.argsz(remove, (int) vfio_iommu_spapr_tce_remove.sizeof());
        vfio_iommu_spapr_tce_remove.start_addr(remove, start);
        return remove;
    }

    @Override
    public void close() {
        kernel.exit();
        arena.close();
    }
}
