package org.jvfio;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.jvfio.VfioException.Kind;
import org.jvfio.WindowPlan.Step;

/**
 * All windows that serve a request, and the obstacles to the others: the rules of {@code vfio_iommu_spapr_tce.c},
 * {@code pci-ioda.c} (powernv) and {@code pseries/iommu.c}, as far as user space can observe them. The sentences that
 * explain a plan are those of {@link WindowReasons}.
 */
final class WindowOptions {
    // IOMMU_TABLE_GROUP_MAX_TABLES of Linux.
    private static final int MAX_WINDOWS = 2;
    // Address bit 59 selects the second window of IODA2; the hypervisors have theirs there, too.
    static final long SECOND_WINDOW = 1L << 59;

    private final WindowRequest request;
    private final IommuState state;
    private final PageSize memoryPage;
    private final Optional<IommuState.Window> defaultWindow;
    private final WindowReasons reasons;
    private final List<WindowPlan> plans = new ArrayList<>();
    private final Set<Cause> obstacles = new LinkedHashSet<>();
    private long cheapestBytes = Long.MAX_VALUE;
    private @Nullable Cause cheapest;

    private WindowOptions(WindowRequest request, IommuState state) {
        this.request = request;
        this.state = state;
        memoryPage = request.memoryPageSize().orElse(state.systemPage());
        defaultWindow =
                state.windows().stream().filter(IommuState.Window::isDefault).findFirst();
        reasons = new WindowReasons(request, state, memoryPage, defaultWindow);
    }

    /**
     * The windows that serve a request, best first.
     *
     * @throws VfioException if there is none, with all obstacles
     */
    static List<WindowPlan> of(WindowRequest request, IommuState state) {
        WindowOptions options = new WindowOptions(request, state);
        options.find();
        if (options.plans.isEmpty()) {
            throw new VfioException("plan a window for " + request, Cause.ofAll(options.cheapestFirst()));
        }
        return options.plans.stream().sorted(options.bestFirst()).toList();
    }

    /** The obstacles, with the plan first that needs the least locked memory, and no other that is short of it. */
    private List<Cause> cheapestFirst() {
        List<Cause> causes = new ArrayList<>();
        if (cheapest != null) {
            causes.add(cheapest);
        }
        obstacles.stream().filter(cause -> cause.kind() != Kind.LOCK_LIMIT).forEach(causes::add);
        return causes;
    }

    /** A window that is there first, then by locked memory; a default window that was used goes last. */
    private Comparator<WindowPlan> bestFirst() {
        return Comparator.comparingInt(this::disturbance)
                .thenComparingLong(WindowPlan::lockedBytes)
                .thenComparing(WindowPlan::pageSize, Comparator.reverseOrder())
                .thenComparing(WindowPlan::step);
    }

    private int disturbance(WindowPlan plan) {
        return switch (plan.step()) {
            case USE -> plan.lockedBytes() == 0 ? 0 : 1;
            case CREATE -> 1;
            case REPLACE_DEFAULT -> defaultWindow.orElseThrow().pending() ? 1 : 2;
        };
    }

    private void find() {
        if (memoryPage.compareTo(state.systemPage()) < 0) {
            against(
                    Kind.UNSUPPORTED,
                    "this kernel has no memory in pages of %s, only of %s or more"
                            .formatted(memoryPage, state.systemPage()),
                    "leave the page size of the memory out");
            return;
        }
        state.windows().forEach(this::use);
        if (!state.registersMemory()) {
            against(
                    Kind.UNSUPPORTED,
                    "version 1 of the SPAPR TCE IOMMU creates no windows",
                    "use the default window, or Linux 6.4 or newer (6.11 on pseries)");
        } else if (request.pageSize().isPresent()
                && !info().pageSizes().contains(request.pageSize().get())) {
            against(
                    Kind.UNSUPPORTED,
                    "the IOMMU has no pages of " + request.pageSize().get(),
                    "use one of " + WindowReasons.names(info().pageSizes()));
        } else if (pages().isEmpty()) {
            against(
                    Kind.UNSUPPORTED,
                    "the window's pages would be larger than those of the memory, %s".formatted(memoryPage),
                    "use larger pages for the memory (hugetlb)");
        } else if (info().maxLevels() < 1) {
            against(Kind.UNSUPPORTED, "the firmware has no dynamic windows", "use the default window");
        } else if (dynamicWindow().isPresent()) {
            against(
                    Kind.CONFLICT,
                    "the firmware gives one dynamic window, and %s is there"
                            .formatted(dynamicWindow().get().range()),
                    "close it");
        } else {
            create();
            replaceDefault();
        }
    }

