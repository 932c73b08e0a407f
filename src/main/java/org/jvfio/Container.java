package org.jvfio;

import static org.jvfio.uapi.vfio_h.VFIO_API_VERSION;
import static org.jvfio.uapi.vfio_h.VFIO_EEH;
import static org.jvfio.uapi.vfio_h._SC_PAGESIZE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jvfio.VfioException.Kind;
import org.jvfio.ioctl.EehPeOp;
import org.jvfio.ioctl.Ioctl;
import org.jvfio.ioctl.ValueIoctl;
import org.jvfio.kernel.Kernel;
import org.jvfio.kernel.MemoryUse;
import org.jvfio.observe.TraceProperty;
import org.jvfio.uapi.vfio_h;

/**
 * A VFIO container with the SPAPR TCE IOMMU: the address space in which the devices of its groups do DMA. It consists
 * of windows ({@link DmaWindow}) and of the memory ({@link DmaMemory}) that is mapped in them.
 *
 * <p>Windows, memory, mappings, groups and devices belong to their container. They may be closed in any order, twice,
 * and by any thread. Each closes what depends on it, always in this order: unmap, unregister, free, remove windows,
 * close devices, give the groups back to the host. Closing the container, or its last group, turns bus mastering off in
 * all devices first; closing a device turns its own off. Closing memory, a mapping or a window is the caller's word
 * that no device uses it any more, and touches no device.
 *
 * <p>A container that becomes unreachable without having been closed is reported, with the place where it was opened,
 * to the {@link System.Logger} {@code org.jvfio}.
 *
 * <p>A container belongs to the process that opened it. Calls on a closed object throw {@link IllegalStateException}.
 *
 * @implNote Locks are acquired in this order: the container's lock, the state of a {@link DmaMapping}, the lock of the
 *     pending default window ({@link DmaWindows}), the process-wide registration lock ({@link RegisteredRanges}), the
 *     lock of a {@link Descriptor}. The device's locks (interrupts, configuration space, BARs) come after the
 *     container's lock.
 */
public final class Container implements AutoCloseable {
    private static final String PATH = "/dev/vfio/vfio";

    private final Kernel kernel;
    private final Descriptor descriptor;
    private final PageSize systemPage;
    private final IommuSetup iommu;
    private final DmaWindows windows;
    private final MemoryRegistrar memory;
    private final OpenSite openSite;
    // Filled again for each mapping that is made or closed. Guarded by the lock.
    private final MappingCalls mappingCalls = MappingCalls.allocate(Arena.ofAuto());

    private final ReentrantLock lock = new ReentrantLock();
    // What follows is guarded by the lock.
    private final List<Group> groups = new ArrayList<>();
    private boolean closed;
    // Written with the lock held; read without it.
    private volatile List<Integer> attachedGroups = List.of();

    private Container(Kernel kernel, Descriptor descriptor, PageSize systemPage, IommuSetup iommu) {
        this.kernel = kernel;
        this.descriptor = descriptor;
        this.systemPage = systemPage;
        this.iommu = iommu;
        this.windows = new DmaWindows(kernel, this, iommu);
        Map<Long, MemorySegment> kept = new ConcurrentHashMap<>();
        this.memory = new MemoryRegistrar(kernel, this, systemPage, kept);
        this.openSite = new OpenSite("A VFIO container", kept);
    }

