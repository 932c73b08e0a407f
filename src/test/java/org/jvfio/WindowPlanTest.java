package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.jvfio.WindowPlan.Step;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.KernelVersion;
import org.jvfio.emulator.PlatformStep;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

class WindowPlanTest {
    private static final long HIGH = 1L << 59;
    private static final long K = 1L << 10;
    private static final long M = 1L << 20;
    private static final long G = 1L << 30;

    private TestHost host = new TestHost();
    private Container container = Container.open(host.kernel());

    @BeforeEach
    void attach() {
        container.attach(host.anyDevice());
    }

    @AfterEach
    void giveBack() {
        container.close();
        host.assertAllGivenBack();
    }

    private void reboot(EmulatedMachine machine) {
        giveBack();
        host = new TestHost(machine);
        container = Container.open(host.kernel());
        attach();
    }

    private void rebootWithMemlock(long bytes) {
        reboot(EmulatedMachine.power8().toBuilder()
                .capIpcLock(false)
                .memlockBytes(bytes)
                .build());
    }

    private static EmulatedMachine withV1Only() {
        return EmulatedMachine.power8().toBuilder().kernel(KernelVersion.V4_1).build();
    }

    private DmaMapping mapInDefaultWindow() {
        return container.defaultWindow().map(container.allocate(64 * K), DmaDirection.TO_DEVICE);
    }

    /** No plan is made, for each of these reasons, and the kernel's windows are left alone. */
    private VfioException assertNone(WindowRequest request, String... reasons) {
        long created = host.observed().made(vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE);
        VfioException e = assertThrows(VfioException.class, () -> container.planWindows(request));
        assertEquals("plan a window for " + request, e.operation());
        for (String reason : reasons) {
            assertTrue(e.reason().contains(reason), e.getMessage());
        }
        assertEquals(reasons.length, e.reason().split("; ").length, e.getMessage());
        assertFalse(e.hint().isBlank());
        assertEquals(Optional.empty(), e.call());
        assertEquals(created, host.observed().made(vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE));
        return e;
    }

    private List<Step> steps(WindowRequest request) {
        return container.planWindows(request).stream().map(WindowPlan::step).toList();
    }

    private void assertStart(long start, Step step, WindowRequest request) {
        WindowPlan plan = container.planWindow(request);
        assertEquals(step, plan.step(), plan.toString());
        assertEquals(start, plan.range().start(), plan.toString());
    }

    /** The window is one of the kernel's, and as large as the plan has it. */
    private DmaWindow create(WindowPlan plan) {
        DmaWindow window = container.apply(plan);
        assertEquals(plan.range(), window.range());
        assertTrue(ranges().contains(plan.range()), "%s is in %s".formatted(plan.range(), ranges()));
        assertEquals(plan.tableBytes(), window.tableBytes());
        return window;
    }

    private List<IovaRange> ranges() {
        return host.group(host.process().host().groups().getFirst()).windows().stream()
                .map(window -> new IovaRange(window.start(), window.size()))
                .toList();
    }

    @Test
    void planWindow_defaultPending_replacedByLargePages() {
        WindowPlan plan = container.planWindow(WindowRequest.of(256 * M));
        assertEquals(Step.REPLACE_DEFAULT, plan.step());
        assertTrue(plan.removesDefaultWindow());
        assertEquals("""
                replace the default window by 0x0..0x1fffffff: 512M, pages of 64K, 1 level, 128K locked
                  pages of 64K: the largest of 4K 64K 16M 256M that memory in pages of 64K can be mapped with, so the fewest entries
                  a size of 512M: 256M and the page at bus address 0, which is never used, in a power of two
                  1 level: the fewest, as each takes memory and a DMA's time
                  at 0x0: the default window goes, as nothing is mapped in it, and its place is taken, which a device with 64 address bits reaches
                  128K for the TCE table (twice its size: the kernel keeps user addresses beside it), and 256M for the memory when it is registered; now 0 locked of 8M, not limited (CAP_IPC_LOCK)""", plan.toString());
        create(plan);
        assertEquals(1, host.group(0).windows().size());
        assertEquals(128 * K, host.process().lockedBytes());
    }

