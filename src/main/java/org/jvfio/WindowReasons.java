package org.jvfio;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jvfio.WindowPlan.Step;

/** The sentences that explain a {@link WindowPlan}: one for each choice that {@link WindowOptions} made. */
final class WindowReasons {
    private final WindowRequest request;
    private final IommuState state;
    private final PageSize memoryPage;
    private final Optional<IommuState.Window> defaultWindow;

    WindowReasons(
            WindowRequest request, IommuState state, PageSize memoryPage, Optional<IommuState.Window> defaultWindow) {
        this.request = request;
        this.state = state;
        this.memoryPage = memoryPage;
        this.defaultWindow = defaultWindow;
    }

    /** Why a window that the container has serves the request. */
    List<String> ofUse(String name, IommuState.Window window, long usable, long locked) {
        List<String> reasons = new ArrayList<>();
        reasons.add("%s serves as it is: %s of %s can be used, in pages of %s"
                .formatted(
                        name,
                        ByteSize.format(usable),
                        ByteSize.format(window.range().size()),
                        window.pageSize()));
        if (window.pending()) {
            reasons.add("the kernel makes it with the first mapping");
        }
        reasons.add(lockedReason(Step.USE, window.tableBytes(), locked));
        return reasons;
    }

    /**
     * Why a new window is as it is.
     *
     * @param pages the page sizes that it could have, largest first
     * @param fewerLevels why its table does not have one level less
     */
    List<String> ofNew(
            Step step,
            PageSize page,
            List<PageSize> pages,
            WindowOptions.Place place,
            TceTable table,
            int levels,
            Optional<Cause> fewerLevels,
            long locked) {
        return List.of(
                pageReason(page, pages),
                sizeReason(page, place, table),
                levelsReason(levels, fewerLevels),
                placeReason(step, place),
                lockedReason(step, table.lockedBytes(), locked));
    }

    /**
     * The bytes of the memory that are not registered, and so not locked, yet. What is registered and not mapped is
     * what the window is for.
     */
    long memoryBytes() {
        if (!state.registersMemory()) {
            return 0;
        }
        long unmapped = state.unmapped().stream()
                .filter(each -> each.pageSize().compareTo(memoryPage) >= 0)
                .mapToLong(IommuState.Unmapped::bytes)
                .sum();
        long registered = Math.min(request.bytes(), Math.max(request.registeredBytes(), unmapped));
        return memoryPage.roundUp(request.bytes() - registered);
    }

    private String pageReason(PageSize page, List<PageSize> pages) {
        if (request.pageSize().isPresent()) {
            return "pages of %s, as asked".formatted(page);
        }
        if (page.equals(pages.getFirst())) {
            return "pages of %s: the largest of %s that memory in pages of %s can be mapped with, so the fewest entries"
                    .formatted(page, names(state.info().pageSizes()), memoryPage);
        }
        return "pages of %s, of %s: memory in pages of %s can be mapped with them"
                .formatted(page, names(state.info().pageSizes()), memoryPage);
    }

    private String sizeReason(PageSize page, WindowOptions.Place place, TceTable table) {
        StringBuilder reason = new StringBuilder("a size of " + ByteSize.format(place.size()) + ": ");
        long bytes = page.roundUp(request.bytes());
        if (bytes != request.bytes()) {
            reason.append(
                    "%s in whole pages are %s, ".formatted(ByteSize.format(request.bytes()), ByteSize.format(bytes)));
        }
        if (place.needed() > bytes) {
            reason.append("%s and the page at bus address 0, which is never used, ".formatted(ByteSize.format(bytes)));
        }
        reason.append("in a power of two");
        if (place.size() > WindowOptions.powerOfTwo(place.needed())) {
            reason.append(", and as small as the firmware makes it");
        }
        if (table.windowBytes() > place.size()) {
            reason.append("; it becomes %s, as the kernel fills whole system pages of %s with table entries"
                    .formatted(ByteSize.format(table.windowBytes()), state.systemPage()));
        }
        return reason.toString();
    }

    private String levelsReason(int levels, Optional<Cause> fewerLevels) {
        String count = levels == 1 ? "1 level" : levels + " levels";
        if (request.levels().isPresent()) {
            return count + ", as asked";
        }
        return levels == 1
                ? count + ": the fewest, as each takes memory and a DMA's time"
                : count + ": with fewer, " + fewerLevels.orElseThrow().reason();
    }

    private String placeReason(Step step, WindowOptions.Place place) {
        String start = "at 0x%x: ".formatted(place.start());
        String reached = ", which a device with %d address bits reaches".formatted(request.dmaMaskBits());
        if (step == Step.REPLACE_DEFAULT) {
            String goes = "the default window goes, as nothing is mapped in it";
            return start
                    + (place.start() == WindowOptions.SECOND_WINDOW
                            ? goes + "; the hypervisor has its dynamic window there" + reached
                            : goes + ", and its place is taken" + reached);
        }
        if (place.start() != WindowOptions.SECOND_WINDOW) {
            return start + "there is no other window there" + reached;
        }
        String stays = defaultWindow
                .map(window -> window.pending() ? "the default window comes along" : "the default window stays")
                .orElse("the other place is taken");
        return start + stays + reached;
    }

    private String lockedReason(Step step, long table, long locked) {
        if (!state.registersMemory()) {
            return "the host's TCE table serves it, and is not charged; now " + state.lockedMemory();
        }
        StringBuilder reason = new StringBuilder("%s for the TCE table%s"
                .formatted(
                        ByteSize.format(table),
                        state.info().isPowernv()
                                ? " (twice its size: the kernel keeps user addresses beside it)"
                                : ""));
        if (locked > table) {
            reason.append(", %s for that of the default window".formatted(ByteSize.format(locked - table)));
        } else if (step == Step.USE && locked == 0) {
            reason.append(", which are locked already");
        } else if (locked < table) {
            reason.append(", less %s of the default window".formatted(ByteSize.format(table - locked)));
        }
        if (memoryBytes() > 0) {
            reason.append(", and %s for the memory when it is registered".formatted(ByteSize.format(memoryBytes())));
        }
        return reason.append("; now ").append(state.lockedMemory()).toString();
    }

    static String names(List<PageSize> sizes) {
        return sizes.stream().map(PageSize::toString).collect(Collectors.joining(" "));
    }
}
