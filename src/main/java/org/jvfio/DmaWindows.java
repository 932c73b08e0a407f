package org.jvfio;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.jvfio.VfioException.Kind;
import org.jvfio.ioctl.Ioctl;
import org.jvfio.ioctl.TceCreate;
import org.jvfio.ioctl.TceRemove;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;

/**
 * The windows of a container: planned, created, chosen for a mapping. The kernel creates the default window late, with
 * the first call that needs a window; until then it is pending. Guarded by the container's lock, but for the pending
 * window.
 */
final class DmaWindows {
    static final int LEVELS_OF_DEFAULT_WINDOW = 1;

    private final Kernel kernel;
    private final Container container;
    private final IommuSetup iommu;
    private final FailedWindows failed;
    private final List<DmaWindow> windows = new ArrayList<>();
    private volatile @Nullable DmaWindow pendingWindow;
    // Held during a call with which the kernel may create the default window. Acquired after the container's lock; a
    // thread that maps a mapping again acquires it without that.
    private final ReentrantLock pendingLock = new ReentrantLock();

    DmaWindows(Kernel kernel, Container container, IommuSetup iommu) {
        this.kernel = kernel;
        this.container = container;
        this.iommu = iommu;
        this.failed = FailedWindows.of(kernel);
    }

    /**
     * Adds the default window of a container that has got its IOMMU.
     *
     * @param grown by how many bytes the locked memory of the process has grown with it
     */
    void addDefault(long grown) {
        TceInfo info = iommu.info();
        Optional<DmaWindow> defaultWindow = info.defaultWindow().map(range -> {
            TceTable table = TceTable.of(
                    "use the default window",
                    info,
                    container.systemPage(),
                    PageSize.SIZE_4K,
                    range.size(),
                    LEVELS_OF_DEFAULT_WINDOW);
            // V1 uses the host's table, which is not charged.
            long tableBytes = iommu.registersMemory() ? table.lockedBytes() : 0;
            return new DmaWindow(container, range, PageSize.SIZE_4K, LEVELS_OF_DEFAULT_WINDOW, tableBytes, true);
        });
        defaultWindow.ifPresent(windows::add);
        // Linux before 4.10 has created it by now, which shows in the locked memory. V1 has no pending window.
        if (iommu.registersMemory()) {
            pendingWindow =
                    defaultWindow.filter(window -> window.tableBytes() != grown).orElse(null);
        }
    }

    /** The windows of the moment, in the order in which they were added. */
    List<DmaWindow> all() {
        return List.copyOf(windows);
    }

    DmaWindow defaultWindow() {
        iommu.info();
        return windows.stream()
                .filter(DmaWindow::isDefault)
                .findFirst()
                .orElseThrow(() -> new VfioException(
                        Kind.NOT_FOUND,
                        "use the default window",
                        "the container has none, or no longer",
                        "create a window"));
    }

    DmaWindow create(PageSize page, long bytes, int levels) {
        String operation = "create a window of %s with %s pages and %d level%s"
                .formatted(ByteSize.formatSigned(bytes), page, levels, levels == 1 ? "" : "s");
        TceTable table = table(operation, page, bytes, levels);
        try (Arena arena = Arena.ofConfined()) {
            TceCreate call = TceCreate.of(arena, page.shift(), bytes, levels);
            createTables(
                    () -> operation,
                    table.lockedBytes(),
                    call,
                    result -> Cause.of(
                            result,
                            errno -> errno == Errno.EPERM && container.sharesLparWindow()
                                    ? KnownCauses.SHARED_LPAR_WINDOW
                                    : KnownCauses.createWindow(errno)));
            DmaWindow window = new DmaWindow(
                    container,
                    new IovaRange(call.startAddress(), table.windowBytes()),
                    page,
                    levels,
                    table.lockedBytes(),
                    false);
            windows.add(window);
            return window;
        }
    }

    /** The table of a window that can be created here. */
    private TceTable table(String operation, PageSize page, long bytes, int levels) {
        TceInfo info = iommu.info();
        TceTable.requireValid(page, bytes, levels);
        if (!iommu.registersMemory()) {
            throw new VfioException(
                    Kind.UNSUPPORTED,
                    operation,
                    "version 1 of the SPAPR TCE IOMMU, the only one of this kernel for the group, creates none",
                    "use the default window, or Linux 6.4 or newer (6.11 on pseries)");
        }
        return TceTable.of(operation, info, container.systemPage(), page, bytes, levels);
    }