    @Test
    void planWindows_severalWays_all() {
        List<WindowPlan> plans = container.planWindows(WindowRequest.of(M));
        assertEquals(
                """
                replace the default window by 0x0..0x1fffffff: 512M, pages of 64K, 1 level, 128K locked
                replace the default window by 0x0..0x1ffffff: 32M, pages of 4K, 1 level, 128K locked
                use window 0x0..0x7fffffff: 2G, pages of 4K, 1 level, 8M locked
                create window 0x800000000000000..0x80000001fffffff: 512M, pages of 64K, 1 level, 8320K locked
                create window 0x800000000000000..0x800000001ffffff: 32M, pages of 4K, 1 level, 8320K locked""",
                String.join(
                        "\n",
                        plans.stream()
                                .map(plan -> plan.toString().lines().findFirst().orElseThrow())
                                .toList()));
        assertEquals(0, host.observed().made(vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE), "nothing is touched");
    }

    @Test
    void planWindow_defaultInUse_used() {
        mapInDefaultWindow();
        WindowPlan plan = container.planWindow(WindowRequest.of(M));
        assertEquals(Step.USE, plan.step());
        assertEquals(0, plan.lockedBytes());
        assertEquals(8 * M, plan.tableBytes());
        assertEquals(
                "8M for the TCE table (twice its size: the kernel keeps user addresses beside it), which are locked"
                        + " already, and 1M for the memory when it is registered; now 8256K locked of 8M, not limited"
                        + " (CAP_IPC_LOCK)",
                plan.reasons().getLast());
        assertSame(container.defaultWindow(), container.apply(plan));
        assertEquals(0, host.observed().made(vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE));
        assertNone(
                WindowRequest.of(4 * G).pageSize(PageSize.SIZE_4K).dmaMaskBits(59),
                "the default window has at most %s free in one piece for a device with 59 address bits"
                        .formatted(ByteSize.format(2 * G - 68 * K)),
                "4G at 0x800000000000000 are beyond the 59 address bits of the device",
                "64K of the default window are mapped, prepared or reserved");
    }

    @Test
    void planWindow_defaultWasUsed_replacedOnlyAsLastWay() {
        mapInDefaultWindow().close();
        WindowRequest request = WindowRequest.of(4 * G);
        assertEquals(List.of(Step.CREATE, Step.CREATE), steps(request).subList(0, 2));
        WindowPlan plan = container.planWindow(request.dmaMaskBits(40));
        assertEquals(Step.REPLACE_DEFAULT, plan.step());
        assertEquals(2 * M - 8 * M, plan.lockedBytes());
        assertTrue(plan.toString().contains("8G, pages of 64K, 1 level, -6M locked"), plan.toString());
        assertTrue(plan.reasons().getLast().contains(", less 8M of the default window"), plan.toString());
        long before = host.process().lockedBytes();
        create(plan);
        assertEquals(before + plan.lockedBytes(), host.process().lockedBytes());
    }

    @Test
    void planWindow_keepDefaultWindow_kept() {
        WindowRequest request = WindowRequest.of(M).pageSize(PageSize.SIZE_64K);
        assertStart(0, Step.REPLACE_DEFAULT, request);
        assertStart(HIGH, Step.CREATE, request.keepDefaultWindow());
        WindowPlan plan = container.planWindow(request.keepDefaultWindow());
        assertFalse(plan.removesDefaultWindow());
        assertTrue(plan.reasons().get(3).contains("the default window comes along"), plan.toString());
        assertTrue(plan.reasons().getLast().contains(", 8M for that of the default window"), plan.toString());
        assertNone(
                request.keepDefaultWindow().dmaMaskBits(59),
                "1M at 0x800000000000000 are beyond the 59 address bits of the device",
                "the default window is to stay");
        create(plan);
        assertEquals(2, host.group(0).windows().size());
        assertEquals(plan.lockedBytes(), host.process().lockedBytes());
        assertTrue(container
                .planWindow(WindowRequest.of(M).pageSize(PageSize.SIZE_64K))
                .reasons()
                .getFirst()
                .startsWith("window 0x800000000000000..0x80000001fffffff serves as it is: 512M of 512M"));
    }

