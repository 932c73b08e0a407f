package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.Pipe;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.jvfio.VfioException.Kind;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

/** Memory that is registered: allocated in pages of several sizes, or brought by its owner. */
class DmaMemoryTest {
    private static final long PAGE = 1L << 16;

    private final TestHost host = new TestHost(
            EmulatedMachine.power8().toBuilder().hugePages(1 << 24, 4).build());
    private final Container container = Container.open(host.kernel());
    private final Arena arena = Arena.ofShared();

    @BeforeEach
    void attach() {
        container.attach(TestHost.EDU);
    }

    @AfterEach
    void giveBack() {
        container.close();
        arena.close();
        host.assertAllGivenBack();
    }

    private MemorySegment pages(int count) {
        return arena.allocate(count * PAGE, PAGE);
    }

    private void assertRefused(Kind kind, String reason, MemorySegment segment) {
        int calls = host.observed().calls();
        VfioException e = assertThrows(VfioException.class, () -> container.register(segment));
        assertEquals(kind, e.kind());
        assertTrue(e.reason().contains(reason), e.getMessage());
        assertEquals(Optional.empty(), e.call());
        assertEquals(calls, host.observed().calls(), "system calls");
    }

    private void assertInvalid(String reason, MemorySegment segment) {
        int calls = host.observed().calls();
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> container.register(segment));
        assertTrue(String.valueOf(e.getMessage()).contains(reason), e.getMessage());
        assertEquals(calls, host.observed().calls(), "system calls");
    }

    private int registered() {
        return host.process().registeredRegions();
    }

    @Test
    void allocate_negativeSize_illegalArgumentWithThatSize() {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> container.allocate(-1));
        assertEquals("-1B of memory in pages of 64K: ask for 1 byte to 128T", e.getMessage());
        DmaMemory memory = container.allocate(PAGE);
        for (long size : new long[] {-1, -PAGE}) {
            IllegalArgumentException part = assertThrows(IllegalArgumentException.class, () -> memory.range(0, size));
            assertTrue(
                    String.valueOf(part.getMessage()).startsWith("a range of " + size + " bytes"), part.getMessage());
        }
    }

    @Test
    void allocate_hugePages_mappedInWindowOfHugePages() {
        DmaMemory memory = container.allocate(1, PageSize.SIZE_16M);
        assertEquals(1L << 24, memory.size());
        assertEquals(PageSize.SIZE_16M, memory.pageSize());
        assertTrue(PageSize.SIZE_16M.isAligned(memory.address()));
        DmaWindow window = container.createWindow(PageSize.SIZE_16M, 1L << 34, 1);
        window.map(memory, DmaDirection.BIDIRECTIONAL);
        assertEquals(1, host.group(0).windows().getLast().mappedPages());
        container.defaultWindow().map(memory, DmaDirection.BIDIRECTIONAL);
    }

    @Test
    void allocate_tooFewHugePages_poolNamed() {
        VfioException tooFew = assertThrows(VfioException.class, () -> container.allocate(5 << 24, PageSize.SIZE_16M));
        assertEquals(Errno.ENOMEM, tooFew.errno().orElseThrow());
        assertTrue(tooFew.reason().contains("it takes 5"), tooFew.getMessage());
        assertTrue(tooFew.hint().contains("hugepages-16384kB/nr_hugepages"), tooFew.getMessage());
        VfioException none = assertThrows(VfioException.class, () -> container.allocate(1, PageSize.SIZE_2M));
        assertTrue(none.reason().contains("no huge pages of that size"), none.getMessage());
        assertEquals(Kind.OUT_OF_MEMORY, tooFew.kind());
        assertEquals(Kind.UNSUPPORTED, none.kind());
        IllegalArgumentException small =
                assertThrows(IllegalArgumentException.class, () -> container.allocate(1, PageSize.SIZE_4K));
        assertEquals("memory in pages of 4K: the system's pages of 64K are the smallest", small.getMessage());
    }

    @Test
    void register_callersSegment_contentsKeptAndNotFreed() {
        MemorySegment segment = pages(2);
        segment.fill((byte) 7);
        try (DmaMemory memory = container.register(segment)) {
            assertEquals(segment.address(), memory.address());
            assertFalse(memory.isAllocated());
            assertEquals(2 * PAGE, container.lockedMemory().locked());
            assertEquals(
                    2 * PAGE,
                    container
                            .defaultWindow()
                            .map(memory, DmaDirection.BIDIRECTIONAL)
                            .range()
                            .size());
        }
        assertEquals(0, registered());
        assertEquals(7, segment.get(java.lang.foreign.ValueLayout.JAVA_BYTE, 2 * PAGE - 1));
    }

    @Test
    void register_invalidSegment_refusedWithoutSystemCall() {
        assertInvalid("in the Java heap", MemorySegment.ofArray(new long[8192]));
        assertInvalid("read-only", pages(1).asReadOnly());
        assertInvalid("not whole system pages of 64K", pages(2).asSlice(8, PAGE));
        assertInvalid("not whole system pages of 64K", pages(1).asSlice(0, 4096));
        assertInvalid("not whole system pages of 64K", pages(1).asSlice(0, 0));
        try (Arena confined = Arena.ofConfined()) {
            assertInvalid("belongs to a single thread", confined.allocate(PAGE, PAGE));
        }
        MemorySegment freed;
        try (Arena shared = Arena.ofShared()) {
            freed = shared.allocate(PAGE, PAGE);
        }
        assertRefused(Kind.GONE, "freed already", freed);
    }

    @Test
    void register_sameSegmentTwice_oneIoctl() {
        MemorySegment segment = pages(2);
        DmaMemory first = container.register(segment);
        DmaMemory second = container.register(segment);
        assertEquals(1, registered());
        assertEquals(2 * PAGE, container.lockedMemory().locked());
        first.close();
        assertEquals(1, registered());
        container.defaultWindow().map(second, DmaDirection.TO_DEVICE);
        second.close();
        assertEquals(0, registered());
    }

    @Test
    void register_overlapping_onlyGapsRegistered() {
        MemorySegment segment = pages(6);
        DmaMemory middle = container.register(segment.asSlice(2 * PAGE, PAGE));
        DmaMemory all = container.register(segment);
        assertEquals(3, registered());
        assertEquals(6 * PAGE, container.lockedMemory().locked());
        DmaMapping mapping = container.defaultWindow().map(all, DmaDirection.TO_DEVICE);
        middle.close();
        assertEquals(3, registered());
        mapping.close();
        all.close();
        assertEquals(0, registered());
        assertEquals(
                host.observed().made(vfio_h.VFIO_IOMMU_SPAPR_REGISTER_MEMORY),
                host.observed().made(vfio_h.VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY));
    }

    @Test
    void register_addressesOfFreedMemory_refused() {
        MemorySegment segment = pages(4);
        DmaMemory all = container.register(segment);
        DmaMemory half = container.register(segment.asSlice(0, 2 * PAGE));
        all.close();
        assertRefused(
                Kind.CONFLICT,
                "still registered, with what was at these addresses before",
                segment.asSlice(PAGE, 2 * PAGE));
        container.register(segment.asSlice(PAGE, PAGE)).close();
        half.close();
        container.register(segment.asSlice(PAGE, 2 * PAGE));
    }

    @Test
    void register_oneGapFails_noneRegistered() {
        MemorySegment segment = pages(5);
        DmaMemory middle = container.register(segment.asSlice(2 * PAGE, PAGE));
        host.observed().failRequest(vfio_h.VFIO_IOMMU_SPAPR_REGISTER_MEMORY, Errno.EFAULT.negated(), 1);
        VfioException e = assertThrows(VfioException.class, () -> container.register(segment));
        assertEquals(Errno.EFAULT, e.errno().orElseThrow());
        host.observed().heal();
        assertEquals(1, registered());
        assertEquals(PAGE, host.process().lockedBytes());
        middle.close();
        assertEquals(0, registered());
    }

    @Test
    void close_partIsRegisteredByItself_freedWithThePart() {
        DmaMemory memory = container.allocate(4 * PAGE);
        MemorySegment segment = memory.segment();
        DmaMemory part = container.register(segment.asSlice(PAGE, PAGE));
        memory.close();
        segment.fill((byte) 1);
        part.close();
        assertFalse(segment.scope().isAlive());
        container.register(container.allocate(PAGE).segment());
    }

    @Test
    void map_partlyUnregistered_refused() {
        MemorySegment segment = pages(6);
        DmaMemory middle = container.register(segment.asSlice(2 * PAGE, PAGE));
        DmaMemory all = container.register(segment);
        middle.close();
        host.observed().failRequest(vfio_h.VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, Errno.EIO.negated(), 1);
        VfioException e = assertThrows(VfioException.class, all::close);
        assertTrue(e.getMessage().contains("VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY"), e.getMessage());
        host.observed().heal();
        int calls = host.observed().calls();
        assertThrows(
                IllegalStateException.class,
                () -> container.defaultWindow().mapAt(0, all.range(0, 6 * PAGE), DmaDirection.TO_DEVICE));
        assertEquals(calls, host.observed().calls(), "system calls");
        assertEquals(2, registered());
        all.close();
        assertEquals(0, registered());
    }

    @Test
    void closeContainer_segmentInUse_freedBySecondClose() throws Exception {
        ByteBuffer bytes = container.allocate(1 << 22).segment().asByteBuffer();
        Pipe pipe = Pipe.open();
        Thread writer = new Thread(new FutureTask<>(() -> pipe.sink().write(bytes)));
        try (ReadableByteChannel source = pipe.source();
                WritableByteChannel sink = pipe.sink()) {
            assertTrue(sink.isOpen());
            writer.start();
            // More than a pipe holds is written, so that the call does not end before the pipe is closed.
            assertEquals(1, source.read(ByteBuffer.allocate(1)));
            VfioException e = assertThrows(VfioException.class, container::close);
            assertTrue(e.reason().contains("a call of another thread is using its segment"), e.getMessage());
            assertEquals(0, e.getSuppressed().length);
            assertEquals(1 << 22, host.process().host().userMemoryBytes());
        }
        writer.join();
        container.close();
        assertEquals(0, host.process().host().userMemoryBytes());
    }

    @Test
    void close_freedByOwner_unpinned() {
        DmaMemory memory;
        try (Arena early = Arena.ofShared()) {
            memory = container.register(early.allocate(PAGE, PAGE));
            container.defaultWindow().map(memory, DmaDirection.TO_DEVICE);
        }
        assertEquals(1, registered());
        memory.close();
        assertEquals(0, registered());
    }

    @Test
    void map_freedByOwner_refused() {
        DmaMemory memory;
        DmaMapping prepared;
        try (Arena early = Arena.ofShared()) {
            memory = container.register(early.allocate(PAGE, PAGE));
            prepared = container.prepare(memory.range(), DmaDirection.TO_DEVICE, DmaConstraints.NONE);
        }
        int calls = host.observed().calls();
        for (Executable map : List.<Executable>of(
                prepared::map, () -> container.defaultWindow().map(memory, DmaDirection.TO_DEVICE))) {
            VfioException e = assertThrows(VfioException.class, map);
            assertEquals("its owner has freed the memory", e.reason());
        }
        assertEquals(calls, host.observed().calls());
    }

    @Test
    void replace_freedByOwnerAndRefused_notMappedAgain() {
        DmaMemory other = container.allocate(PAGE);
        DmaMapping mapping;
        try (Arena early = Arena.ofShared()) {
            mapping = container
                    .defaultWindow()
                    .map(container.register(early.allocate(PAGE, PAGE)), DmaDirection.TO_DEVICE);
        }
        long maps = host.observed().made(vfio_h.VFIO_IOMMU_MAP_DMA);
        host.observed().answerRequest(vfio_h.VFIO_IOMMU_MAP_DMA, _ -> {
            host.observed().heal();
            return Errno.EIO.negated();
        });
        VfioException e = assertThrows(
                VfioException.class, () -> mapping.replace(other.range(0, mapping.size()), DmaDirection.TO_DEVICE));
        assertEquals(0, e.getSuppressed().length);
        assertEquals(maps + 1, host.observed().made(vfio_h.VFIO_IOMMU_MAP_DMA));
        assertFalse(mapping.isMapped());
        assertEquals(0, host.group(0).windows().getFirst().mappedPages());
    }

    @Test
    void register_addressesReused_notTakenForOldMemory() {
        for (int attempt = 0; ; attempt++) {
            assertTrue(attempt < 1000, "no address came back");
            DmaMemory old;
            try (Arena early = Arena.ofShared()) {
                old = container.register(early.allocate(PAGE, PAGE));
            }
            MemorySegment again = arena.allocate(PAGE, PAGE);
            if (again.address() == old.address()) {
                assertRefused(Kind.CONFLICT, "still registered, with what was at these addresses before", again);
                old.close();
                container.register(again);
                break;
            }
            old.close();
        }
    }
}
