package org.jvfio.observe.sanitize;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.IntSupplier;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.EmulatedHost;
import org.jvfio.emulator.Hazard;
import org.jvfio.emulator.HostHazard;
import org.jvfio.ioctl.GetDeviceFd;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.kernel.MemoryUse;
import org.jvfio.observe.ForwardingKernel;
import org.jvfio.observe.sanitize.Finding.Kind;
import org.jvfio.observe.sanitize.Resources.Window;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_iommu_spapr_register_memory;
import org.jvfio.uapi.vfio_iommu_spapr_tce_create;
import org.jvfio.uapi.vfio_iommu_spapr_tce_info;
import org.jvfio.uapi.vfio_iommu_spapr_tce_remove;
import org.jvfio.uapi.vfio_iommu_type1_dma_map;
import org.jvfio.uapi.vfio_iommu_type1_dma_unmap;
import org.jvfio.uapi.vfio_irq_set;

/** The system calls of a program, watched. What a call does is noted after the kernel has done it. */
final class SanitizingKernel extends ForwardingKernel {
    private static final String CONTAINER = "/dev/vfio/vfio";
    private static final String GROUP = "/dev/vfio/";
    private static final int DEFAULT_WINDOW_PAGE_SHIFT = 12;
    /** Where the command register is in the file of a device: {@code VFIO_PCI_OFFSET_SHIFT} is 40. */
    private static final long COMMAND = ((long) vfio_h.VFIO_PCI_CONFIG_REGION_INDEX << 40) + vfio_h.PCI_COMMAND;

    private static final byte ALL_ONES = -1;

    /**
     * The JVM stops all threads and looks at the whole heap for the locks of a thread: of calls at one place, only the
     * first ones are checked.
     */
    private static final int MAX_LOCK_CHECKS = 4;

    /** How often no lock was held at a place, in any run of this JVM. */
    private static final Map<Site, Integer> WITHOUT_LOCKS = new ConcurrentHashMap<>();

    private final Map<Site, Integer> lockChecks = new ConcurrentHashMap<>();
    private final EmulatedHost host;
    private final State state;
    private final Set<Integer> nonblocking = ConcurrentHashMap.newKeySet();
    private final Object hazardLock = new Object();
    private int hazardsSeen;

    SanitizingKernel(Kernel behind, EmulatedHost host, State state) {
        super(behind);
        this.host = host;
        this.state = state;
        hazardsSeen = host.hazards().size();
    }

    /** Makes a call, and reports a hazard that it is. */
    private int watched(IntSupplier call) {
        try {
            int result = call.getAsInt();
            reportHazards();
            return result;
        } catch (HostHazard stopped) {
            state.findings().add(Kind.HAZARD, String.valueOf(stopped.getMessage()), Site.here("called"));
            throw stopped;
        }
    }

    /** Those of calls that the kernel executes as Linux does, and of closing. */
    private void reportHazards() {
        List<Hazard> all = host.hazards();
        synchronized (hazardLock) {
            for (Hazard hazard : all.subList(Math.min(hazardsSeen, all.size()), all.size())) {
                state.findings().add(Kind.HAZARD, hazard + ": " + hazard.harm(), Site.here("called"));
            }
            hazardsSeen = all.size();
        }
    }

    @Override
    public int open(String path, int flags) {
        int fd = super.open(path, flags);
        if (!Errno.isError(fd)) {
            if ((flags & vfio_h.O_NONBLOCK) != 0) {
                nonblocking.add(fd);
            }
            state.change(resources -> resources.opened(fd, path));
        }
        return fd;
    }

    @Override
    public int eventfd(int initialValue, int flags) {
        int fd = super.eventfd(initialValue, flags);
        if (!Errno.isError(fd)) {
            if ((flags & vfio_h.EFD_NONBLOCK) != 0) {
                nonblocking.add(fd);
            }
            state.change(resources -> resources.opened(fd, "an eventfd"));
        }
        return fd;
    }

    @Override
    public int close(int fd) {
        String device = deviceOf(fd);
        if (device != null) {
            state.interrupts(interrupts -> interrupts.closed(device));
        }
        nonblocking.remove(fd);
        int result = watched(() -> super.close(fd));
        if (result == 0) {
            state.change(resources -> resources.closed(fd));
        }
        return result;
    }

    /** The address of a device that is open with a descriptor; null for other files. */
    private @Nullable String deviceOf(int fd) {
        return state.resources(resources -> {
            Resources.Descriptor descriptor = resources.get(fd);
            return descriptor != null && descriptor.isDevice() ? descriptor.path() : null;
        });
    }

    private String pathOf(int fd) {
        return state.resources(resources -> {
            Resources.Descriptor descriptor = resources.get(fd);
            return descriptor != null ? descriptor.path() : "";
        });
    }