    /**
     * Opens {@code /dev/vfio/vfio}.
     *
     * @throws VfioException if the kernel has no VFIO or no SPAPR TCE IOMMU ({@code HOST_SETUP}), or the user may not
     *     open it ({@code PERMISSION})
     */
    public static Container open(Kernel host) {
        Objects.requireNonNull(host, "host");
        Kernel kernel = TraceProperty.observe(host);
        String operation = "open a VFIO container";
        Descriptor descriptor = Descriptor.open(kernel, PATH, vfio_h.O_RDWR, operation, KnownCauses::openContainer);
        try {
            ValueIoctl getApiVersion = ValueIoctl.getApiVersion();
            int version = getApiVersion.call(descriptor);
            if (version != VFIO_API_VERSION) {
                throw VfioException.failed(
                        operation,
                        getApiVersion,
                        version,
                        new Cause(
                                Kind.UNSUPPORTED,
                                "it is not the VFIO that this library knows",
                                "see what " + PATH + " is"));
            }
            IommuSetup iommu = IommuSetup.of(kernel, descriptor, operation);
            long page = kernel.sysconf(_SC_PAGESIZE);
            if (page <= 0) {
                throw VfioException.failed(operation, "sysconf(_SC_PAGESIZE)", page, Cause.of(page, Cause::of));
            }
            Container container = new Container(kernel, descriptor, PageSize.of(page), iommu);
            container.openSite.watch(container);
            return container;
        } catch (RuntimeException e) {
            Teardown.after(e, descriptor::close);
            throw e;
        }
    }

    /**
     * Takes the group of a device from the host: {@link #attach(int)} of the device's group.
     *
     * @throws VfioException if the device does not exist, is not bound to vfio-pci, or its group cannot be taken
     */
    public Group attach(PciAddress address) {
        Objects.requireNonNull(address, "address");
        PciFunction function = PciFunction.at(kernel, address);
        IommuGroup group = IommuGroup.of(kernel, function);
        if (!function.isForVfio()) {
            throw new VfioException(
                    Kind.HOST_SETUP,
                    "use " + address,
                    function.driver()
                            .map(driver -> "it is bound to " + driver + ", not to vfio-pci")
                            .orElse("it is not bound to vfio-pci"),
                    BindHint.of(kernel, function));
        }
        return attach(group);
    }

    /**
     * Takes a group from the host: from now on the host has neither a window nor bypass there, and the group's devices
     * can access nothing but what is mapped in this container. A group that is attached already is returned again.
     *
     * @param number N in {@code /dev/vfio/N}
     * @throws VfioException if there is no such group, it is in use, or it does not fit the container
     */
    public Group attach(int number) {
        return attach(IommuGroup.of(kernel, number));
    }

    private Group attach(IommuGroup iommuGroup) {
        lock.lock();
        try {
            requireOpen();
            for (Group group : groups) {
                if (group.number() == iommuGroup.number()) {
                    return group;
                }
            }
            Group group = Group.open(kernel, this, iommuGroup);
            try {
                group.enter(descriptor);
                if (groups.isEmpty()) {
                    windows.addDefault(iommu.setUp(group));
                }
            } catch (RuntimeException e) {
                if (groups.isEmpty()) {
                    iommu.detached();
                }
                Teardown.after(e, group::closeDescriptor);
                throw e;
            }
            groups.add(group);
            attachedGroups = groups.stream().map(Group::number).toList();
            return group;
        } finally {
            lock.unlock();
        }
    }

    /**
     * The version of the SPAPR TCE IOMMU.
     *
     * @throws IllegalStateException if no group is attached, or the container is closed
     */
    public SpaprTceVersion iommuVersion() {
        lock.lock();
        try {
            attachedInfo();
            return iommu.version();
        } finally {
            lock.unlock();
        }
    }

    /** Whether memory has to be registered before it is mapped. */
    boolean registersMemory() {
        return iommu.registersMemory();
    }

    /**
     * What the IOMMU offers to the attached groups.
     *
     * @throws IllegalStateException if no group is attached, or the container is closed
     */
    public TceInfo iommuInfo() {
        lock.lock();
        try {
            return attachedInfo();
        } finally {
            lock.unlock();
        }
    }

    private TceInfo attachedInfo() {
        requireOpen();
        return iommu.info();
    }

    /** Announces who accesses a part of its memory from now on. */
    void announce(MemoryRange part, MemoryUse use) {
        kernel.announce(part.address(), part.size(), use);
    }

    /** The page size of the kernel: the unit of allocated memory and of locked memory. */
    public PageSize systemPage() {
        return systemPage;
    }