    private void use(IommuState.Window window) {
        String name = window.isDefault() ? "the default window" : "window " + window.range();
        if (!request.pageSize().orElse(window.pageSize()).equals(window.pageSize())
                || request.levels().orElse(window.levels()) != window.levels()) {
            return;
        }
        if (window.pageSize().compareTo(memoryPage) > 0) {
            against(
                    Kind.UNSUPPORTED,
                    "%s has pages of %s, the memory of %s".formatted(name, window.pageSize(), memoryPage),
                    "use larger pages for the memory (hugetlb)");
            return;
        }
        long wanted = window.pageSize().roundUp(request.bytes());
        long usable = window.largestFree();
        if (usable < wanted) {
            against(
                    Kind.EXHAUSTED,
                    "%s has at most %s free in one piece for a device with %d address bits"
                            .formatted(name, ByteSize.format(usable), request.dmaMaskBits()),
                    "map less at a time");
            return;
        }
        long locked = window.pending() ? window.tableBytes() : 0;
        Optional<Cause> limit = lockLimit(locked);
        if (limit.isPresent()) {
            obstacles.add(limit.get());
            return;
        }
        plans.add(new WindowPlan(
                request,
                Step.USE,
                window.pageSize(),
                window.range().size(),
                window.levels(),
                window.range(),
                window.tableBytes(),
                locked,
                reasons.ofUse(name, window, usable, locked)));
    }

    private void create() {
        int most = Integer.compareUnsigned(info().maxWindows(), MAX_WINDOWS) < 0 ? info().maxWindows() : MAX_WINDOWS;
        if (state.windows().size() >= most) {
            against(
                    Kind.EXHAUSTED,
                    "there can be no more than %d window%s".formatted(most, most == 1 ? "" : "s"),
                    "close a window");
            return;
        }
        boolean low = state.windows().stream().noneMatch(window -> isLow(window.range()));
        make(Step.CREATE, low);
    }

    private void replaceDefault() {
        if (defaultWindow.isEmpty()) {
            return;
        }
        if (request.keepsDefaultWindow()) {
            against(Kind.CONFLICT, "the default window is to stay", "let it go");
        } else if (defaultWindow.get().usedBytes() > 0) {
            against(
                    Kind.CONFLICT,
                    "%s of the default window are mapped, prepared or reserved"
                            .formatted(ByteSize.format(defaultWindow.get().usedBytes())),
                    "close its mappings and reservations");
        } else {
            make(Step.REPLACE_DEFAULT, true);
        }
    }

    /** Adds a plan for each page size with which a window is possible. */
    private void make(Step step, boolean low) {
        List<Cause> against = new ArrayList<>();
        List<WindowPlan> made = new ArrayList<>();
        for (PageSize page : pages()) {
            make(step, low, page, made, against);
        }
        plans.addAll(made);
        if (made.isEmpty()) {
            obstacles.addAll(against);
        }
    }

    private void make(Step step, boolean low, PageSize page, List<WindowPlan> made, List<Cause> against) {
        Place place = place(low, page);
        if (step == Step.REPLACE_DEFAULT && !info().isPowernv() && place.start() != SECOND_WINDOW) {
            return; // it would be the default window again
        }
        if (Long.compareUnsigned(place.start() + (place.needed() - 1), request.dmaMask()) > 0) {
            against.add(new Cause(
                    Kind.UNSUPPORTED,
                    "%s at 0x%x are beyond the %d address bits of the device"
                            .formatted(ByteSize.format(place.needed()), place.start(), request.dmaMaskBits()),
                    "map less at a time"));
            return;
        }
        int levels = levels(page, place.size());
        Optional<Cause> obstacle = tableObstacle(page, place.size(), levels);
        if (obstacle.isPresent()) {
            against.add(obstacle.get());
            return;
        }
        TceTable table = TceTable.of("plan a window", info(), state.systemPage(), page, place.size(), levels);
        long locked = table.lockedBytes() + lockedByDefaultWindow(step);
        Optional<Cause> limit = lockLimit(locked);
        if (limit.isPresent()) {
            against.add(limit.get());
            return;
        }
        Optional<Cause> fewerLevels = levels > 1 ? tableObstacle(page, place.size(), levels - 1) : Optional.empty();
        made.add(new WindowPlan(
                request,
                step,
                page,
                place.size(),
                levels,
                new IovaRange(place.start(), table.windowBytes()),
                table.lockedBytes(),
                locked,
                reasons.ofNew(step, page, pages(), place, table, levels, fewerLevels, locked)));
    }