    @Override
    public int ioctl(int fd, int request, long argument) {
        int result = watched(() -> super.ioctl(fd, request, argument));
        if (result == 0 && request == vfio_h.VFIO_GROUP_UNSET_CONTAINER && isGroup(pathOf(fd))) {
            state.change(resources -> resources.leave(fd));
        }
        return result;
    }

    private static boolean isGroup(String path) {
        return path.startsWith(GROUP) && !path.equals(CONTAINER);
    }

    @Override
    public int ioctl(int fd, int request, MemorySegment argument) {
        String path = pathOf(fd);
        int result = watched(() -> super.ioctl(fd, request, argument));
        if (Errno.isError(result)) {
            return result;
        }
        if (path.equals(CONTAINER) && result == 0) {
            noteContainer(fd, request, argument);
        } else if (isGroup(path) && request == vfio_h.VFIO_GROUP_SET_CONTAINER) {
            int container = argument.get(ValueLayout.JAVA_INT_UNALIGNED, 0);
            state.change(resources -> resources.join(fd, container));
        } else if (isGroup(path) && request == vfio_h.VFIO_GROUP_GET_DEVICE_FD) {
            String address = new GetDeviceFd(argument).address();
            state.change(resources -> resources.openedDevice(result, address, fd));
        } else if (request == vfio_h.VFIO_DEVICE_SET_IRQS && result == 0) {
            String device = deviceOf(fd);
            if (device != null) {
                noteInterrupts(device, argument);
            }
        }
        return result;
    }

    private void noteContainer(int fd, int request, MemorySegment argument) {
        switch (request) {
            case vfio_h.VFIO_IOMMU_MAP_DMA -> {
                long iova = vfio_iommu_type1_dma_map.iova(argument);
                long address = vfio_iommu_type1_dma_map.vaddr(argument);
                long size = vfio_iommu_type1_dma_map.size(argument);
                Site site = Site.here("mapped");
                state.container(fd, container -> container.map(iova, address, size, site));
            }
            case vfio_h.VFIO_IOMMU_UNMAP_DMA -> {
                long iova = vfio_iommu_type1_dma_unmap.iova(argument);
                long size = vfio_iommu_type1_dma_unmap.size(argument);
                Site site = Site.here("unmapped");
                state.container(fd, container -> container.unmap(iova, size, site));
            }
            case vfio_h.VFIO_IOMMU_SPAPR_REGISTER_MEMORY -> {
                long address = vfio_iommu_spapr_register_memory.vaddr(argument);
                long size = vfio_iommu_spapr_register_memory.size(argument);
                Site site = Site.here("registered");
                state.container(fd, container -> container.register(address, size, site));
            }
            case vfio_h.VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY -> {
                long address = vfio_iommu_spapr_register_memory.vaddr(argument);
                long size = vfio_iommu_spapr_register_memory.size(argument);
                state.container(fd, container -> container.unregister(address));
                state.buffers(buffers -> buffers.forget(address, size));
            }
            case vfio_h.VFIO_IOMMU_SPAPR_TCE_GET_INFO -> {
                Window window = new Window(
                        Integer.toUnsignedLong(vfio_iommu_spapr_tce_info.dma32_window_start(argument)),
                        Integer.toUnsignedLong(vfio_iommu_spapr_tce_info.dma32_window_size(argument)),
                        DEFAULT_WINDOW_PAGE_SHIFT);
                state.container(fd, container -> container.defaultWindow(window));
            }
            case vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE -> {
                Window window = new Window(
                        vfio_iommu_spapr_tce_create.start_addr(argument),
                        vfio_iommu_spapr_tce_create.window_size(argument),
                        vfio_iommu_spapr_tce_create.page_shift(argument));
                Site site = Site.here("created");
                state.container(fd, container -> container.window(window, site));
            }
            case vfio_h.VFIO_IOMMU_SPAPR_TCE_REMOVE -> {
                long start = vfio_iommu_spapr_tce_remove.start_addr(argument);
                Site site = Site.here("removed with its window");
                state.container(fd, container -> container.removeWindow(start, site));
            }
            default -> {
                // It neither acquires nor releases anything.
            }
        }
    }

    private void noteInterrupts(String device, MemorySegment argument) {
        int flags = vfio_irq_set.flags(argument);
        if ((flags & vfio_h.VFIO_IRQ_SET_ACTION_TYPE_MASK) != vfio_h.VFIO_IRQ_SET_ACTION_TRIGGER) {
            return;
        }
        int index = vfio_irq_set.index(argument);
        int start = vfio_irq_set.start(argument);
        int count = vfio_irq_set.count(argument);
        int data = flags & vfio_h.VFIO_IRQ_SET_DATA_TYPE_MASK;
        if (data == vfio_h.VFIO_IRQ_SET_DATA_EVENTFD) {
            int[] eventfds = argument.asSlice(vfio_irq_set.sizeof(), (long) count * Integer.BYTES)
                    .toArray(ValueLayout.JAVA_INT_UNALIGNED);
            state.interrupts(interrupts -> interrupts.set(device, index, start, eventfds));
        } else if (data == vfio_h.VFIO_IRQ_SET_DATA_NONE && count == 0) {
            state.interrupts(interrupts -> interrupts.disabled(device, index));
        }
    }

