package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.HostHazard;
import org.jvfio.ioctl.MapDma;
import org.jvfio.kernel.Errno;
import org.jvfio.observe.sanitize.Finding;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_iommu_type1_dma_unmap;

class DmaMappingTest {
    private static final long HIGH = 1L << 59;
    private static final long PAGE = 1L << 16;

    private final TestHost host = new TestHost();
    private final Container container = Container.open(host.kernel());
    private DmaWindow window;
    private DmaMemory memory;

    @BeforeEach
    void makeWindowAndMemory() {
        container.attach(TestHost.EDU);
        window = container.createWindow(PageSize.SIZE_64K, 1L << 30, 1);
        memory = container.allocate(4 * PAGE);
    }

    @AfterEach
    void giveBack() {
        container.close();
        host.assertAllGivenBack();
    }

    private long mappedPages() {
        return host.group(0).windows().getLast().mappedPages();
    }

    @Test
    void prepare_notMapped_hasAddresses() {
        DmaMapping mapping = window.prepare(memory.range(PAGE, 2 * PAGE), DmaDirection.TO_DEVICE);
        assertEquals(new IovaRange(HIGH, 2 * PAGE), mapping.range());
        assertFalse(mapping.isMapped());
        assertEquals(0, mappedPages());
        assertEquals(
                HIGH + 2 * PAGE,
                window.map(memory.range(0, PAGE), DmaDirection.TO_DEVICE).iova());
        assertEquals(
                HIGH + 8 * PAGE,
                window.prepareAt(HIGH + 8 * PAGE, memory.range(0, PAGE), DmaDirection.TO_DEVICE)
                        .iova());
        assertThrows(
                VfioException.class,
                () -> window.prepareAt(HIGH + 8 * PAGE, memory.range(0, PAGE), DmaDirection.TO_DEVICE));
    }

    @Test
    void mapAndUnmap_prepared_oneSystemCallEach() {
        DmaMapping prepared = window.prepare(memory.range(0, 2 * PAGE), DmaDirection.TO_DEVICE);
        DmaMapping other = window.map(memory.range(2 * PAGE, PAGE), DmaDirection.TO_DEVICE);
        for (DmaMapping mapping : List.of(prepared, other)) {
            if (mapping.isMapped()) {
                mapping.unmap();
            }
            long pages = mappedPages();
            int calls = host.observed().calls();
            mapping.map();
            assertEquals(calls + 1, host.observed().calls());
            assertEquals(pages + mapping.range().size() / PAGE, mappedPages());
            assertTrue(mapping.isMapped());
            mapping.unmap();
            assertEquals(calls + 2, host.observed().calls());
            assertEquals(pages, mappedPages());
            assertFalse(mapping.isMapped());
            mapping.map();
        }
    }

    @Test
    void mapAndUnmap_wrongState_refusedWithoutSystemCall() {
        DmaMapping mapping = window.prepare(memory.range(0, PAGE), DmaDirection.TO_DEVICE);
        int calls = host.observed().calls();
        assertThrows(IllegalStateException.class, mapping::unmap);
        assertEquals(calls, host.observed().calls());
        mapping.map();
        assertThrows(IllegalStateException.class, mapping::map);
        assertEquals(calls + 1, host.observed().calls());
    }

    @Test
    void mapAndUnmap_ioctlFails_stateKept() {
        DmaMapping mapping = window.prepare(memory.range(0, PAGE), DmaDirection.TO_DEVICE);
        host.observed().failRequest(vfio_h.VFIO_IOMMU_MAP_DMA, Errno.ENXIO.negated());
        assertThrows(VfioException.class, mapping::map);
        assertFalse(mapping.isMapped());
        host.observed().heal();
        mapping.map();
        host.observed().failRequest(vfio_h.VFIO_IOMMU_UNMAP_DMA, 1);
        VfioException e = assertThrows(VfioException.class, mapping::unmap);
        assertTrue(
                e.getMessage().contains("[VFIO_IOMMU_UNMAP_DMA(iova 0x800000000000000, size 0x10000) = 1]"),
                e.getMessage());
        assertTrue(mapping.isMapped());
        host.observed().heal();
        mapping.unmap();
    }

    @Test
    void mapAndUnmap_callInFlight_otherThreadsWait() throws Exception {
        DmaMapping mapping = window.map(memory, DmaDirection.TO_DEVICE);
        AtomicReference<List<Boolean>> seen = new AtomicReference<>();
        Thread reader = new Thread(() -> seen.set(List.of(mapping.isMapped(), Thread.interrupted())));
        host.observed().answerRequest(vfio_h.VFIO_IOMMU_UNMAP_DMA, _ -> {
            startAndAwaitWaiting(reader);
            reader.interrupt();
            return Errno.EIO.negated();
        });
        assertThrows(VfioException.class, mapping::unmap);
        reader.join();
        assertEquals(List.of(true, true), seen.get());

        Thread closer = new Thread(mapping::close);
        host.observed().answerRequest(vfio_h.VFIO_IOMMU_UNMAP_DMA, _ -> {
            startAndAwaitWaiting(closer);
            return Errno.EIO.negated();
        });
        assertThrows(VfioException.class, mapping::unmap);
        closer.join();
        assertEquals(List.of(), window.mappings());
        assertEquals(0, mappedPages());
        IllegalStateException e = assertThrows(IllegalStateException.class, mapping::map);
        assertEquals("the mapping 0x800000000000000..0x80000000003ffff is closed", e.getMessage());
    }