    @Test
    void planWindow_dmaMaskBits_windowWithinThem() {
        WindowRequest request = WindowRequest.of(128 * M);
        assertStart(0, Step.REPLACE_DEFAULT, request.dmaMaskBits(28));
        assertStart(0, Step.REPLACE_DEFAULT, request.dmaMaskBits(59).pageSize(PageSize.SIZE_64K));
        // The window may be larger than what the device reaches; what is asked for is not.
        assertEquals(
                512 * M, container.planWindow(request.dmaMaskBits(28)).range().size());
        assertNone(
                WindowRequest.of(256 * M).dmaMaskBits(28),
                "the default window has at most 256M-4K free in one piece for a device with 28 address bits",
                "256M at 0x800000000000000 are beyond the 28 address bits of the device",
                "256M+64K at 0x0 are beyond the 28 address bits of the device",
                "256M+4K at 0x0 are beyond the 28 address bits of the device");
        assertEquals(
                List.of(Step.REPLACE_DEFAULT, Step.REPLACE_DEFAULT, Step.USE),
                steps(WindowRequest.of(256 * M - 64 * K).dmaMaskBits(28)));
    }

    @Test
    void planWindow_dmaMaskBits60_secondWindow() {
        WindowRequest request = WindowRequest.of(M).keepDefaultWindow().pageSize(PageSize.SIZE_64K);
        assertNone(request.dmaMaskBits(59), "beyond the 59 address bits", "is to stay");
        assertStart(HIGH, Step.CREATE, request.dmaMaskBits(60));
    }

    @Test
    void planWindow_fewAddressBits_defaultWindow() {
        assertEquals(
                List.of(Step.REPLACE_DEFAULT, Step.USE),
                steps(WindowRequest.of(4 * K).dmaMaskBits(16)));
        assertEquals(
                PageSize.SIZE_4K,
                container.planWindow(WindowRequest.of(60 * K).dmaMaskBits(16)).pageSize());
        assertNone(
                WindowRequest.of(1).dmaMaskBits(12),
                "the default window has at most 0 free in one piece for a device with 12 address bits",
                "64K at 0x800000000000000 are beyond",
                "4K at 0x800000000000000 are beyond",
                "128K at 0x0 are beyond",
                "8K at 0x0 are beyond");
    }

    @Test
    void planWindow_oddSize_powerOfTwo() {
        WindowPlan plan =
                container.planWindow(WindowRequest.of(G + 1).keepDefaultWindow().pageSize(PageSize.SIZE_64K));
        assertEquals(2 * G, plan.size());
        assertEquals(
                "a size of 2G: 1G+1B in whole pages are 1G+64K, in a power of two",
                plan.reasons().get(1));
        WindowPlan small =
                container.planWindow(WindowRequest.of(1).keepDefaultWindow().pageSize(PageSize.SIZE_64K));
        assertEquals(64 * K, small.size());
        assertEquals(512 * M, small.range().size());
        assertEquals(
                "a size of 64K: 1B in whole pages are 64K, in a power of two; it becomes 512M, as the kernel fills whole"
                        + " system pages of 64K with table entries",
                small.reasons().get(1));
    }

    @Test
    void planWindow_largeTable_fewestLevels() {
        WindowRequest request = WindowRequest.of(1L << 40).keepDefaultWindow();
        WindowPlan plan = container.planWindow(request);
        assertEquals(2, plan.levels());
        assertEquals(
                "2 levels: with fewer, a level of its table would be 128M, and the kernel can make at most 16M in one piece",
                plan.reasons().get(2));
        assertEquals(
                "2 levels, as asked",
                container.planWindow(request.levels(2)).reasons().get(2));
        assertNone(
                request.pageSize(PageSize.SIZE_64K).levels(1),
                "a level of its table would be 128M",
                "the default window is to stay");
        assertNone(
                request.pageSize(PageSize.SIZE_64K).levels(6), "a table has 1 to 5 levels here, not 6", "is to stay");
    }