    @Override
    public long mmap(long length, int protection, int flags, int fd, long offset) {
        long address = super.mmap(length, protection, flags, fd, offset);
        if (!Errno.isError(address) && (flags & vfio_h.MAP_ANONYMOUS) != 0) {
            state.change(resources -> resources.allocated(address, length));
        }
        return address;
    }

    @Override
    public int munmap(long address, long length) {
        int result = super.munmap(address, length);
        if (result == 0) {
            state.change(resources -> resources.freed(address, length));
            state.buffers(buffers -> buffers.forget(address, length));
        }
        return result;
    }

    @Override
    public void announce(long address, long length, MemoryUse use) {
        // Before the lock, as the emulated host's lock comes first.
        byte[] contents = state.needsContents(address, length, use) ? contents(address, length) : new byte[0];
        state.buffers(buffers -> buffers.announce(address, length, use, contents));
        super.announce(address, length, use);
    }

    private byte[] contents(long address, long length) {
        return behind().memory(address, length).toArray(ValueLayout.JAVA_BYTE);
    }

    @Override
    public long pread(int fd, MemorySegment buffer, long offset) {
        return stopped(() -> super.pread(fd, buffer, offset));
    }

    @Override
    public long pwrite(int fd, MemorySegment buffer, long offset) {
        long result = stopped(() -> super.pwrite(fd, buffer, offset));
        noteCommand(fd, buffer, result, offset);
        return result;
    }

    /** Notes bus mastering that is enabled or disabled by a write of configuration space. */
    private void noteCommand(int fd, MemorySegment written, long bytes, long offset) {
        long place = COMMAND - offset;
        if (place < 0 || place >= bytes || deviceOf(fd) == null) {
            return;
        }
        boolean masters = (written.get(ValueLayout.JAVA_BYTE, place) & vfio_h.PCI_COMMAND_MASTER) != 0;
        Site where = masters ? Site.here("enabled") : null;
        state.change(resources -> {
            Resources.Descriptor device = resources.get(fd);
            if (device != null) {
                device.busMaster(where);
            }
        });
    }

    /** Reports devices whose bus mastering is on; not those that do not respond. */
    void reportBusMasters() {
        state.resources(Resources::busMasters).forEach((fd, where) -> {
            if (mastersBus(fd)) {
                state.findings().addLeft(Kind.LEFT_ENABLED, "bus mastering of " + pathOf(fd) + " is enabled", where);
            }
        });
    }

    private boolean mastersBus(int fd) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment command = arena.allocate(Short.BYTES);
            boolean read = behind().pread(fd, command, COMMAND) == Short.BYTES;
            byte low = command.get(ValueLayout.JAVA_BYTE, 0);
            return read && low != ALL_ONES && (low & vfio_h.PCI_COMMAND_MASTER) != 0;
        }
    }

    private long stopped(LongSupplier call) {
        try {
            return call.getAsLong();
        } catch (HostHazard stopped) {
            state.findings().add(Kind.HAZARD, String.valueOf(stopped.getMessage()), Site.here("called"));
            throw stopped;
        }
    }

    @Override
    public long read(int fd, MemorySegment buffer) {
        if (!nonblocking.contains(fd)) {
            requireNoLocks("a read that blocks");
        }
        long result = super.read(fd, buffer);
        if (result == Long.BYTES) {
            state.interrupts(interrupts -> interrupts.read(fd));
        }
        return result;
    }

    @Override
    public int poll(MemorySegment pollfds, int timeoutMillis) {
        if (timeoutMillis != 0) {
            requireNoLocks("a poll with a timeout");
        }
        return super.poll(pollfds, timeoutMillis);
    }

    private void requireNoLocks(String call) {
        Site place = Site.here(call);
        if (WITHOUT_LOCKS.getOrDefault(place, 0) >= MAX_LOCK_CHECKS
                || lockChecks.merge(place, 1, Integer::sum) > MAX_LOCK_CHECKS) {
            return;
        }
        List<String> locks = HeldLocks.ofThisThread();
        if (locks.isEmpty()) {
            WITHOUT_LOCKS.merge(place, 1, Integer::sum);
        }
        for (String lock : locks) {
            state.findings().add(Kind.LOCK_HELD, call + " was made while holding " + lock, Site.here("called"));
        }
    }
}
