package org.jvfio;

import static org.jvfio.uapi.vfio_h.MAP_ANONYMOUS;
import static org.jvfio.uapi.vfio_h.MAP_HUGETLB;
import static org.jvfio.uapi.vfio_h.MAP_HUGE_SHIFT;
import static org.jvfio.uapi.vfio_h.MAP_PRIVATE;
import static org.jvfio.uapi.vfio_h.MAP_SHARED;
import static org.jvfio.uapi.vfio_h.PROT_READ;
import static org.jvfio.uapi.vfio_h.PROT_WRITE;
import static org.jvfio.uapi.vfio_h.VFIO_API_VERSION;
import static org.jvfio.uapi.vfio_h.VFIO_CHECK_EXTENSION;
import static org.jvfio.uapi.vfio_h.VFIO_EEH;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_OP;
import static org.jvfio.uapi.vfio_h.VFIO_GET_API_VERSION;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_ENABLE;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_TCE_GET_INFO;
import static org.jvfio.uapi.vfio_h.VFIO_SET_IOMMU;
import static org.jvfio.uapi.vfio_h.VFIO_SPAPR_TCE_IOMMU;
import static org.jvfio.uapi.vfio_h.VFIO_SPAPR_TCE_v2_IOMMU;
import static org.jvfio.uapi.vfio_h._SC_PAGESIZE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntFunction;
import java.util.function.IntSupplier;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_iommu_spapr_tce_create;
import org.jvfio.uapi.vfio_iommu_spapr_tce_ddw_info;
import org.jvfio.uapi.vfio_iommu_spapr_tce_info;

/**
 * A VFIO container with the SPAPR TCE IOMMU: the address space that the devices of its groups do DMA in, made
 * of windows ({@link DmaWindow}) and of the memory ({@link DmaMemory}) that is mapped in them.
 *
 * <p>Everything that comes from a container belongs to it. It may be closed in any order, twice, and by any thread; what
 * closes takes its own with it, always in this order: bus mastering off where a mapping would otherwise vanish under a
 * running device, unmap, unregister, free, remove windows, close devices, give the groups back to the host.
 *
 * <p>A container that becomes unreachable without having been closed is reported, with the place where it was opened, to
 * the {@link System.Logger} {@code org.jvfio}.
 *
 * <p>A container belongs to the process that opened it. Calls on a closed object throw {@link IllegalStateException}.
 */
public final class Container implements AutoCloseable {
    private static final String PATH = "/dev/vfio/vfio";
    private static final int LEVELS_OF_DEFAULT_WINDOW = 1;
    // The largest system page of POWER, so that the memory suits a kernel with either page size.
    private static final PageSize MEMORY_ALIGNMENT = PageSize.SIZE_64K;

    private static final long MAX_BYTES = 1L << 47;
    // A thread that never runs.
    private static final Thread STRANGER = Thread.ofVirtual().unstarted(() -> {});

    private final Kernel kernel;
    private final Descriptor descriptor;
    private final PageSize systemPage;
    private final boolean hasV2;
    private final ReentrantLock lock = new ReentrantLock();
    private final List<Group> groups = new ArrayList<>();
    private final List<DmaWindow> windows = new ArrayList<>();
    private final LinkedHashSet<DmaMemory> memories = new LinkedHashSet<>();
    private final RegisteredMemory registeredMemory;
    private final OpenSite openSite;
    private @Nullable TceInfo info;
    private int version;
    // The default window while the kernel has not made it.
    private volatile @Nullable DmaWindow pendingWindow;
    // Who makes a call that makes the default window too has this lock: after the container's, if it has that.
    private final ReentrantLock pendingLock = new ReentrantLock();
    private boolean closed;

    private Container(Kernel kernel, Descriptor descriptor, PageSize systemPage, boolean hasV2) {
        this.hasV2 = hasV2;
        this.kernel = kernel;
        this.descriptor = descriptor;
        this.systemPage = systemPage;
        Map<Long, MemorySegment> kept = new ConcurrentHashMap<>();
        this.registeredMemory = new RegisteredMemory(kernel, this, kept);
        this.openSite = new OpenSite("A VFIO container", kept);
    }