    /**
     * Where a window lies.
     *
     * @param needed bytes from its start on that must be usable
     * @param size bytes to ask the kernel for
     */
    record Place(long start, long needed, long size) {}

    private Place place(boolean low, PageSize page) {
        long start = info().defaultWindow().map(IovaRange::start).orElse(0L);
        long needed = page.roundUp(request.bytes()) + (start == 0 ? page.bytes() : 0);
        if (low && info().isPowernv()) {
            return new Place(start, needed, powerOfTwo(needed));
        }
        long bytes = page.roundUp(request.bytes());
        long size = powerOfTwo(bytes);
        if (low && page.equals(PageSize.SIZE_4K) && info().defaultWindow().isPresent()) {
            // Whoever asks for 4K pages and no more than that gets the default window, restored as it was.
            long atLow = info().defaultWindow().get().size();
            if (powerOfTwo(needed) <= atLow) {
                return new Place(start, needed, atLow);
            }
            size = Math.max(size, 2 * atLow);
        }
        return new Place(SECOND_WINDOW, bytes, size);
    }

    static long powerOfTwo(long bytes) {
        long highest = Long.highestOneBit(bytes);
        return highest == bytes ? bytes : highest << 1;
    }

    /** The fewest levels that the kernel accepts; if none are, the most. */
    private int levels(PageSize page, long size) {
        return request.levels()
                .orElseGet(() -> IntStream.rangeClosed(1, info().maxLevels())
                        .filter(levels -> tableObstacle(page, size, levels).isEmpty())
                        .findFirst()
                        .orElse(1));
    }

    private Optional<Cause> tableObstacle(PageSize page, long size, int levels) {
        return TceTable.obstacle(info(), state.systemPage(), page, size, levels);
    }

    /** What the default window adds to locked memory as it comes along, or takes from it as it goes. */
    private long lockedByDefaultWindow(Step step) {
        if (defaultWindow.isEmpty()) {
            return 0;
        }
        IommuState.Window window = defaultWindow.get();
        if (step == Step.REPLACE_DEFAULT) {
            return window.pending() ? 0 : -window.tableBytes();
        }
        return window.pending() ? window.tableBytes() : 0;
    }

    private Optional<Cause> lockLimit(long tables) {
        LockedMemory memory = state.lockedMemory();
        long bytes = tables + reasons.memoryBytes();
        if (memory.allows(bytes)) {
            return Optional.empty();
        }
        Cause shortage = memory.shortage(bytes);
        if (bytes < cheapestBytes) {
            cheapestBytes = bytes;
            cheapest = shortage;
        }
        return Optional.of(shortage);
    }

    private TceInfo info() {
        return state.info();
    }

    /** The page sizes that the memory can be mapped with, largest first. */
    private List<PageSize> pages() {
        return info().pageSizes().stream()
                .filter(page -> page.compareTo(memoryPage) <= 0)
                .filter(page -> request.pageSize().orElse(page).equals(page))
                .sorted(Comparator.reverseOrder())
                .toList();
    }

    /** The one dynamic window that an LPAR can have, if it has it. */
    private Optional<IommuState.Window> dynamicWindow() {
        return state.windows().stream()
                .filter(window -> !info().isPowernv() && !isLow(window.range()))
                .findFirst();
    }

    private static boolean isLow(IovaRange range) {
        return Long.compareUnsigned(range.start(), SECOND_WINDOW) < 0;
    }

    private void against(Kind kind, String reason, String hint) {
        obstacles.add(new Cause(kind, reason, hint));
    }
}