    @Test
    void planWindow_memoryPages_boundWindowPages() {
        WindowRequest request = WindowRequest.of(M).keepDefaultWindow();
        assertNone(
                request.pageSize(PageSize.SIZE_16M),
                "the window's pages would be larger than those of the memory, 64K");
        assertEquals(
                List.of(PageSize.SIZE_16M, PageSize.SIZE_64K, PageSize.SIZE_4K, PageSize.SIZE_4K),
                container.planWindows(request.memoryPageSize(PageSize.SIZE_16M)).stream()
                        .map(WindowPlan::pageSize)
                        .sorted(Comparator.reverseOrder())
                        .toList());
        assertNone(request.pageSize(PageSize.SIZE_2M), "the IOMMU has no pages of 2M");
        assertNone(
                request.memoryPageSize(PageSize.SIZE_4K),
                "this kernel has no memory in pages of 4K, only of 64K or more");
        DmaWindow large = container.createWindow(PageSize.SIZE_16M, G, 1);
        VfioException e = assertNone(
                WindowRequest.of(M).pageSize(PageSize.SIZE_16M),
                "window %s has pages of 16M, the memory of 64K".formatted(large.range()),
                "the window's pages would be larger than those of the memory, 64K");
        assertEquals("use larger pages for the memory (hugetlb)", e.hint());
    }

    @Test
    void planWindow_fragmentedDefault_notUsed() {
        DmaWindow low = container.defaultWindow();
        try (IovaReservation middle = low.reserve(new IovaRange(G, 1))) {
            assertNone(
                    WindowRequest.of(G + M)
                            .keepDefaultWindow()
                            .pageSize(PageSize.SIZE_4K)
                            .dmaMaskBits(32),
                    "the default window has at most %s free in one piece".formatted(ByteSize.format(G - 4 * K)),
                    "beyond the 32 address bits",
                    "the default window is to stay");
            assertNone(
                    WindowRequest.of(G + M).pageSize(PageSize.SIZE_4K).dmaMaskBits(32),
                    "the default window has at most",
                    "beyond the 32 address bits",
                    "4K of the default window are mapped, prepared or reserved");
            assertEquals(new IovaRange(G, 4 * K), middle.range());
        }
        assertEquals(
                Step.USE,
                container
                        .planWindow(WindowRequest.of(G + M)
                                .keepDefaultWindow()
                                .dmaMaskBits(32)
                                .pageSize(PageSize.SIZE_4K))
                        .step());
    }

    @Test
    void planWindow_hugePages_smallTable() {
        reboot(EmulatedMachine.power9().toBuilder().hugePages(2 * M, 2).build());
        WindowPlan plan = container.planWindow(WindowRequest.of(4 * M)
                .memoryPageSize(PageSize.SIZE_2M)
                .keepDefaultWindow()
                .pageSize(PageSize.SIZE_2M));
        DmaWindow window = create(plan);
        DmaMemory memory = container.allocate(4 * M, PageSize.SIZE_2M);
        window.map(memory, DmaDirection.BIDIRECTIONAL);
        assertEquals(2, host.group(0).windows().getLast().mappedPages());
    }

    @Test
    void planWindow_lockLimit_keptTo() {
        long needed = 128 * K + M;
        rebootWithMemlock(needed);
        assertEquals(
                List.of(Step.REPLACE_DEFAULT, Step.REPLACE_DEFAULT),
                steps(WindowRequest.of(M)),
                "the default one takes 8M");
        create(container.planWindow(WindowRequest.of(M)));
        container.allocate(M);
        assertEquals(needed, host.process().lockedBytes());
        rebootWithMemlock(needed - 64 * K);
        VfioException e =
                assertNone(WindowRequest.of(M), "it needs 1152K of locked memory: 0 locked of 1088K, 1088K remaining");
        assertFalse(e.reason().contains("9M"), e.getMessage());
        assertTrue(e.hint().contains("ulimit -l 1152, or LimitMEMLOCK=1152K in its systemd unit"), e.hint());
        assertEquals(
                Step.REPLACE_DEFAULT,
                container
                        .planWindow(WindowRequest.of(M).registeredBytes(64 * K))
                        .step());
    }