    /**
     * Opens {@code /dev/vfio/vfio}.
     *
     * @throws VfioException if there is no VFIO, the user may not open it, or it is not for SPAPR TCE
     */
    public static Container open(Kernel kernel) {
        String asked = "open a VFIO container";
        Descriptor descriptor = Descriptor.open(kernel, PATH, vfio_h.O_RDWR, asked, KnownCauses::openContainer);
        try {
            int version = descriptor.ioctl(VFIO_GET_API_VERSION, 0);
            if (version != VFIO_API_VERSION) {
                throw VfioException.failed(
                        asked,
                        "VFIO_GET_API_VERSION",
                        version,
                        new Cause("it is not VFIO as this library knows it", "look what " + PATH + " is"));
            }
            boolean hasV2 = hasExtension(descriptor, asked, VFIO_SPAPR_TCE_v2_IOMMU);
            if (!hasV2 && !hasExtension(descriptor, asked, VFIO_SPAPR_TCE_IOMMU)) {
                throw new VfioException(
                        asked,
                        "this kernel has VFIO, but not the SPAPR TCE IOMMU",
                        "on POWER, load it: modprobe vfio_iommu_spapr_tce");
            }
            long page = kernel.sysconf(_SC_PAGESIZE);
            if (page <= 0) {
                throw VfioException.failed(asked, "sysconf(_SC_PAGESIZE)", page, Cause.unknown());
            }
            Container container = new Container(kernel, descriptor, PageSize.of(page), hasV2);
            container.openSite.watch(container);
            return container;
        } catch (RuntimeException e) {
            Teardown.after(e, descriptor::close);
            throw e;
        }
    }

    private static boolean hasExtension(Descriptor descriptor, String asked, int extension) {
        int answer = descriptor.ioctl(VFIO_CHECK_EXTENSION, extension);
        if (answer < 0) {
            throw VfioException.failed(asked, "VFIO_CHECK_EXTENSION(" + extension + ")", answer, Cause.unknown());
        }
        return answer > 0;
    }

    /**
     * Takes the group of a device from the host: {@link #attach(int)} of the device's group.
     *
     * @throws VfioException if the device does not exist, is not bound to vfio-pci, or its group cannot be taken
     */
    public Group attach(PciAddress address) {
        PciFunction function = PciFunction.at(kernel, address);
        IommuGroup group = IommuGroup.of(kernel, address);
        if (!function.isForVfio()) {
            throw new VfioException(
                    "use " + address,
                    function.driver()
                            .map(driver -> "it is bound to " + driver + ", not to vfio-pci")
                            .orElse("it is not bound to vfio-pci"),
                    "bind it, as root: " + bindCommands(function));
        }
        return attach(group);
    }

    private static String bindCommands(PciFunction function) {
        String device = "/sys/bus/pci/devices/" + function.address();
        String unbind = function.driver().isPresent()
                ? "; echo %s > %s/driver/unbind".formatted(function.address(), device)
                : "";
        return "modprobe vfio-pci; echo vfio-pci > %s/driver_override%s; echo %s > /sys/bus/pci/drivers_probe"
                .formatted(device, unbind, function.address());
    }