    static void startAndAwaitWaiting(Thread thread) {
        thread.start();
        while (thread.getState() != Thread.State.TIMED_WAITING) {
            assertTrue(thread.isAlive(), "it did not wait");
            Thread.onSpinWait();
        }
    }

    @Test
    void map_memoryClosed_refused() {
        DmaMapping idle = window.prepare(memory.range(0, PAGE), DmaDirection.TO_DEVICE);
        DmaMapping busy = window.prepare(memory.range(PAGE, PAGE), DmaDirection.TO_DEVICE);
        busy.map();
        memory.close();
        int calls = host.observed().calls();
        assertAll(
                () -> assertThrows(IllegalStateException.class, idle::map),
                () -> assertThrows(IllegalStateException.class, busy::map),
                () -> assertThrows(IllegalStateException.class, busy::unmap));
        assertEquals(calls, host.observed().calls());
        assertEquals(List.of(), window.mappings());
        assertEquals(0, mappedPages());
    }

    @Test
    void unmapRange_middle_restStaysMapped() {
        DmaMapping mapping = window.map(memory, DmaDirection.TO_DEVICE);
        List<DmaMapping> left = mapping.unmapRange(PAGE, PAGE);
        assertEquals(List.of(new IovaRange(HIGH, PAGE), new IovaRange(HIGH + 2 * PAGE, 2 * PAGE)), ranges(left));
        assertEquals(
                List.of(0L, 2 * PAGE), left.stream().map(DmaMapping::offset).toList());
        assertEquals(left, window.mappings());
        assertEquals(3, mappedPages());
        assertThrows(IllegalStateException.class, mapping::unmap);
        assertEquals(
                HIGH + PAGE,
                window.map(memory.range(0, PAGE), DmaDirection.TO_DEVICE).iova());
        assertEquals(
                List.of(new IovaRange(HIGH + 3 * PAGE, PAGE)),
                ranges(left.getLast().unmapRange(0, PAGE)));
        assertEquals(List.of(), left.getFirst().unmapRange(0, PAGE));
        assertEquals(2, mappedPages());
    }

    private static List<IovaRange> ranges(List<DmaMapping> mappings) {
        return mappings.stream().map(DmaMapping::range).toList();
    }

    @Test
    void unmapRange_invalidPart_throwsWithoutASystemCall() {
        DmaMapping mapping = window.map(memory, DmaDirection.TO_DEVICE);
        int calls = host.observed().calls();
        for (long[] part :
                new long[][] {{0, 0}, {0, 4096}, {4096, PAGE}, {0, 5 * PAGE}, {4 * PAGE, PAGE}, {-PAGE, PAGE}}) {
            boolean outside = part[0] < 0 || part[0] + part[1] > 4 * PAGE;
            Class<? extends RuntimeException> type =
                    outside ? IndexOutOfBoundsException.class : IllegalArgumentException.class;
            RuntimeException e = assertThrows(type, () -> mapping.unmapRange(part[0], part[1]));
            assertTrue(
                    String.valueOf(e.getMessage()).contains("mapping 0x800000000000000..0x80000000003ffff"),
                    e.getMessage());
        }
        assertEquals(calls, host.observed().calls());
        assertEquals(4, mappedPages());
    }

    @Test
    void replace_otherMemory_oneCallPerMapping() {
        DmaMapping old = window.map(memory.range(0, 2 * PAGE), DmaDirection.TO_DEVICE);
        DmaMemory other = container.allocate(2 * PAGE);
        int calls = host.observed().calls();
        DmaMapping mapping = old.replace(other.range(0, old.size()), DmaDirection.FROM_DEVICE);
        assertEquals(calls + 1, host.observed().calls());
        assertEquals(old.range(), mapping.range());
        assertTrue(mapping.isMapped());
        assertEquals(List.of(mapping), window.mappings());
        memory.close();
        assertEquals(2, mappedPages());
        mapping.close();
        assertEquals(0, mappedPages());
    }