    /** As hints lead there: the memory is allocated first, and a window planned for it. */
    @Test
    void planWindow_memoryAllocatedBefore_countedOnce() {
        rebootWithMemlock(128 * K + M);
        DmaMemory memory = container.allocate(M);
        DmaWindow window = create(container.planWindow(WindowRequest.of(M)));
        window.map(memory, DmaDirection.BIDIRECTIONAL);
        assertEquals(128 * K + M, host.process().lockedBytes());
        assertNone(WindowRequest.of(64 * K), "it needs 64K of locked memory: 1152K locked of 1152K, 0 remaining");
    }

    @Test
    void planWindow_memoryAllocatedInPieces_restCounted() {
        rebootWithMemlock(128 * K + M);
        container.allocate(M / 2);
        container.register(Arena.ofAuto().allocate(M / 4, 64 * K));
        WindowPlan plan = container.planWindow(WindowRequest.of(M));
        assertEquals(Step.REPLACE_DEFAULT, plan.step());
        assertTrue(plan.reasons().toString().contains("and 256K for the memory when it is registered"), plan::toString);
        container.allocate(M / 4);
        create(container.planWindow(WindowRequest.of(M)));
        assertEquals(128 * K + M, host.process().lockedBytes());
    }

    @Test
    void planWindow_memoryInLargerPages_countedOnce() {
        reboot(EmulatedMachine.power9().toBuilder()
                .hugePages(2 * M, 2)
                .capIpcLock(false)
                .memlockBytes(4 * M + 128 * K)
                .build());
        container.allocate(4 * M, PageSize.SIZE_2M);
        create(container.planWindow(WindowRequest.of(4 * M)));
        assertEquals(4 * M + 128 * K, host.process().lockedBytes());
    }

    @Test
    void requireLockable_withAWindow_oneFigureForAll() {
        long needed = 8 * M + 128 * K + M;
        rebootWithMemlock(needed - 1);
        VfioException e = assertThrows(
                VfioException.class, () -> container.requireLockable("copy", M, PageSize.SIZE_64K, 64 * M, 1));
        assertEquals(VfioException.Kind.LOCK_LIMIT, e.kind());
        assertTrue(e.getMessage().contains("cannot copy: it needs "), e.getMessage());
        assertEquals(0, host.process().lockedBytes());
        rebootWithMemlock(needed);
        container.requireLockable("copy", M, PageSize.SIZE_64K, 64 * M, 1);
        container.createWindow(PageSize.SIZE_64K, 64 * M, 1);
        container.allocate(M);
        assertThrows(
                IllegalArgumentException.class,
                () -> container.requireLockable("copy", M, PageSize.SIZE_64K, 3 * M, 1));
    }

    @Test
    void planWindow_existingWindow_limitForMemoryOnly() {
        rebootWithMemlock(8 * M + 256 * K);
        mapInDefaultWindow();
        assertEquals(Step.USE, container.planWindow(WindowRequest.of(128 * K)).step());
        assertNone(
                WindowRequest.of(256 * K),
                "it needs 256K of locked memory: 8256K locked of 8448K, 192K remaining",
                "64K of the default window are mapped, prepared or reserved");
    }

    @Test
    void planWindow_bothPlacesTaken_none() {
        DmaWindow high = container.createWindow(PageSize.SIZE_64K, G, 1);
        DmaMapping mapping = mapInDefaultWindow();
        WindowRequest request = WindowRequest.of(4 * G);
        assertNone(
                request,
                "the default window has at most %s free in one piece for".formatted(ByteSize.format(2 * G - 68 * K)),
                "window %s has at most 1G free in one piece for".formatted(high.range()),
                "there can be no more than 2 windows",
                "64K of the default window are mapped, prepared or reserved");
        mapping.close();
        assertStart(0, Step.REPLACE_DEFAULT, request);
        container.defaultWindow().close();
        assertStart(0, Step.CREATE, request);
        create(container.planWindow(request));
        high.close();
        assertTrue(container
                .planWindow(request.pageSize(PageSize.SIZE_4K))
                .reasons()
                .get(3)
                .startsWith("at 0x800000000000000: the other place is taken"));
    }