    /**
     * Takes a group from the host: from now on the host has neither a window nor bypass there, and the group's devices
     * can reach nothing but what is mapped in this container. The group that is attached already is returned again.
     *
     * @param number N in {@code /dev/vfio/N}
     * @throws VfioException if there is no such group, somebody uses it, or it does not fit the container
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
                    setIommu(group);
                }
            } catch (RuntimeException e) {
                Teardown.after(e, group::closeDescriptor);
                throw e;
            }
            groups.add(group);
            return group;
        } finally {
            lock.unlock();
        }
    }

    private void setIommu(Group group) {
        long lockedBefore = LockedMemory.of(kernel).locked();
        version = setIommuType(group);
        TceInfo offered = getInfo();
        long grown = LockedMemory.of(kernel).locked() - lockedBefore;
        Optional<DmaWindow> defaultWindow = offered.defaultWindow()
                .map(range -> new DmaWindow(
                        this,
                        range,
                        PageSize.SIZE_4K,
                        LEVELS_OF_DEFAULT_WINDOW,
                        TceTable.of(
                                        "use the default window",
                                        offered,
                                        systemPage,
                                        PageSize.SIZE_4K,
                                        range.size(),
                                        LEVELS_OF_DEFAULT_WINDOW)
                                .lockedBytes(),
                        true));
        defaultWindow.ifPresent(windows::add);
        info = offered;
        // Linux before 4.10 makes the default window now, newer ones when it is first needed.
        if (version == 2) {
            pendingWindow =
                    defaultWindow.filter(window -> window.tableBytes() != grown).orElse(null);
        }
        if (version == 1) {
            try {
                enable(group, offered);
            } catch (RuntimeException e) {
                info = null;
                windows.clear();
                throw e;
            }
        }
    }

    /** Version 2, unless the kernel does not know it, or not for this group's platform, which then makes no windows. */
    private int setIommuType(Group group) {
        int refused = 0;
        if (hasV2) {
            refused = descriptor.ioctl(VFIO_SET_IOMMU, VFIO_SPAPR_TCE_v2_IOMMU);
            if (refused == 0) {
                version = 2;
                if (getInfo().maxWindows() != 0) {
                    return 2;
                }
                // Linux 4.2 to 4.11 gives any group version 2.
                group.enterAgain(descriptor);
            }
        }
        // What version 2 is refused with says more than what becomes of version 1.
        boolean v2Refused = refused != 0;
        if (!v2Refused || refused == Errno.EINVAL.negated() || refused == Errno.EPERM.negated()) {
            int answer = descriptor.ioctl(VFIO_SET_IOMMU, VFIO_SPAPR_TCE_IOMMU);
            if (answer == 0) {
                return 1;
            }
            refused = v2Refused ? refused : answer;
        }
        throw VfioException.failed(
                "use SPAPR TCE for IOMMU group " + group.number(),
                "VFIO_SET_IOMMU(%s)".formatted(v2Refused ? "VFIO_SPAPR_TCE_v2_IOMMU" : "VFIO_SPAPR_TCE_IOMMU"),
                refused,
                VfioException.errnoOf(refused).map(KnownCauses::setIommu).orElseGet(Cause::unknown));
    }

    /** Charges what version 1 may ever pin, all of its window, to locked memory. */
    private void enable(Group group, TceInfo offered) {
        String asked = "enable the window of IOMMU group " + group.number();
        long bytes = offered.defaultWindow().map(IovaRange::size).orElse(0L);
        requireLockable(asked, bytes);
        int answer = descriptor.ioctl(VFIO_IOMMU_ENABLE, 0);
        if (answer != 0) {
            throw VfioException.failed(
                    asked,
                    "VFIO_IOMMU_ENABLE",
                    answer,
                    answer == Errno.ENOMEM.negated() ? lockedMemory().noMemory(bytes) : Cause.unknown());
        }
    }

    /**
     * The version of the SPAPR TCE IOMMU: 2, or 1 where the kernel or the platform has no other (Linux 4.1, LPARs before
     * Linux 6.11, firmware without dynamic windows). Version 1 has the default window only, pins memory while it is
     * mapped, and counts all of the window as locked from the beginning.
     *
     * @throws IllegalStateException if no group is attached, or the container is closed
     */
    public int version() {
        lock.lock();
        try {
            attachedInfo();
            return version;
        } finally {
            lock.unlock();
        }
    }

    /** Whether memory has to be registered before it is mapped. */
    boolean registersMemory() {
        return version == 2;
    }