    /** What {@link #create} will lock with such a window, for the table of a pending default window too. */
    long tableBytes(String operation, PageSize page, long bytes, int levels) {
        return pendingTableBytes() + table(operation, page, bytes, levels).lockedBytes();
    }

    List<WindowPlan> plan(WindowRequest request) {
        IommuState state = new IommuState(
                iommu.info(),
                container.systemPage(),
                windows.stream()
                        .map(window -> window.state(window == pendingWindow, request.dmaMask()))
                        .toList(),
                LockedMemory.of(kernel),
                iommu.registersMemory(),
                container.unmapped());
        return WindowOptions.of(request, state);
    }

    DmaWindow apply(WindowPlan plan) {
        if (plan(plan.request()).stream().noneMatch(plan::isTheSameAs)) {
            throw new VfioException(
                    Kind.CONFLICT,
                    "create a window by plan",
                    "the container's windows have changed since it was made",
                    "plan again");
        }
        return switch (plan.step()) {
            case USE ->
                windows.stream()
                        .filter(window -> window.range().equals(plan.range()))
                        .findFirst()
                        .orElseThrow();
            case CREATE -> create(plan.pageSize(), plan.size(), plan.levels());
            case REPLACE_DEFAULT -> replaceDefault(plan);
        };
    }

    private DmaWindow replaceDefault(WindowPlan plan) {
        // Nothing is mapped, prepared or reserved in it, or there would be no such plan.
        DmaWindow low = defaultWindow();
        low.remove();
        if (low.equals(pendingWindow)) {
            pendingWindow = null;
        }
        DmaWindow created;
        try {
            created = create(plan.pageSize(), plan.size(), plan.levels());
        } catch (VfioException e) {
            throw restored(low, e);
        }
        low.gone();
        return created;
    }

    /** Creates a removed window again, and returns the failure of what it was removed for. */
    private VfioException restored(DmaWindow window, VfioException failure) {
        try {
            createAgain(window);
            return failure;
        } catch (VfioException e) {
            window.gone();
            VfioException both = failure.with("the default window could not be created again: " + e.reason());
            both.addSuppressed(e);
            return both;
        }
    }

    private void createAgain(DmaWindow window) {
        String operation = "create the default window again";
        try (Arena arena = Arena.ofConfined()) {
            TceCreate call = TceCreate.of(
                    arena, window.pageSize().shift(), window.range().size(), window.levels());
            createTables(
                    () -> operation, window.tableBytes(), call, result -> Cause.of(result, KnownCauses::createWindow));
            if (call.startAddress() != window.range().start()) {
                VfioException moved = new VfioException(
                        Kind.KERNEL_REFUSED,
                        operation,
                        "the kernel placed it at 0x%x".formatted(call.startAddress()),
                        "create a window");
                TceRemove remove = TceRemove.of(arena, call.startAddress());
                int result = remove.call(container.descriptor());
                if (result != 0) {
                    moved.addSuppressed(VfioException.failed(
                            "remove it", remove, result, Cause.of(result, KnownCauses::removeWindow)));
                }
                throw moved;
            }
        }
    }

    private static int compareLargestPagesThenHighest(DmaWindow one, DmaWindow other) {
        int byPage = other.pageSize().compareTo(one.pageSize());
        return byPage != 0
                ? byPage
                : Long.compareUnsigned(other.range().start(), one.range().start());
    }

    /**
     * The window that suits a part of memory and a device best: of those with enough free addresses, the one with the
     * largest pages, as it takes the fewest entries; of two alike the upper one, as some devices reach the lower one
     * only.
     *
     * @param verb what is to be done with the part
     */
    DmaWindow windowFor(String verb, MemoryRange part, DmaConstraints constraints) {
        iommu.info();
        part.memory().requireOpen();
        container.requireOwn(part.memory());
        List<DmaWindow> bestFirst = new ArrayList<>(windows);
        bestFirst.sort(DmaWindows::compareLargestPagesThenHighest);
        List<Cause> obstacles = new ArrayList<>();
        for (DmaWindow window : bestFirst) {
            Cause obstacle = window.obstacle(part, constraints);
            if (obstacle == null) {
                return window;
            }
            obstacles.add(new Cause(
                    obstacle.kind(), "in window %s %s".formatted(window.range(), obstacle.reason()), obstacle.hint()));
        }
        throw new VfioException(
                "%s %s %s".formatted(verb, part, constraints),
                obstacles.isEmpty()
                        ? new Cause(Kind.NOT_FOUND, "the container has no window", "create one")
                        : Cause.ofAll(obstacles));
    }