    /**
     * The error handling of the group's PE (EEH); empty if the kernel has none.
     *
     * @throws VfioException if the container has several groups ({@code CONFLICT}): the kernel then answers for all of
     *     them at once
     * @throws IllegalStateException if no group is attached, or the container is closed
     */
    public Optional<Eeh> eeh() {
        lock.lock();
        try {
            requireOneGroup();
            return IommuSetup.hasExtension(descriptor, "ask for EEH", VFIO_EEH)
                    ? Optional.of(new Eeh(this))
                    : Optional.empty();
        } finally {
            lock.unlock();
        }
    }

    /** Whether this is an LPAR, where a window belongs to one group, and several are attached. Takes no lock. */
    boolean sharesLparWindow() {
        return attachedGroups.size() > 1 && HostPlatform.of(kernel) == HostPlatform.PSERIES;
    }

    /** The numbers of the groups that are attached. Takes no lock. */
    List<Integer> attachedGroups() {
        return attachedGroups;
    }

    /**
     * The state of the PEs of all groups ({@code VFIO_EEH_PE_GET_STATE}), as the kernel reports it: the first that is
     * not normal; or a negated errno. Takes no lock.
     */
    int peStates() {
        try (Arena arena = Arena.ofConfined()) {
            return EehPeOp.of(arena, vfio_h.VFIO_EEH_PE_GET_STATE).call(descriptor);
        }
    }

    /** Makes an operation on the PE of the only group: the result, or a negated errno. */
    int eehOperation(EehPeOp call) {
        lock.lock();
        try {
            requireOneGroup();
            return call.call(descriptor);
        } finally {
            lock.unlock();
        }
    }

    private void requireOneGroup() {
        attachedInfo();
        if (groups.size() > 1) {
            throw new VfioException(
                    Kind.CONFLICT,
                    "handle errors of a PE",
                    "the container has several groups",
                    "use a container for each group");
        }
    }

    /** The windows of the moment, the default one included, in the order in which they were created. */
    public List<DmaWindow> windows() {
        lock.lock();
        try {
            return windows.all();
        } finally {
            lock.unlock();
        }
    }

