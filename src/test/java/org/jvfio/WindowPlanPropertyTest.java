package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.KernelVersion;
import org.jvfio.emulator.WindowView;

/** Whatever is asked for, wherever: a plan that is given can be had, costs what it says, and shows as much memory. */
class WindowPlanPropertyTest {
    private static final long MAX_BYTES = 1L << 42;
    // More is not allocated, but only its last page is mapped where it would end.
    private static final long MAX_MAPPED = 1L << 25;

    /** What has been done in a container before a window is asked for. */
    enum Before {
        NOTHING,
        DEFAULT_WINDOW_USED,
        DEFAULT_WINDOW_MAPPED,
        DEFAULT_WINDOW_CLOSED,
        WINDOW_MADE,
        WINDOW_MAPPED;

        void in(Container container) {
            switch (this) {
                case NOTHING -> {}
                case DEFAULT_WINDOW_USED -> {
                    DmaMapping used = map(container, container.defaultWindow());
                    used.close();
                    // Or a plan would be for this memory.
                    used.memory().close();
                }
                case DEFAULT_WINDOW_MAPPED -> map(container, container.defaultWindow());
                case DEFAULT_WINDOW_CLOSED -> container.defaultWindow().close();
                case WINDOW_MADE -> make(container);
                case WINDOW_MAPPED -> map(container, make(container));
            }
        }

        private static DmaWindow make(Container container) {
            return container.createWindow(container.systemPage(), 1L << 29, 1);
        }

        private static DmaMapping map(Container container, DmaWindow window) {
            return window.map(container.allocate(1), DmaDirection.BIDIRECTIONAL);
        }
    }

    /** The huge pages that there is a pool of. */
    private static Optional<PageSize> hugePage(EmulatedMachine machine) {
        return switch (machine.platform()) {
            case PHB3, PSERIES -> Optional.of(PageSize.SIZE_16M);
            case PHB4 -> Optional.of(PageSize.SIZE_2M);
            default -> Optional.empty();
        };
    }

    @Provide
    static Arbitrary<EmulatedMachine> machines() {
        Arbitrary<EmulatedMachine> models = Arbitraries.of(
                EmulatedMachine.power8(),
                EmulatedMachine.power9(),
                EmulatedMachine.power10(),
                EmulatedMachine.pseries(),
                withKernel(KernelVersion.V4_1),
                withKernel(KernelVersion.V4_2),
                withKernel(KernelVersion.V4_10),
                withKernel(KernelVersion.V7_2));
        Arbitrary<Long> limits = Arbitraries.of(-1L, 1L << 20, 9L << 20, 32L << 20);
        return Combinators.combine(models, Arbitraries.of(true, false), limits).as(WindowPlanPropertyTest::machine);
    }

    private static EmulatedMachine withKernel(KernelVersion version) {
        return EmulatedMachine.power8().toBuilder().kernel(version).build();
    }

    private static EmulatedMachine machine(EmulatedMachine model, boolean smallPages, long limit) {
        EmulatedMachine.Builder builder = model.toBuilder();
        hugePage(model).ifPresent(page -> builder.hugePages(page.bytes(), (int) (MAX_MAPPED / page.bytes())));
        // Old kernels lock all of the default window, or its table, at once, or the container cannot be had.
        boolean limited = limit != -1 && model.kernel().atLeast(KernelVersion.V4_10);
        return (smallPages ? builder.pages4K() : builder)
                .capIpcLock(!limited)
                .memlockBytes(limited ? limit : -1)
                .build();
    }

    @Provide
    static Arbitrary<WindowRequest> requests() {
        Arbitrary<Long> bytes = Arbitraries.oneOf(
                Arbitraries.longs().between(1, 1L << 20),
                Arbitraries.integers().between(0, 42).map(shift -> 1L << shift),
                Arbitraries.integers().between(13, 42).map(shift -> (1L << shift) - 1),
                Arbitraries.longs().between(1, MAX_BYTES));
        Arbitrary<Optional<PageSize>> pages = Arbitraries.integers()
                .between(11, 31)
                .map(PageSize::ofShift)
                .injectNull(0.7)
                .map(Optional::ofNullable);
        Arbitrary<Optional<PageSize>> memoryPages = Arbitraries.of(12, 16, 21, 24, 28, 30)
                .map(PageSize::ofShift)
                .injectNull(0.6)
                .map(Optional::ofNullable);
        Arbitrary<OptionalInt> levels = Arbitraries.integers()
                .between(1, 6)
                .map(OptionalInt::of)
                .injectNull(0.8)
                .map(count -> count == null ? OptionalInt.empty() : count);
        Arbitrary<Integer> bits =
                Arbitraries.oneOf(Arbitraries.of(32, 64), Arbitraries.integers().between(12, 64));
        return Combinators.combine(bytes, memoryPages, bits, pages, levels, Arbitraries.of(true, false))
                .as((size, memoryPage, mask, page, count, keeps) ->
                        new WindowRequest(size, memoryPage, mask, 0, page, count, keeps));
    }

