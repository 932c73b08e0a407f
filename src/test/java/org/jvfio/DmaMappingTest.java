package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

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
    void aPreparedMappingHasItsAddressesBeforeItIsMapped() {
        DmaMapping mapping = window.prepare(memory, PAGE, 2 * PAGE, DmaDirection.TO_DEVICE);
        assertEquals(new IovaRange(HIGH, 2 * PAGE), mapping.range());
        assertFalse(mapping.isMapped());
        assertEquals(0, mappedPages());
        assertEquals(
                HIGH + 2 * PAGE,
                window.map(memory, 0, PAGE, DmaDirection.TO_DEVICE).iova());
        assertEquals(
                HIGH + 8 * PAGE,
                window.prepareAt(HIGH + 8 * PAGE, memory, 0, PAGE, DmaDirection.TO_DEVICE)
                        .iova());
        assertThrows(
                VfioException.class, () -> window.prepareAt(HIGH + 8 * PAGE, memory, 0, PAGE, DmaDirection.TO_DEVICE));
    }

    @Test
    void eachMapAndUnmapIsOneSystemCall() {
        DmaMapping prepared = window.prepare(memory, 0, 2 * PAGE, DmaDirection.TO_DEVICE);
        DmaMapping other = window.map(memory, 2 * PAGE, PAGE, DmaDirection.TO_DEVICE);
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
    void whatIsMappedIsNotMappedOverAndWhatIsNotMappedIsNotUnmapped() {
        DmaMapping mapping = window.prepare(memory, 0, PAGE, DmaDirection.TO_DEVICE);
        int calls = host.observed().calls();
        assertThrows(IllegalStateException.class, mapping::unmap);
        assertEquals(calls, host.observed().calls());
        mapping.map();
        assertThrows(IllegalStateException.class, mapping::map);
        assertEquals(calls + 1, host.observed().calls());
    }

    @Test
    void aRefusedMapLeavesThePreparedOneUnmappedAndARefusedUnmapLeavesItMapped() {
        DmaMapping mapping = window.prepare(memory, 0, PAGE, DmaDirection.TO_DEVICE);
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
    void closedWithItsMemoryItIsNotMappedAgain() {
        DmaMapping idle = window.prepare(memory, 0, PAGE, DmaDirection.TO_DEVICE);
        DmaMapping busy = window.prepare(memory, PAGE, PAGE, DmaDirection.TO_DEVICE);
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
}