    /**
     * The window that every container begins with: 4K pages, at the start of the bus addresses, {@link
     * TceInfo#defaultWindow}. The kernel creates it, and locks memory for its table, with the first mapping or the
     * first other window. Closing it frees its place for another window, which then begins at its address.
     *
     * @throws VfioException if the platform has none, or it was closed ({@code NOT_FOUND})
     * @throws IllegalStateException if no group is attached, or the container is closed
     */
    public DmaWindow defaultWindow() {
        lock.lock();
        try {
            requireOpen();
            return windows.defaultWindow();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Creates a window ({@code VFIO_IOMMU_SPAPR_TCE_CREATE}). The kernel chooses where it begins: in place of the
     * default window if that was closed, else at 1&lt;&lt;59 on powernv. On powernv a window is at least as large as
     * one system page of table entries can map; {@link DmaWindow#range} has its real end.
     *
     * @param page the IOMMU page size, one of {@link TceInfo#pageSizes}; memory must be backed by pages at least as
     *     large
     * @param bytes the size, a power of two and at least one such page
     * @param levels the levels of its table, 1 to {@link TceInfo#maxLevels}
     * @throws IllegalArgumentException if the size is not a power of two of at least one page, or there is no level
     * @throws VfioException if the platform has no such window ({@code UNSUPPORTED}), no free window ({@code
     *     EXHAUSTED}), or too little memory may be locked ({@code LOCK_LIMIT})
     * @throws IllegalStateException if no group is attached, or the container is closed
     */
    public DmaWindow createWindow(PageSize page, long bytes, int levels) {
        Objects.requireNonNull(page, "page");
        lock.lock();
        try {
            requireOpen();
            return windows.create(page, bytes, levels);
        } finally {
            lock.unlock();
        }
    }

    /**
     * All windows that serve a request, best first, before anything is done: the one that is there already, then by the
     * memory that their tables lock. A default window that was used is replaced only if there is no other way.
     *
     * @throws VfioException if there is none, with all obstacles
     * @throws IllegalStateException if no group is attached, or the container is closed
     */
    public List<WindowPlan> planWindows(WindowRequest request) {
        Objects.requireNonNull(request, "request");
        lock.lock();
        try {
            requireOpen();
            return windows.plan(request);
        } finally {
            lock.unlock();
        }
    }

    /**
     * The best of {@link #planWindows}.
     *
     * @throws VfioException if there is none, with all obstacles
     * @throws IllegalStateException if no group is attached, or the container is closed
     */
    public WindowPlan planWindow(WindowRequest request) {
        return planWindows(request).getFirst();
    }

    /**
     * Carries a plan out, and returns its window: a new one, or the one that is to be used. If the kernel refuses a
     * window that was to replace the default window, that is created again and stays open. If the kernel refuses that
     * too, the default window is closed, and the exception says so.
     *
     * @throws VfioException if the plan is no longer possible ({@code CONFLICT}), or the kernel refuses
     * @throws IllegalStateException if no group is attached, or the container is closed
     */
    public DmaWindow apply(WindowPlan plan) {
        Objects.requireNonNull(plan, "plan");
        lock.lock();
        try {
            requireOpen();
            return windows.apply(plan);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Maps a part of memory for a device, at the lowest free addresses of the window that suits both best: of those
     * with enough free addresses, the one with the largest pages, as it takes the fewest entries; of two alike the
     * upper one, as some devices reach the lower one only.
     *
     * @param part its size, and its memory's address plus its offset, are multiples of the page of one of the windows
     * @param constraints what the device demands of the addresses
     * @throws IllegalArgumentException if the memory belongs to another container
     * @throws VfioException if it can be mapped in no window, with the reason for each, or the kernel refuses; nothing
     *     is mapped then
     * @throws IllegalStateException if no group is attached, or the container or the memory is closed
     */
    public DmaMapping map(MemoryRange part, DmaDirection direction, DmaConstraints constraints) {
        Objects.requireNonNull(part, "part");
        Objects.requireNonNull(direction, "direction");
        Objects.requireNonNull(constraints, "constraints");
        lock.lock();
        try {
            requireOpen();
            return windows.windowFor("map", part, constraints).map(part, direction, constraints);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Prepares a part of memory for a device in the window that {@link #map} would choose, as {@link
     * DmaWindow#prepare(MemoryRange, DmaDirection, DmaConstraints)} does.
     *
     * @return a mapping that is not mapped yet
     * @throws IllegalArgumentException if the memory belongs to another container
     * @throws VfioException if it can be mapped in no window, with the reason for each
     * @throws IllegalStateException if no group is attached, or the container or the memory is closed
     */
    public DmaMapping prepare(MemoryRange part, DmaDirection direction, DmaConstraints constraints) {
        Objects.requireNonNull(part, "part");
        Objects.requireNonNull(direction, "direction");
        Objects.requireNonNull(constraints, "constraints");
        lock.lock();
        try {
            requireOpen();
            return windows.windowFor("prepare", part, constraints).prepare(part, direction, constraints);
        } finally {
            lock.unlock();
        }
    }

    /** See {@link DmaWindows#isDefaultPending}. */
    boolean isDefaultWindowPending() {
        return windows.isDefaultPending();
    }

    /** See {@link MemoryRegistrar#unmapped}. */
    List<IommuState.Unmapped> unmapped() {
        return memory.unmapped();
    }

    /** See {@link DmaWindows#createTables}. */
    void createTables(Supplier<String> operation, long tableBytes, Ioctl call, IntFunction<Cause> causes) {
        windows.createTables(operation, tableBytes, call, causes);
    }

    /**
     * Checks that this process may lock what a driver is going to allocate and map, before anything is locked: the
     * memory, where it is locked when it is registered, and the table of the default window, if the kernel creates it
     * with the next mapping.
     *
     * @param operation what needs it, as it follows "cannot"
     * @param bytes the memory to be allocated, in whole pages
     * @throws VfioException {@code LOCK_LIMIT} if it may not, with the limit that suffices for all of it
     */
    public void requireLockable(String operation, long bytes) {
        Objects.requireNonNull(operation, "operation");
        lock.lock();
        try {
            requireOpen();
            lockedMemory().require(() -> operation, (registersMemory() ? bytes : 0) + windows.pendingTableBytes());
        } finally {
            lock.unlock();
        }
    }

    /**
     * The same for a driver that is going to create a window too: {@link #createWindow} with this page, size and
     * levels.
     *
     * @param operation what needs it, as it follows "cannot"
     * @param bytes the memory to be allocated, in whole pages
     * @throws IllegalArgumentException if the window is not valid
     * @throws VfioException {@code LOCK_LIMIT} if so much may not be locked, with the limit that suffices for all of
     *     it; or if the platform has no such window ({@code UNSUPPORTED})
     * @throws IllegalStateException if no group is attached, or the container is closed
     */
    public void requireLockable(String operation, long bytes, PageSize page, long windowBytes, int levels) {
        Objects.requireNonNull(operation, "operation");
        Objects.requireNonNull(page, "page");
        lock.lock();
        try {
            requireOpen();
            long tableBytes = windows.tableBytes(operation, page, windowBytes, levels);
            lockedMemory().require(() -> operation, bytes + tableBytes);
        } finally {
            lock.unlock();
        }
    }

    /** The memory that is locked for this process, and its limit. */
    public LockedMemory lockedMemory() {
        return LockedMemory.of(kernel);
    }

    /**
     * Allocates memory of system pages and registers it with the container, which pins it. It is zeroed, and begins at
     * a multiple of 64K.
     *
     * @param bytes at least 1, at most 2<sup>47</sup>; rounded up to whole system pages
     * @throws IllegalArgumentException if the size is out of range
     * @throws VfioException if there is not enough memory ({@code OUT_OF_MEMORY}), or too little may be locked ({@code
     *     LOCK_LIMIT})
     * @throws IllegalStateException if no group is attached, or the container is closed
     */
    public DmaMemory allocate(long bytes) {
        return allocate(bytes, systemPage);
    }

    /**
     * Allocates memory of pages of a size, and registers it: huge pages where a window has pages larger than the
     * system's. The kernel has a pool of them, which the host's administrator fills ({@code
     * /sys/kernel/mm/hugepages}): 16M and 16G with the hash MMU of POWER8, 2M and 1G with the radix MMU of POWER9 and
     * newer.
     *
     * @param bytes at least 1, at most 2<sup>47</sup>; rounded up to whole pages
     * @param page the system page, or the size of a huge page
     * @throws IllegalArgumentException if the size is out of range, or the pages are smaller than the system's
     * @throws VfioException if there are no such pages ({@code UNSUPPORTED}) or too few ({@code OUT_OF_MEMORY}), or too
     *     little memory may be locked ({@code LOCK_LIMIT})
     * @throws IllegalStateException if no group is attached, or the container is closed
     */
    public DmaMemory allocate(long bytes, PageSize page) {
        Objects.requireNonNull(page, "page");
        lock.lock();
        try {
            attachedInfo();
            return memory.allocate(bytes, page);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Registers memory of the caller, which pins it. Where a part of it is registered already, with this container or
     * another one of the process, the registration is shared: two drivers that exchange memory register it with the
     * container of each. It counts as backed by system pages, whatever backs it.
     *
     * <p>The memory stays the caller's, who frees it after the result is closed, never before: unmap, unregister, then
     * free. The container keeps the memory of an {@linkplain java.lang.foreign.Arena#ofAuto automatic arena} from being
     * freed. Memory that is freed too early stays pinned, so that a device cannot corrupt other memory, but what the
     * device writes is lost.
     *
     * @param segment native, writable, accessible by all threads; address and size are multiples of {@link
     *     #systemPage}; memory in huge pages is mapped with {@code MAP_SHARED}, as Linux 6.11 and newer of POWER8 with
     *     system pages of 4K never finish pinning it otherwise ({@code huge_ptep_set_access_flags})
     * @throws IllegalArgumentException if it is no such segment
     * @throws VfioException if it is freed already ({@code GONE}), the kernel cannot pin it, or too little memory may
     *     be locked ({@code LOCK_LIMIT})
     * @throws IllegalStateException if no group is attached, or the container is closed
     */
    public DmaMemory register(MemorySegment segment) {
        Objects.requireNonNull(segment, "segment");
        lock.lock();
        try {
            attachedInfo();
            return memory.register(segment);
        } finally {
            lock.unlock();
        }
    }

    /** @throws IllegalArgumentException if the memory belongs to another container */
    void requireOwn(DmaMemory of) {
        if (!of.belongsTo(this)) {
            throw new IllegalArgumentException(
                    of + " belongs to another container: allocate it from this one, or register it with this one too");
        }
    }

    /**
     * Releases everything, whatever was closed before. A failure is thrown once all the rest is released. Memory that
     * could not be freed, as another thread had a call run on its segment, is freed when the container is closed again;
     * memory that another container has registered is freed when the last such registration is closed.
     */
    @Override
    public void close() {
        if (!lock.isHeldByCurrentThread()) {
            groups().forEach(Group::stopHandlers);
        }
        lock.lock();
        try {
            Teardown teardown = new Teardown();
            if (closed) {
                // With groups left, this is called by a device that this container is closing.
                if (groups.isEmpty()) {
                    memory.closeAll(teardown);
                }
            } else {
                closed = true;
                openSite.closed();
                releaseDma(teardown);
                List.copyOf(groups).forEach(group -> teardown.step(group::close));
                teardown.step(descriptor::close);
            }
            teardown.end();
        } finally {
            lock.unlock();
        }
    }

    /** Ends all DMA, before the last group leaves. Caller holds the lock. */
    void releaseDma(Teardown teardown) {
        memory.closeUnmapped();
        // What devices may still access is left to the kernel, which stops them before it unmaps.
        boolean stopped = !memory.hasMappings() || teardown.step(this::disableBusMastering);
        memory.release(stopped, teardown);
        windows.closeUnused(teardown);
    }

    /**
     * Turns bus mastering off in all devices of all groups, so that no mapping vanishes under a device that does DMA.
     */
    private void disableBusMastering() {
        Teardown teardown = new Teardown();
        groups.forEach(group -> group.disableBusMastering(teardown));
        teardown.end();
    }

    /** Removes a group that the kernel has detached; with the last one all windows and registrations are gone. */
    void detached(Group group, Teardown teardown) {
        groups.remove(group);
        attachedGroups = groups.stream().map(Group::number).toList();
        if (groups.isEmpty()) {
            iommu.detached();
            windows.detached();
            memory.detached(teardown);
        }
    }

    void closed(DmaWindow window) {
        windows.closed(window);
    }

    void closed(DmaMemory closedMemory) {
        memory.closed(closedMemory);
    }

    boolean isClosed() {
        return closed;
    }

    /** See {@link DmaWindows#holdMappings}. */
    Optional<List<DmaMapping>> holdMappings() {
        return windows.holdMappings();
    }

    /** The groups that are attached. */
    List<Group> groups() {
        return List.copyOf(groups);
    }

    boolean isOnly(Group group) {
        return groups.size() == 1 && groups.contains(group);
    }

    /** Guards windows, memory, mappings and groups of the container, and the order in which they are closed. */
    ReentrantLock lock() {
        return lock;
    }

    RegisteredMemory registeredMemory() {
        return memory.registered();
    }

    /** The structs for mapping and unmapping while the lock is held. */
    MappingCalls mappingCalls() {
        return mappingCalls;
    }

    Descriptor descriptor() {
        return descriptor;
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the container is closed");
        }
    }

    /** Its groups, as in {@code VFIO container of IOMMU group 3}. */
    @Override
    public String toString() {
        List<Integer> numbers = attachedGroups;
        return numbers.isEmpty()
                ? "VFIO container without a group"
                : numbers.stream()
                        .map(number -> "IOMMU group " + number)
                        .collect(Collectors.joining(", ", "VFIO container of ", ""));
    }
}