    @Test
    void planWindow_lpar_dynamicWindowHigh() {
        reboot(EmulatedMachine.pseries());
        WindowRequest request = WindowRequest.of(M).pageSize(PageSize.SIZE_64K);
        assertEquals(List.of(Step.REPLACE_DEFAULT, Step.CREATE), steps(request));
        WindowPlan beside = container.planWindow(request.keepDefaultWindow());
        assertEquals(new IovaRange(HIGH, M), beside.range());
        assertEquals(2 * M, beside.lockedBytes(), "the default window's table; its own is less than a system page");
        assertFalse(beside.toString().contains("twice"), beside.toString());
        WindowPlan alone = container.planWindow(request);
        assertEquals(new IovaRange(HIGH, M), alone.range());
        assertEquals(0, alone.lockedBytes());
        assertTrue(alone.reasons().get(3).contains("the hypervisor has its dynamic window there"), alone.toString());
        create(alone);
        assertEquals(0, host.process().lockedBytes());
        assertNone(
                WindowRequest.of(4 * M),
                "window 0x800000000000000..0x8000000000fffff has at most 1M free in one piece for a device with 64 address bits",
                "the firmware gives one dynamic window, and 0x800000000000000..0x8000000000fffff is there");
    }

    @Test
    void planWindow_lparDefaultClosed_defaultRestored() {
        reboot(EmulatedMachine.pseries());
        container.defaultWindow().close();
        WindowPlan plan = container.planWindow(WindowRequest.of(M).pageSize(PageSize.SIZE_4K));
        assertEquals(new IovaRange(0, G), plan.range());
        assertTrue(plan.reasons().get(1).endsWith("in a power of two, and as small as the firmware makes it"));
        create(plan);
        assertEquals(2 * M, host.process().lockedBytes());
        assertNone(WindowRequest.of(M).levels(2), "a table has 1 to 1 levels here, not 2");
    }

    @Test
    void planWindow_lparSmallPages_largerThanDefault() {
        reboot(EmulatedMachine.pseries());
        container.defaultWindow().close();
        // All of its 1G, but for the page at 0.
        assertStart(0, Step.CREATE, WindowRequest.of(G - 4 * K).pageSize(PageSize.SIZE_4K));
        WindowPlan plan = container.planWindow(WindowRequest.of(G).pageSize(PageSize.SIZE_4K));
        assertEquals(new IovaRange(HIGH, 2 * G), plan.range());
        create(plan);
    }

    @Test
    void planWindow_linux42_defaultNotPending() {
        EmulatedMachine old =
                EmulatedMachine.power8().toBuilder().kernel(KernelVersion.V4_2).build();
        reboot(old);
        assertEquals(8 * M, host.process().lockedBytes());
        WindowPlan plan = container.planWindow(WindowRequest.of(M));
        assertEquals(Step.USE, plan.step());
        assertEquals(0, plan.lockedBytes());
        giveBack();
        host = new TestHost(old.toBuilder().capIpcLock(false).memlockBytes(M).build());
        container = Container.open(host.kernel());
        VfioException e = assertThrows(VfioException.class, this::attach);
        assertTrue(e.reason().contains("which Linux before 4.10 creates at once"), e.getMessage());
    }

    @Test
    void planWindow_version1_defaultWindowOnly() {
        reboot(withV1Only());
        assertEquals(SpaprTceVersion.V1, container.iommuVersion());
        WindowPlan plan = container.planWindow(WindowRequest.of(M));
        assertEquals(List.of(Step.USE), steps(WindowRequest.of(M)));
        assertEquals(0, plan.lockedBytes());
        long before = host.process().lockedBytes();
        container.apply(plan).map(container.allocate(M), DmaDirection.TO_DEVICE);
        assertEquals(before, host.process().lockedBytes());
        assertNone(
                WindowRequest.of(4 * G),
                "the default window has at most %s free in one piece for".formatted(ByteSize.format(2 * G - M - 4 * K)),
                "version 1 of the SPAPR TCE IOMMU creates no windows");
        assertNone(
                WindowRequest.of(M).pageSize(PageSize.SIZE_64K), "version 1 of the SPAPR TCE IOMMU creates no windows");
        assertNone(WindowRequest.of(M).levels(2), "version 1 of the SPAPR TCE IOMMU creates no windows");
    }