    /** What the table of the default window will lock when the kernel creates it; 0 if it has, or there is none. */
    long pendingTableBytes() {
        DmaWindow pending = pendingWindow;
        return pending == null ? 0 : pending.tableBytes();
    }

    /** Whether the kernel creates the default window with the next call that needs a window. */
    boolean isDefaultPending() {
        return pendingWindow != null;
    }

    /**
     * Makes a call with which the kernel creates tables: that of the default window, if it is pending, and the call's
     * own.
     *
     * @param tableBytes what the call's own table locks; 0 if it has none
     * @param causes why the kernel may have returned this
     * @throws VfioException if the tables may not be locked, which is checked before the call; or the kernel refuses
     */
    void createTables(Supplier<String> operation, long tableBytes, Ioctl call, IntFunction<Cause> causes) {
        // Or a call of another thread, with which the kernel creates the default window, would be counted twice.
        pendingLock.lock();
        try {
            DmaWindow pending = pendingWindow;
            long pendingBytes = pending == null ? 0 : pending.tableBytes();
            boolean makesTable = pending != null || tableBytes > 0;
            if (makesTable && container.attachedGroups().stream().anyMatch(failed::contains)) {
                throw new VfioException(operation.get(), KnownCauses.failedWindows());
            }
            LockedMemory before = LockedMemory.of(kernel);
            before.require(operation, pendingBytes + tableBytes);
            int result = call.call(container.descriptor().keptOpen());
            if (result != 0) {
                if (result == Errno.ENODEV.negated() && makesTable) {
                    rememberFailure();
                }
                throw refused(operation.get(), pendingBytes, tableBytes, before, call, result, causes.apply(result));
            }
            pendingWindow = null;
        } finally {
            pendingLock.unlock();
        }
    }

    /** A second call would fail, too, and leave its charge behind. */
    private void rememberFailure() {
        List<Integer> groups = container.attachedGroups();
        if (groups.size() == 1 && !iommu.info().isPowernv()) {
            failed.add(groups.getFirst());
        }
    }

    private VfioException refused(
            String operation,
            long pendingBytes,
            long tableBytes,
            LockedMemory before,
            Ioctl call,
            int result,
            Cause cause) {
        try {
            Errno errno = VfioException.errnoOf(result).orElse(null);
            TableCharge charge = new TableCharge(pendingBytes, tableBytes, before, LockedMemory.of(kernel), errno);
            if (charge.isDefaultTableMade()) {
                pendingWindow = null;
            }
            return VfioException.failed(operation, call, result, charge.cause(cause));
        } catch (VfioException unknown) {
            VfioException e = VfioException.failed(operation, call, result, cause);
            e.addSuppressed(unknown);
            return e;
        }
    }

    void closed(DmaWindow window) {
        windows.remove(window);
        if (window == pendingWindow) {
            pendingWindow = null;
        }
    }

    /** Removes the windows that nothing is mapped in; the kernel removes the default window with the last group. */
    void closeUnused(Teardown teardown) {
        windows.stream()
                .filter(window -> !window.isDefault() && !window.hasMappings())
                .toList()
                .forEach(window -> teardown.step(window::close));
    }

    /** The last group has left, and all windows with it. */
    void detached() {
        pendingWindow = null;
        List.copyOf(windows).forEach(DmaWindow::gone);
    }

    /**
     * Holds all mappings, so that none can be mapped until they are {@linkplain DmaMapping#endHold released}.
     *
     * @return those mappings; empty if one is mapped, and none is held then
     */
    Optional<List<DmaMapping>> holdMappings() {
        List<DmaMapping> held = new ArrayList<>();
        for (DmaWindow window : windows) {
            for (DmaMapping mapping : window.mappings()) {
                if (!mapping.hold()) {
                    held.forEach(DmaMapping::endHold);
                    return Optional.empty();
                }
                held.add(mapping);
            }
        }
        return Optional.of(held);
    }
}
