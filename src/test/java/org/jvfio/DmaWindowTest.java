package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.WindowView;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

class DmaWindowTest {
    private static final long HIGH = 1L << 59;
    private static final long PAGE = 1L << 16;

    private TestHost host = new TestHost();
    private Container container = Container.open(host.kernel());

    @BeforeEach
    void attach() {
        container.attach(TestHost.EDU);
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

    private DmaWindow window() {
        return container.createWindow(PageSize.SIZE_64K, 1L << 30, 1);
    }

    /** No system call may be made for it. */
    private void assertRefused(String reason, Executable call) {
        int calls = host.observed().calls();
        VfioException e = assertThrows(VfioException.class, call);
        assertTrue(e.reason().contains(reason), e.getMessage());
        assertEquals(calls, host.observed().calls(), "system calls");
        assertEquals(Optional.empty(), e.call());
    }

    private void assertInvalid(Class<? extends RuntimeException> type, String message, Executable call) {
        int calls = host.observed().calls();
        RuntimeException e = assertThrows(type, call);
        assertTrue(String.valueOf(e.getMessage()).contains(message), e.getMessage());
        assertEquals(calls, host.observed().calls(), "system calls");
    }

    @Test
    void mappings_manyClosedInAnyOrder_listsThoseThatAreLeft() {
        DmaWindow window = window();
        DmaMemory first = container.allocate(PAGE);
        DmaMemory second = container.allocate(PAGE);
        List<DmaMapping> open = new ArrayList<>();
        Random random = new Random(1);
        for (int step = 0; step < 4_000; step++) {
            boolean grows = step / 1_000 % 2 == 0;
            if (open.isEmpty() || random.nextInt(10) < (grows ? 8 : 2)) {
                open.add(window.map((step % 2 == 0 ? first : second).range(), DmaDirection.BIDIRECTIONAL));
            } else {
                open.remove(random.nextInt(open.size())).close();
            }
        }
        assertEquals(Set.copyOf(open), Set.copyOf(window.mappings()));
        assertEquals(open.size(), window.mappings().size());
        first.close();
        open.removeIf(mapping -> mapping.memory() == first);
        assertFalse(open.isEmpty());
        assertEquals(Set.copyOf(open), Set.copyOf(window.mappings()));
        open.reversed().forEach(DmaMapping::close);
        assertEquals(List.of(), window.mappings());
        second.close();
    }

    @Test
    void createWindow_tableLargerThanAsked_rangeOfTheTable() {
        DmaWindow window = container.createWindow(PageSize.SIZE_64K, 1L << 28, 1);
        assertEquals(new IovaRange(HIGH, 1L << 29), window.range());
        WindowView real = host.group(0).windows().getLast();
        assertEquals(window.range(), new IovaRange(real.start(), real.size()));
    }

    @Test
    void createWindow_defaultPending_bothCharged() {
        DmaWindow window = window();
        DmaWindow low = container.defaultWindow();
        assertEquals(List.of(low, window), container.windows());
        assertEquals(
                low.tableBytes() + window.tableBytes(), container.lockedMemory().locked());
    }

    @Test
    void createWindow_defaultClosed_startsAtZero() {
        container.defaultWindow().close();
        assertEquals(0, window().range().start());
        VfioException e = assertThrows(VfioException.class, () -> container.defaultWindow());
        assertTrue(e.reason().contains("no longer"), e.getMessage());
    }

    @Test
    void createWindow_third_enospc() {
        window();
        VfioException e = assertThrows(VfioException.class, this::window);
        assertEquals(Errno.ENOSPC, e.errno().orElseThrow());
        assertTrue(e.getMessage().contains("no free window"), e.getMessage());
    }

    @Test
    void createWindow_impossibleTable_refusedWithoutIoctl() {
        assertRefused("no pages of 2M", () -> container.createWindow(PageSize.SIZE_2M, 1L << 30, 1));
        assertRefused("a level of its table", () -> container.createWindow(PageSize.SIZE_64K, 1L << 40, 1));
        assertRefused("address bits", () -> container.createWindow(PageSize.SIZE_64K, 1L << 30, 3));
        assertInvalid(
                IllegalArgumentException.class,
                "a window of 0 bytes",
                () -> container.createWindow(PageSize.SIZE_64K, 0, 1));
        assertEquals(0, host.process().lockedBytes());
    }

    @Test
    void map_freshWindow_lowestFreeButNotZero() {
        DmaMemory memory = container.allocate(4 * PAGE);
        DmaWindow low = container.defaultWindow();
        assertEquals(
                4096, low.map(memory.range(0, PAGE), DmaDirection.TO_DEVICE).iova());
        DmaWindow high = window();
        DmaMapping first = high.map(memory.range(0, 2 * PAGE), DmaDirection.TO_DEVICE);
        DmaMapping second = high.map(memory.range(0, PAGE), DmaDirection.TO_DEVICE);
        assertEquals(HIGH, first.iova());
        assertEquals(HIGH + 2 * PAGE, second.iova());
        first.close();
        assertEquals(
                HIGH + 3 * PAGE,
                high.map(memory.range(0, 3 * PAGE), DmaDirection.TO_DEVICE).iova());
        assertEquals(
                HIGH, high.map(memory.range(0, PAGE), DmaDirection.TO_DEVICE).iova());
        assertEquals(
                HIGH + PAGE,
                high.map(memory.range(0, PAGE), DmaDirection.TO_DEVICE).iova());
        assertEquals(4, high.mappings().size());
    }

    @Test
    void mapAt_endOfWindow_lastByteButNotBeyond() {
        DmaWindow window = window();
        DmaMemory memory = container.allocate(2 * PAGE);
        long last = window.range().last() + 1 - PAGE;
        assertInvalid(
                IndexOutOfBoundsException.class,
                "not all in window",
                () -> window.mapAt(last, memory.range(0, 2 * PAGE), DmaDirection.TO_DEVICE));
        assertInvalid(
                IndexOutOfBoundsException.class,
                "not all in window",
                () -> window.mapAt(0, memory.range(0, PAGE), DmaDirection.TO_DEVICE));
        assertEquals(
                window.range().last(),
                window.mapAt(last, memory.range(0, PAGE), DmaDirection.TO_DEVICE)
                        .range()
                        .last());
        assertEquals(1, host.group(0).windows().getLast().mappedPages());
    }

    @Test
    void map_fullWindow_refused() {
        container.defaultWindow().close();
        DmaWindow window = container.createWindow(PageSize.SIZE_64K, 1L << 29, 1);
        DmaMemory memory = container.allocate(1L << 20);
        for (long at = 0; at < window.range().size(); at += memory.size()) {
            window.mapAt(at, memory.range(0, memory.size()), DmaDirection.TO_DEVICE);
        }
        assertRefused("none of its 512M is free", () -> window.map(memory.range(0, PAGE), DmaDirection.TO_DEVICE));
    }

    @Test
    void mapAt_hazardousArguments_refusedWithoutIoctl() {
        DmaWindow low = container.defaultWindow();
        DmaMemory memory = container.allocate(PAGE);
        assertInvalid(
                IllegalArgumentException.class,
                "at least 1 is needed",
                () -> low.mapAt(0, memory.range(0, 0), DmaDirection.TO_DEVICE));
        assertInvalid(
                IndexOutOfBoundsException.class,
                "are outside",
                () -> low.mapAt(0, memory.range(PAGE, PAGE), DmaDirection.TO_DEVICE));
        assertInvalid(
                IndexOutOfBoundsException.class,
                "are outside",
                () -> low.mapAt(0, memory.range(-4096, 4096), DmaDirection.TO_DEVICE));
        assertInvalid(
                IndexOutOfBoundsException.class,
                "are outside",
                () -> low.mapAt(0, memory.range(4096, Long.MAX_VALUE), DmaDirection.TO_DEVICE));
    }

    @Test
    void map_partOfAPage_refused() {
        DmaWindow window = window();
        DmaMemory memory = container.allocate(2 * PAGE);
        assertInvalid(
                IllegalArgumentException.class,
                "not whole pages of 64K",
                () -> window.map(memory.range(0, 4096), DmaDirection.TO_DEVICE));
        assertInvalid(
                IllegalArgumentException.class,
                "not whole pages of 64K",
                () -> window.map(memory.range(4096, PAGE), DmaDirection.TO_DEVICE));
        assertInvalid(
                IllegalArgumentException.class,
                "the window's page",
                () -> window.mapAt(HIGH + 4096, memory.range(0, PAGE), DmaDirection.TO_DEVICE));
    }

    @Test
    void map_smallerPagesThanWindow_refused() {
        DmaWindow window = container.createWindow(PageSize.SIZE_16M, 1L << 34, 1);
        DmaMemory memory = container.allocate(1L << 24);
        assertRefused("pages of 64K, the window has pages of 16M", () -> window.map(memory, DmaDirection.TO_DEVICE));
        reboot(EmulatedMachine.power8().toBuilder().pages4K().build());
        DmaWindow of64K = window();
        DmaMemory of4K = container.allocate(PAGE);
        assertRefused("pages of 4K, the window has pages of 64K", () -> of64K.map(of4K, DmaDirection.TO_DEVICE));
    }

    @Test
    void mapAt_overlappingMapping_refused() {
        DmaWindow window = window();
        DmaMemory memory = container.allocate(3 * PAGE);
        window.mapAt(HIGH + PAGE, memory.range(0, PAGE), DmaDirection.TO_DEVICE);
        assertRefused("is mapped already", () -> window.mapAt(HIGH, memory.range(0, 2 * PAGE), DmaDirection.TO_DEVICE));
        assertRefused("is mapped already", () -> window.mapAt(HIGH, memory.range(0, 3 * PAGE), DmaDirection.TO_DEVICE));
        assertRefused(
                "is mapped already", () -> window.mapAt(HIGH + PAGE, memory.range(0, PAGE), DmaDirection.TO_DEVICE));
        window.mapAt(HIGH, memory.range(0, PAGE), DmaDirection.TO_DEVICE);
        window.mapAt(HIGH + 2 * PAGE, memory.range(0, PAGE), DmaDirection.TO_DEVICE);
        assertEquals(3, host.group(0).windows().getLast().mappedPages());
    }

    @Test
    void map_memoryOfOtherContainer_refused() {
        try (Container other = Container.open(host.kernel())) {
            other.attach(TestHost.OTHER_EDU);
            DmaMemory memory = other.allocate(1);
            assertInvalid(
                    IllegalArgumentException.class,
                    "belongs to another container",
                    () -> container.defaultWindow().map(memory, DmaDirection.TO_DEVICE));
        }
    }

    @Test
    void map_closedMemory_illegalState() {
        DmaMemory memory = container.allocate(1);
        memory.close();
        assertThrows(
                IllegalStateException.class, () -> container.defaultWindow().map(memory, DmaDirection.TO_DEVICE));
    }

    @Test
    void closeMemory_mapped_unmappedFirst() {
        DmaWindow window = window();
        DmaMemory memory = container.allocate(1);
        window.map(memory, DmaDirection.TO_DEVICE);
        container.defaultWindow().map(memory, DmaDirection.TO_DEVICE);
        memory.close();
        assertEquals(0, host.process().registeredRegions());
        assertEquals(List.of(), window.mappings());
    }

    @Test
    void map_ioctlReturnsOne_failure() {
        DmaWindow window = window();
        DmaMemory memory = container.allocate(1);
        host.observed().failRequest(vfio_h.VFIO_IOMMU_MAP_DMA, 1);
        VfioException e = assertThrows(VfioException.class, () -> window.map(memory, DmaDirection.TO_DEVICE));
        assertEquals(Optional.empty(), e.errno());
        assertTrue(e.getMessage().contains("size 0x10000) = 1]"), e.getMessage());
        assertEquals(List.of(), window.mappings());
        host.observed().heal();
        DmaMapping mapping = window.map(memory, DmaDirection.TO_DEVICE);
        host.observed().failRequest(vfio_h.VFIO_IOMMU_UNMAP_DMA, 1);
        assertThrows(VfioException.class, mapping::close);
        assertEquals(List.of(mapping), window.mappings());
        host.observed().heal();
    }

    @Test
    void map_ioctlFails_callWithArgumentsInMessage() {
        DmaWindow window = window();
        DmaMemory memory = container.allocate(1);
        host.observed().failRequest(vfio_h.VFIO_IOMMU_MAP_DMA, Errno.ENXIO.negated());
        VfioException e = assertThrows(VfioException.class, () -> window.map(memory, DmaDirection.BIDIRECTIONAL));
        assertEquals(
                "cannot map 64K at 0x800000000000000..0x80000000000ffff: the IOVA is in no window"
                        + " [VFIO_IOMMU_MAP_DMA(flags READ | WRITE, vaddr 0x%x, iova 0x800000000000000, size 0x10000) = ENXIO, No such device or address]; use an address inside the window"
                                .formatted(memory.address()),
                e.getMessage());
        host.observed().heal();
    }
}