    @Property(tries = 1000, edgeCases = EdgeCasesMode.NONE)
    void apply_anyPlan_windowAndCostAsPlanned(
            @ForAll("machines") EmulatedMachine machine,
            @ForAll Before before,
            @ForAll("requests") WindowRequest request,
            @ForAll @IntRange(max = 7) int choice) {
        TestHost host = new TestHost(machine);
        try (Container container = Container.open(host.kernel())) {
            container.attach(host.anyDevice());
            try {
                before.in(container);
            } catch (VfioException notHere) {
                // Version 1 makes no windows, and a low limit allows few; what is there is as good a beginning.
                assertFalse(notHere.hint().isEmpty());
            }
            List<WindowPlan> plans;
            try {
                plans = container.planWindows(request);
            } catch (VfioException none) {
                assertFalse(none.reason().isBlank(), none.getMessage());
                assertFalse(none.hint().isBlank(), none.getMessage());
                return;
            }
            assertEquals(plans, plans.stream().distinct().toList());
            apply(host, container, plans.get(choice % plans.size()));
        }
        host.assertAllGivenBack();
    }

    private static void apply(TestHost host, Container container, WindowPlan plan) {
        boolean kept = container.windows().stream().anyMatch(DmaWindow::isDefault);
        WindowRequest request = plan.request();
        long lockedBefore = host.process().lockedBytes();
        DmaWindow window = container.apply(plan);
        assertEquals(plan.range(), window.range());
        assertEquals(plan.pageSize(), window.pageSize());
        assertEquals(plan.levels(), window.levels());
        assertEquals(plan.tableBytes(), window.tableBytes());
        assertEquals(
                kept && !plan.removesDefaultWindow(),
                container.windows().stream().anyMatch(DmaWindow::isDefault));
        assertFalse(request.keepsDefaultWindow() && kept && plan.removesDefaultWindow());
        assertTrue(plan.pageSize().equals(request.pageSize().orElse(plan.pageSize())));
        assertTrue(plan.levels() == request.levels().orElse(plan.levels()));

        long registered = map(host, container, window, request);
        assertEquals(
                plan.lockedBytes(),
                host.process().lockedBytes() - lockedBefore - registered,
                () -> "growth by " + plan);
        WindowView real = host.group(host.process().host().groups().getFirst()).windows().stream()
                .filter(view -> view.start() == plan.range().start())
                .findFirst()
                .orElseThrow();
        assertEquals(plan.range().size(), real.size());
        assertEquals(plan.pageSize().shift(), real.pageShift());
        assertEquals(plan.levels(), real.levels());
    }

    /** Behind what is mapped in the window, which begins at its start, and never 0. */
    private static long firstFree(DmaWindow window) {
        if (!window.mappings().isEmpty()) {
            return window.mappings().getLast().range().last() + 1;
        }
        return window.range().start() == 0
                ? window.pageSize().bytes()
                : window.range().start();
    }

    /**
     * Maps all that was asked for, or where that is much its last page; answers by how much that grew what is locked.
     */
    private static long map(TestHost host, Container container, DmaWindow window, WindowRequest request) {
        PageSize memoryPage = request.memoryPageSize().orElse(container.systemPage());
        long bytes = window.pageSize().roundUp(request.bytes());
        DmaMemory memory;
        DmaMapping mapping;
        if (memoryPage.roundUp(bytes) <= MAX_MAPPED
                && (memoryPage.equals(container.systemPage())
                        || hugePage(host.process().host().machine())
                                .filter(memoryPage::equals)
                                .isPresent())) {
            memory = container.allocate(bytes, memoryPage);
            mapping = window.map(memory.range(0, bytes), DmaDirection.BIDIRECTIONAL);
        } else if (window.pageSize().compareTo(container.systemPage()) <= 0) {
            memory = container.allocate(1);
            long first = firstFree(window);
            long last = first + bytes - window.pageSize().bytes();
            mapping = window.mapAt(last, memory.range(0, window.pageSize().bytes()), DmaDirection.BIDIRECTIONAL);
        } else {
            return 0;
        }
        assertTrue(Long.compareUnsigned(mapping.range().last(), request.dmaMask()) <= 0, mapping::toString);
        return container.registersMemory() ? memory.size() : 0;
    }
}