    @Test
    void apply_replaceFails_defaultMadeAgain() {
        WindowPlan plan = container.planWindow(WindowRequest.of(M));
        DmaWindow before = container.defaultWindow();
        host.process().host().failNext(0, PlatformStep.SET_WINDOW, Errno.EIO);
        VfioException e = assertThrows(VfioException.class, () -> container.apply(plan));
        assertEquals(Errno.EIO, e.errno().orElseThrow());
        assertEquals(0, e.getSuppressed().length);
        DmaWindow again = container.defaultWindow();
        assertSame(before, again);
        assertEquals(List.of(again), container.windows());
        assertTrue(again.isDefault());
        assertEquals(container.iommuInfo().defaultWindow().orElseThrow(), again.range());
        assertEquals(PageSize.SIZE_4K.shift(), host.group(0).windows().getLast().pageShift());
        assertEquals(8 * M, host.process().lockedBytes());
        mapInDefaultWindow();
    }

    @Test
    void apply_replaceAndRestoreFail_noWindow() {
        WindowPlan plan = container.planWindow(WindowRequest.of(M));
        host.observed().failRequest(vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE, Errno.EIO.negated());
        VfioException e = assertThrows(VfioException.class, () -> container.apply(plan));
        assertEquals(1, e.getSuppressed().length);
        assertTrue(e.reason().contains("; the default window could not be created again: "), e.getMessage());
        assertEquals(List.of(), container.windows());
        assertEquals(List.of(), host.group(0).windows());
        host.observed().heal();
        create(container.planWindow(WindowRequest.of(M)));
    }

    @Test
    void apply_windowsUnchanged_works() {
        WindowPlan plan = container.planWindow(WindowRequest.of(M));
        DmaMemory memory = container.allocate(M);
        create(plan).map(memory, DmaDirection.TO_DEVICE);
    }

    @Test
    void apply_windowsChanged_refusedWithoutIoctl() {
        WindowPlan plan = container.planWindow(WindowRequest.of(M));
        mapInDefaultWindow();
        long removed = host.observed().made(vfio_h.VFIO_IOMMU_SPAPR_TCE_REMOVE);
        VfioException e = assertThrows(VfioException.class, () -> container.apply(plan));
        assertEquals("plan again", e.hint());
        assertEquals(removed, host.observed().made(vfio_h.VFIO_IOMMU_SPAPR_TCE_REMOVE));
        assertEquals(0, host.observed().made(vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE));
    }

    @Test
    void apply_plansOfTheCaller_refused() {
        WindowPlan plan = container.planWindow(WindowRequest.of(M));
        WindowPlan mine = new WindowPlan(
                plan.request(),
                plan.step(),
                plan.pageSize(),
                plan.size() * 3,
                plan.levels(),
                plan.range(),
                plan.tableBytes(),
                plan.lockedBytes(),
                plan.reasons());
        assertThrows(VfioException.class, () -> container.apply(mine));
        assertEquals(List.of(container.defaultWindow()), container.windows());
    }

    @Test
    void equals_samePlan_equal() {
        WindowPlan plan = container.planWindow(WindowRequest.of(M));
        assertEquals(plan, container.planWindow(WindowRequest.of(M)));
        assertNotEquals(plan, container.planWindow(WindowRequest.of(2 * M)));
        assertThrows(UnsupportedOperationException.class, () -> plan.reasons().clear());
        try (Container other = Container.open(host.kernel())) {
            other.attach(TestHost.OTHER_EDU);
            assertEquals(plan, other.planWindow(WindowRequest.of(M)));
        }
    }

    @Test
    void planWindow_noGroup_illegalState() {
        try (Container empty = Container.open(host.kernel())) {
            assertThrows(IllegalStateException.class, () -> empty.planWindow(WindowRequest.of(M)));
        }
        WindowPlan plan = container.planWindow(WindowRequest.of(M));
        container.close();
        assertThrows(IllegalStateException.class, () -> container.apply(plan));
    }
}