    private TceInfo getInfo() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = vfio_iommu_spapr_tce_info.allocate(arena);
            vfio_iommu_spapr_tce_info.argsz(struct, (int) struct.byteSize());
            int answer = descriptor.ioctl(VFIO_IOMMU_SPAPR_TCE_GET_INFO, struct);
            if (answer != 0) {
                throw VfioException.failed(
                        "ask what the IOMMU offers", "VFIO_IOMMU_SPAPR_TCE_GET_INFO", answer, Cause.unknown());
            }
            MemorySegment ddw = vfio_iommu_spapr_tce_info.ddw(struct);
            long start = Integer.toUnsignedLong(vfio_iommu_spapr_tce_info.dma32_window_start(struct));
            long size = Integer.toUnsignedLong(vfio_iommu_spapr_tce_info.dma32_window_size(struct));
            if (version == 1) {
                return new TceInfo(
                        size == 0 ? Optional.empty() : Optional.of(new IovaRange(start, size)),
                        List.of(PageSize.SIZE_4K),
                        1,
                        LEVELS_OF_DEFAULT_WINDOW);
            }
            return new TceInfo(
                    size == 0 ? Optional.empty() : Optional.of(new IovaRange(start, size)),
                    pageSizes(vfio_iommu_spapr_tce_ddw_info.pgsizes(ddw)),
                    vfio_iommu_spapr_tce_ddw_info.max_dynamic_windows_supported(ddw),
                    vfio_iommu_spapr_tce_ddw_info.levels(ddw));
        }
    }

    private static List<PageSize> pageSizes(long bitmap) {
        List<PageSize> sizes = new ArrayList<>();
        for (long rest = bitmap; rest != 0; rest &= rest - 1) {
            sizes.add(PageSize.ofShift(Long.numberOfTrailingZeros(rest)));
        }
        return sizes;
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
        if (info == null) {
            throw new IllegalStateException("the container has no group attached");
        }
        return info;
    }

    /** The page size of the kernel: what {@link DmaMemory} is made of, and the unit of locked memory. */
    public PageSize systemPage() {
        return systemPage;
    }

    /**
     * Whether the kernel handles the errors of PEs (EEH), and the way to it.
     *
     * @throws VfioException if the container has several groups: the kernel then answers for all of them at once
     * @throws IllegalStateException if no group is attached, or the container is closed
     */
    public Optional<Eeh> eeh() {
        lock.lock();
        try {
            requireOneGroup();
            return hasExtension(descriptor, "ask for EEH", VFIO_EEH) ? Optional.of(new Eeh(this)) : Optional.empty();
        } finally {
            lock.unlock();
        }
    }

    /** What the kernel answers to an operation on the PE of the only group. */
    int eehOperation(MemorySegment struct) {
        lock.lock();
        try {
            requireOneGroup();
            return descriptor.ioctl(VFIO_EEH_PE_OP, struct);
        } finally {
            lock.unlock();
        }
    }

    private void requireOneGroup() {
        attachedInfo();
        if (groups.size() > 1) {
            throw new VfioException(
                    "handle errors of a PE", "the container has several groups", "use a container for each group");
        }
    }

    /** The windows of the moment, the default one included, in the order in which they were made. */
    public List<DmaWindow> windows() {
        lock.lock();
        try {
            return List.copyOf(windows);
        } finally {
            lock.unlock();
        }
    }

    /**
     * The window that every container begins with: 4K pages, at the start of the bus addresses, {@link
     * TceInfo#defaultWindow}. The kernel makes it, and locks memory for its table, when a mapping or another window is
     * first asked for. Closing it makes room for another window, which then begins at its address.
     *
     * @throws VfioException if the platform has none, or it was closed
     * @throws IllegalStateException if no group is attached, or the container is closed
     */
    public DmaWindow defaultWindow() {
        lock.lock();
        try {
            attachedInfo();
            return windows.stream()
                    .filter(DmaWindow::isDefault)
                    .findFirst()
                    .orElseThrow(() -> new VfioException(
                            "use the default window", "the container has none, or no longer", "create a window"));
        } finally {
            lock.unlock();
        }
    }

    /**
     * Makes a window ({@code VFIO_IOMMU_SPAPR_TCE_CREATE}). Where it begins is the kernel's choice: in place of the
     * default window if that was closed, else at 1&lt;&lt;59 on powernv. On powernv a window is at least as large as one
     * system page of table entries can map; {@link DmaWindow#range} has its real end.
     *
     * @param page the IOMMU page size, one of {@link TceInfo#pageSizes}; memory must be made of pages at least as large
     * @param bytes the size, a power of two and at least one such page
     * @param levels the levels of its table, 1 to {@link TceInfo#maxLevels}
     * @throws VfioException if the platform has no such window, no free window, or too little memory may be locked
     * @throws IllegalStateException if no group is attached, or the container is closed
     */
    public DmaWindow createWindow(PageSize page, long bytes, int levels) {
        return createWindow(page, bytes, levels, false);
    }

    private DmaWindow createWindow(PageSize page, long bytes, int levels, boolean isDefault) {
        String asked = "create a window of %s with %s pages and %d level%s"
                .formatted(ByteSize.format(bytes), page, levels, levels == 1 ? "" : "s");
        lock.lock();
        try (Arena arena = Arena.ofConfined()) {
            Objects.requireNonNull(page, "page");
            TceTable table = TceTable.of(asked, requireWindows(asked), systemPage, page, bytes, levels);
            MemorySegment struct = vfio_iommu_spapr_tce_create.allocate(arena);
            vfio_iommu_spapr_tce_create.argsz(struct, (int) struct.byteSize());
            vfio_iommu_spapr_tce_create.page_shift(struct, page.shift());
            vfio_iommu_spapr_tce_create.window_size(struct, bytes);
            vfio_iommu_spapr_tce_create.levels(struct, levels);
            makeTables(
                    asked,
                    table.lockedBytes(),
                    "VFIO_IOMMU_SPAPR_TCE_CREATE(page_shift %d, window_size 0x%x, levels %d)"
                            .formatted(page.shift(), bytes, levels),
                    () -> descriptor.ioctl(VFIO_IOMMU_SPAPR_TCE_CREATE, struct),
                    answer -> VfioException.errnoOf(answer)
                            .map(KnownCauses::createWindow)
                            .orElseGet(Cause::unknown));
            DmaWindow window = new DmaWindow(
                    this,
                    new IovaRange(vfio_iommu_spapr_tce_create.start_addr(struct), table.windowBytes()),
                    page,
                    levels,
                    table.lockedBytes(),
                    isDefault);
            windows.add(window);
            return window;
        } finally {
            lock.unlock();
        }
    }

    /**
     * All windows that serve a request, best first, before anything is touched: the one that is there already, then by
     * the memory that their tables lock; a default window that was used is replaced only if there is no other way.
     *
     * @throws VfioException if there is none, with all that stands against it
     * @throws IllegalStateException if no group is attached, or the container is closed
     */
    public List<WindowPlan> plans(WindowRequest request) {
        lock.lock();
        try {
            return WindowOptions.of(request, state(request));
        } finally {
            lock.unlock();
        }
    }

    private IommuState state(WindowRequest request) {
        TceInfo offered = attachedInfo();
        return new IommuState(
                offered,
                systemPage,
                windows.stream()
                        .map(window -> window.state(window == pendingWindow, request.dmaMask()))
                        .toList(),
                LockedMemory.of(kernel),
                registersMemory());
    }

    /**
     * The best of {@link #plans}.
     *
     * @throws VfioException if there is none, with all that stands against it
     * @throws IllegalStateException if no group is attached, or the container is closed
     */
    public WindowPlan planWindow(WindowRequest request) {
        return plans(request).getFirst();
    }

    /**
     * Does what a plan says, and gives its window: a new one, or the one that is to be used. If the kernel refuses a
     * window that was to replace the default one, that is made again.
     *
     * @throws VfioException if the plan is no longer possible, or the kernel refuses
     * @throws IllegalStateException if no group is attached, or the container is closed
     */
    public DmaWindow apply(WindowPlan plan) {
        lock.lock();
        try {
            if (plans(plan.request()).stream().noneMatch(plan::isTheSameAs)) {
                throw new VfioException(
                        "create a window by plan",
                        "the container's windows are not what they were when it was made",
                        "plan again");
            }
            return switch (plan.step()) {
                case USE ->
                    windows.stream()
                            .filter(window -> window.range().equals(plan.range()))
                            .findFirst()
                            .orElseThrow();
                case CREATE -> createWindow(plan.pageSize(), plan.size(), plan.levels());
                case REPLACE_DEFAULT -> replaceDefaultWindow(plan);
            };
        } finally {
            lock.unlock();
        }
    }

    private DmaWindow replaceDefaultWindow(WindowPlan plan) {
        DmaWindow low = defaultWindow();
        low.close();
        try {
            return createWindow(plan.pageSize(), plan.size(), plan.levels());
        } catch (VfioException e) {
            Teardown.after(e, () -> createWindow(low.pageSize(), low.range().size(), low.levels(), true));
            throw e;
        }
    }

    /**
     * Maps a part of memory for a device, at the lowest free addresses of the window that suits both best: of those that
     * have room, the one with the largest pages, as it takes the fewest entries; of two alike the upper one, as the lower
     * addresses are all that some devices reach.
     *
     * @param part its size, and its memory's address plus its offset, are multiples of the page of one of the windows
     * @param limits what the device demands of the addresses
     * @throws VfioException if no window can show it, for the reasons that each has, or the kernel refuses; nothing is
     *     mapped then
     * @throws IllegalStateException if no group is attached, or the container or the memory is closed
     */
    public DmaMapping map(MemoryRange part, DmaDirection direction, DmaConstraints limits) {
        lock.lock();
        try {
            return windowFor("map", part, limits).map(part, direction, limits);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Prepares a part of memory for a device in the window that {@link #map} would take, to be mapped and unmapped as those
     * of {@link DmaWindow#prepare(MemoryRange, DmaDirection, DmaConstraints)}.
     *
     * @return a mapping that is not mapped yet
     * @throws VfioException if no window can show it, for the reasons that each has
     * @throws IllegalStateException if no group is attached, or the container or the memory is closed
     */
    public DmaMapping prepare(MemoryRange part, DmaDirection direction, DmaConstraints limits) {
        lock.lock();
        try {
            return windowFor("prepare", part, limits).prepare(part, direction, limits);
        } finally {
            lock.unlock();
        }
    }

    private DmaWindow windowFor(String verb, MemoryRange part, DmaConstraints limits) {
        attachedInfo();
        part.memory().requireOpen();
        List<Cause> obstacles = new ArrayList<>();
        List<DmaWindow> bestFirst = windows.stream()
                .sorted(Comparator.comparing(DmaWindow::pageSize)
                        .thenComparing(window -> window.range().start(), Long::compareUnsigned)
                        .reversed())
                .toList();
        for (DmaWindow window : bestFirst) {
            Optional<Cause> obstacle = window.mappingObstacle(part, limits);
            if (obstacle.isEmpty()) {
                return window;
            }
            obstacles.add(new Cause(
                    "in window %s %s".formatted(window.range(), obstacle.get().reason()),
                    obstacle.get().hint()));
        }
        String asked = "%s %s %s".formatted(verb, part, limits);
        if (obstacles.isEmpty()) {
            throw new VfioException(asked, "the container has no window", "create one");
        }
        Cause cause = Cause.ofAll(obstacles);
        throw new VfioException(asked, cause.reason(), cause.hint());
    }

    private TceInfo requireWindows(String asked) {
        TceInfo offered = attachedInfo();
        if (version == 1) {
            throw new VfioException(
                    asked,
                    "version 1 of the SPAPR TCE IOMMU, which is all this kernel has for the group, makes none",
                    "use the default window, or Linux 6.4 or newer (6.11 on pseries)");
        }
        return offered;
    }

    /** Whether the next call that needs the default window has the kernel make it. */
    boolean isDefaultWindowPending() {
        return pendingWindow != null;
    }

    /**
     * Makes a call for which the kernel makes tables: that of the default window, if it is pending, and the call's own.
     *
     * @param tableBytes what the call's own table locks; 0 if it has none
     * @param call its name and arguments, for the message
     * @param causes why the kernel may have answered so
     * @throws VfioException if the tables may not be locked, which is found out before the call; or the kernel refuses
     */
    void makeTables(String asked, long tableBytes, String call, IntSupplier kernelCall, IntFunction<Cause> causes) {
        // Another thread's call, which makes the default window meanwhile, would be counted twice.
        pendingLock.lock();
        try {
            DmaWindow pending = pendingWindow;
            long pendingBytes = pending == null ? 0 : pending.tableBytes();
            LockedMemory before = requireLockable(asked, pendingBytes + tableBytes);
            int answer = kernelCall.getAsInt();
            if (answer != 0) {
                Cause cause = causes.apply(answer);
                try {
                    Errno errno = VfioException.errnoOf(answer).orElse(null);
                    TableCharge charge = new TableCharge(pendingBytes, tableBytes, before, lockedMemory(), errno);
                    cause = charge.cause(cause);
                    if (charge.isDefaultTableMade()) {
                        pendingWindow = null;
                    }
                } catch (VfioException untold) {
                    VfioException e = VfioException.failed(asked, call, answer, cause);
                    e.addSuppressed(untold);
                    throw e;
                }
                throw VfioException.failed(asked, call, answer, cause);
            }
            pendingWindow = null;
        } finally {
            pendingLock.unlock();
        }
    }

    /** The memory that is locked for this process, and its limit. */
    public LockedMemory lockedMemory() {
        return LockedMemory.of(kernel);
    }

    /** Refuses what would lock more memory than this process may, before anything is locked; gives what is locked. */
    LockedMemory requireLockable(String asked, long bytes) {
        LockedMemory memory = lockedMemory();
        if (!memory.allows(bytes)) {
            Cause cause = memory.shortage(bytes);
            throw new VfioException(asked, cause.reason(), cause.hint());
        }
        return memory;
    }

    /**
     * Allocates memory and registers it with the container, which pins it: only then it can be mapped in a window. It is
     * zeroed, begins at a multiple of 64K, and consists of system pages.
     *
     * @param bytes at least 1; rounded up to whole system pages
     * @throws VfioException if there is not enough memory, or too little may be locked
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
     * @param bytes at least 1; rounded up to whole pages
     * @param page the system page, or the size of a huge page
     * @throws VfioException if there are no such pages or too few, or too little memory may be locked
     * @throws IllegalStateException if no group is attached, or the container is closed
     */
    public DmaMemory allocate(long bytes, PageSize page) {
        boolean huge = !page.equals(systemPage);
        String asked =
                "allocate " + ByteSize.formatSigned(bytes) + " of DMA memory" + (huge ? " in pages of " + page : "");
        // Beyond 2^47 bytes there are no user addresses, and sums stay far from overflow below.
        if (bytes <= 0 || bytes > MAX_BYTES || page.bytes() > MAX_BYTES) {
            throw new VfioException(
                    asked, bytes + " bytes are no size of memory", "ask for at least 1 byte, and at most 128T");
        }
        if (page.compareTo(systemPage) < 0) {
            throw new VfioException(asked, "no page is smaller than the system's", "use pages of " + systemPage);
        }
        lock.lock();
        try {
            attachedInfo();
            long size = page.roundUp(bytes);
            long spare = huge ? 0 : Math.max(0, MEMORY_ALIGNMENT.bytes() - systemPage.bytes());
            long address = mmap(asked, size + spare, page, huge);
            long start = huge ? address : MEMORY_ALIGNMENT.roundUp(address);
            DmaMemory memory = new DmaMemory(kernel, this, kernel.memory(start, size), page, address, size + spare);
            try {
                register(memory, asked);
            } catch (RuntimeException e) {
                Teardown.after(e, memory::free);
                throw e;
            }
            return memory;
        } finally {
            lock.unlock();
        }
    }

    private long mmap(String asked, long bytes, PageSize page, boolean huge) {
        // With system pages of 4K, Linux 6.11 and newer of POWER8 never end to pin private memory in huge pages.
        int flags = MAP_ANONYMOUS | (huge ? MAP_SHARED | MAP_HUGETLB | page.shift() << MAP_HUGE_SHIFT : MAP_PRIVATE);
        long address = kernel.mmap(bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
        if (Errno.isError(address)) {
            throw VfioException.failed(
                    asked,
                    "mmap(0x%x bytes%s)".formatted(bytes, huge ? ", MAP_HUGETLB " + page : ""),
                    address,
                    VfioException.errnoOf(address)
                            .map(errno -> KnownCauses.mmap(errno, bytes, page, huge))
                            .orElseGet(Cause::unknown));
        }
        return address;
    }

    /**
     * Registers memory that the caller has, which pins it: only then it can be mapped in a window. Where a part of it is
     * registered already, with this container or another one of the process, that is shared: two drivers that exchange
     * memory register it with the container of each. It counts as made of system pages, whatever it is made of.
     *
     * <p>The memory stays the caller's, who frees it when the result is closed, never before: unmap, unregister, then
     * free. The container keeps the memory of an {@linkplain java.lang.foreign.Arena#ofAuto automatic arena} from
     * being freed. Memory that was freed too early stays pinned, so that a device harms nobody, but what the device writes
     * is lost.
     *
     * @param segment native, writable, for all threads; address and size are multiples of {@link #systemPage}; memory in
     *     huge pages is mapped with {@code MAP_SHARED}, as Linux 6.11 and newer of POWER8 with system pages of 4K never end
     *     to pin it otherwise ({@code huge_ptep_set_access_flags})
     * @throws VfioException if it is no such segment, the kernel cannot pin it, or too little memory may be locked
     * @throws IllegalStateException if no group is attached, or the container is closed
     */
    public DmaMemory register(MemorySegment segment) {
        String asked = "register %s at 0x%x".formatted(ByteSize.format(segment.byteSize()), segment.address());
        lock.lock();
        try {
            attachedInfo();
            requireRegistrable(asked, segment);
            DmaMemory memory = new DmaMemory(kernel, this, segment, systemPage, segment.address(), 0);
            register(memory, asked);
            return memory;
        } finally {
            lock.unlock();
        }
    }

    private void requireRegistrable(String asked, MemorySegment segment) {
        if (!segment.isNative()) {
            throw new VfioException(
                    asked, "it is in the Java heap, where objects move", "use an Arena, or the container's memory");
        }
        if (segment.isReadOnly()) {
            throw new VfioException(asked, "it is read-only, and the kernel pins writable memory only", "use another");
        }
        // Whether another thread has access, not this one, tells a confined arena from the others.
        if (!segment.isAccessibleBy(STRANGER)) {
            throw new VfioException(
                    asked,
                    "it belongs to a single thread, and devices and closing threads use it too",
                    "use Arena.ofShared() or Arena.ofAuto()");
        }
        if (segment.byteSize() == 0
                || !systemPage.isAligned(segment.address())
                || !systemPage.isAligned(segment.byteSize())) {
            throw new VfioException(
                    asked,
                    "0x%x bytes at 0x%x are not whole system pages of %s"
                            .formatted(segment.byteSize(), segment.address(), systemPage),
                    "allocate whole pages: arena.allocate(bytes, %d)".formatted(systemPage.bytes()));
        }
    }

    private void register(DmaMemory memory, String asked) {
        registeredMemory.register(memory, memory.segment(), asked);
        memories.add(memory);
    }

    /**
     * Gives everything back, whatever of it was closed before. A failure is thrown once all the rest is released. Memory
     * that could not be freed, as another thread had a call run on its segment or it is registered with another container,
     * is freed when the container is closed again.
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
                // With groups left, this is called by a device that it is closing.
                if (groups.isEmpty()) {
                    List.copyOf(memories.reversed()).forEach(memory -> teardown.step(memory::close));
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

    /** Ends all DMA: what a container does before its last group leaves. */
    void releaseDma(Teardown teardown) {
        memories.forEach(DmaMemory::closeUnmapped);
        // What devices may still use is left to the kernel, which stops them before it unmaps.
        boolean stopped = !hasMappings() || teardown.step(this::disableBusMastering);
        // What was registered of allocated memory came after it.
        memories.reversed().stream()
                .filter(memory -> stopped || !memory.hasMappings())
                .toList()
                .forEach(memory -> teardown.step(memory::release));
        // The kernel makes the default window late or never, and removes it with the last group.
        windows.stream()
                .filter(window -> !window.isDefault() && !window.hasMappings())
                .toList()
                .forEach(window -> teardown.step(window::close));
    }

    /** Turns bus mastering off in all devices of all groups, so that no mapping goes while one of them does DMA. */
    void disableBusMastering() {
        Teardown teardown = new Teardown();
        groups.forEach(group -> group.disableBusMastering(teardown));
        teardown.end();
    }

    /** Forgets a group that the kernel has detached; with the last one all windows and registrations are gone. */
    void detached(Group group, Teardown teardown) {
        groups.remove(group);
        if (groups.isEmpty()) {
            info = null;
            pendingWindow = null;
            List.copyOf(windows).forEach(DmaWindow::gone);
            registeredMemory.gone();
            List.copyOf(memories).forEach(memory -> teardown.step(memory::gone));
        }
    }

    void closed(DmaWindow window) {
        windows.remove(window);
        if (window == pendingWindow) {
            pendingWindow = null;
        }
    }

    void closed(DmaMemory memory) {
        memories.remove(memory);
    }

    boolean isClosed() {
        return closed;
    }

    /**
     * Keeps all mappings from being mapped until they are {@linkplain DmaMapping#release released}.
     *
     * @return those mappings; empty if one is mapped, and none is held then
     */
    Optional<List<DmaMapping>> holdMappings() {
        List<DmaMapping> held = new ArrayList<>();
        for (DmaWindow window : windows) {
            for (DmaMapping mapping : window.mappings()) {
                if (!mapping.hold()) {
                    held.forEach(DmaMapping::release);
                    return Optional.empty();
                }
                held.add(mapping);
            }
        }
        return Optional.of(held);
    }

    /** The groups that are attached. */
    List<Group> groups() {
        return List.copyOf(groups);
    }

    boolean isOnly(Group group) {
        return groups.size() == 1 && groups.contains(group);
    }

    private boolean hasMappings() {
        return memories.stream().anyMatch(DmaMemory::hasMappings);
    }

    ReentrantLock lock() {
        return lock;
    }

    RegisteredMemory registeredMemory() {
        return registeredMemory;
    }

    Descriptor descriptor() {
        return descriptor;
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the container is closed");
        }
    }
}