    @Test
    void replace_refused_oldMappingStays() {
        DmaMapping mapping = window.map(memory.range(0, 2 * PAGE), DmaDirection.TO_DEVICE);
        int calls = host.observed().calls();
        assertThrows(
                IllegalArgumentException.class,
                () -> mapping.replace(memory.range(3 * PAGE, PAGE), DmaDirection.TO_DEVICE));
        assertEquals(calls, host.observed().calls());
        host.observed().failCall(calls);
        assertThrows(
                VfioException.class,
                () -> mapping.replace(memory.range(2 * PAGE, mapping.size()), DmaDirection.TO_DEVICE));
        assertTrue(mapping.isMapped());
        host.observed().failRequest(vfio_h.VFIO_IOMMU_MAP_DMA, Errno.EIO.negated());
        VfioException e = assertThrows(
                VfioException.class,
                () -> mapping.replace(memory.range(2 * PAGE, mapping.size()), DmaDirection.TO_DEVICE));
        assertEquals(1, e.getSuppressed().length);
        assertFalse(mapping.isMapped());
        assertEquals(0, mappedPages());
        host.observed().heal();
        mapping.map();
    }

    /** The kernel makes the default window with the first mapping, and cannot give it to both groups. */
    @Test
    void map_twoGroupsOfAnLpar_saysThatAWindowHasOneGroup() {
        TestHost lpar = new TestHost(EmulatedMachine.pseries());
        try (Container container = Container.open(lpar.kernel())) {
            container.attach(1);
            container.attach(2);
            DmaMemory memory = container.allocate(1);
            for (Executable call : List.<Executable>of(
                    () -> container.map(memory.range(), DmaDirection.BIDIRECTIONAL, DmaConstraints.NONE),
                    () -> container.createWindow(PageSize.SIZE_64K, 1L << 30, 1))) {
                VfioException e = assertThrows(VfioException.class, call);
                assertEquals(Errno.EPERM, e.errno().orElseThrow(), e.getMessage());
                assertEquals("a window of an LPAR belongs to one group, and the container has several", e.reason());
                assertEquals(VfioException.Kind.UNSUPPORTED, e.kind());
            }
        }
        lpar.assertAllGivenBack();
    }

    @Test
    void mapAll_oneFails_noneMapped() {
        List<MemoryRange> ranges = List.of(memory.range(0, PAGE), memory.range(2 * PAGE, 2 * PAGE));
        host.observed().failRequest(vfio_h.VFIO_IOMMU_MAP_DMA, Errno.EIO.negated(), 1);
        assertThrows(VfioException.class, () -> window.mapAll(ranges, DmaDirection.TO_DEVICE));
        assertEquals(List.of(), window.mappings());
        assertEquals(0, mappedPages());
        host.observed().heal();
        int calls = host.observed().calls();
        List<MemoryRange> wrong = List.of(ranges.getFirst(), memory.range(3 * PAGE, 4096));
        assertThrows(IllegalArgumentException.class, () -> window.mapAll(wrong, DmaDirection.TO_DEVICE));
        assertThrows(IllegalArgumentException.class, () -> window.mapContiguous(wrong, DmaDirection.TO_DEVICE));
        assertThrows(IllegalArgumentException.class, () -> window.mapContiguous(List.of(), DmaDirection.TO_DEVICE));
        assertEquals(calls, host.observed().calls());
        List<DmaMapping> mappings = window.mapAll(ranges, DmaDirection.TO_DEVICE);
        assertEquals(mappings, window.mappings());
        assertEquals(3, mappedPages());
    }

    @Test
    void mapContiguous_scatteredRanges_noGaps() {
        window.mapAt(HIGH + PAGE, memory.range(0, PAGE), DmaDirection.TO_DEVICE);
        List<DmaMapping> mappings = window.mapContiguous(
                List.of(memory.range(2 * PAGE, PAGE), memory.range(0, 2 * PAGE)), DmaDirection.TO_DEVICE);
        assertEquals(
                List.of(new IovaRange(HIGH + 2 * PAGE, PAGE), new IovaRange(HIGH + 3 * PAGE, 2 * PAGE)),
                ranges(mappings));
    }

    @Test
    void unmap_neighbours_onlyItsOwnRange() {
        DmaMapping first = window.mapAt(HIGH, memory.range(0, PAGE), DmaDirection.TO_DEVICE);
        window.mapAt(HIGH + PAGE, memory.range(PAGE, 2 * PAGE), DmaDirection.TO_DEVICE);
        first.close();
        assertEquals(2, mappedPages());
    }

    @Test
    void unmap_wrongStruct_noticed() {
        host.expect(Finding.Kind.HAZARD, "VFIO_IOMMU_UNMAP_DMA(iova=0x0, ", "unmap_wrongStruct_noticed");
        DmaMapping mapping = window.map(memory, DmaDirection.TO_DEVICE);
        host.observed().replaceArgument(vfio_h.VFIO_IOMMU_UNMAP_DMA, (arena, right) -> {
            long iova = vfio_iommu_type1_dma_unmap.iova(right);
            long bytes = vfio_iommu_type1_dma_unmap.size(right);
            return MapDma.of(arena, 0, 0, iova, bytes).struct();
        });
        assertThrows(HostHazard.class, mapping::unmap);
        host.observed().heal();
        assertEquals(4, mappedPages());
    }
}
