package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.jvfio.Container;
import org.jvfio.DmaConstraints;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.DmaWindow;
import org.jvfio.ObservedKernel;
import org.jvfio.PageSize;
import org.jvfio.PciAddress;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;
import org.jvfio.WindowRequest;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.HostLog;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

/** What a real host does not survive, or never forgets, is refused by the library without a system call. */
@ContractTest
class GuardsTest extends Contract {
    private static final DmaDirection DIRECTION = DmaDirection.BIDIRECTIONAL;
    private static final List<String> ALARMS = List.of("WARNING:", "BUG:", "Oops", "soft lockup", "rcu_sched");

    private final HostLog log = new HostLog(process);
    private final ObservedKernel observed = new ObservedKernel(process.kernel());
    private final Container container = Container.open(observed.kernel());
    private final PageSize systemPage = container.systemPage();

    GuardsTest(ContractHost host) {
        super(host);
        container.attach(PciAddress.parse(first.address()));
    }

    /** It maps and unmaps as before, gives everything back, and the kernel's log knows of no harm. */
    @AfterEach
    void theHostIsWell() {
        container
                .map(container.allocate(1).range(), DIRECTION, DmaConstraints.NONE)
                .close();
        container.close();
        List<String> alarms = log.newMessages().stream()
                .filter(line -> ALARMS.stream().anyMatch(line::contains))
                .toList();
        assertEquals(List.of(), alarms);
    }

    private void assertRefused(Kind kind, Executable call) {
        int calls = observed.calls();
        VfioException e = assertThrows(VfioException.class, call);
        assertEquals(kind, e.kind(), e.getMessage());
        assertEquals(Optional.empty(), e.call());
        assertEquals(calls, observed.calls(), "system calls");
    }

    /** Refused for its arguments: an exception of exactly this type. */
    private void assertInvalid(Class<? extends RuntimeException> type, Executable call) {
        int calls = observed.calls();
        assertThrowsExactly(type, call);
        assertEquals(calls, observed.calls(), "system calls");
    }

    /** A page size of the IOMMU that the system's pages cannot back. */
    private PageSize tooLargePage() {
        return container.iommuInfo().pageSizes().stream()
                .filter(page -> page.compareTo(systemPage) > 0)
                .findFirst()
                .orElseThrow();
    }

    /** POWER8 spins for ever in the TCE invalidation. */
    @Test
    void mapAt_sizeZeroAtIovaZero_refusedBeforeTheCall() {
        DmaMemory memory = container.allocate(systemPage.bytes());
        DmaWindow window = container.defaultWindow();
        assertInvalid(IllegalArgumentException.class, () -> window.mapAt(0, memory.range(0, 0), DIRECTION));
        assertInvalid(IllegalArgumentException.class, () -> window.prepareAt(0, memory.range(0, 0), DIRECTION));
        assertInvalid(IllegalArgumentException.class, () -> window.mapContiguous(List.of(), DIRECTION));
        DmaMapping mapping = window.mapAt(0, memory.range(0, systemPage.bytes()), DIRECTION);
        assertInvalid(IllegalArgumentException.class, () -> mapping.unmapRange(0, 0));
    }

    /** POWER8 spins for ever when the first page cannot be mapped. */
    @Test
    void mapAt_smallerPagesThanWindow_refusedBeforeTheCall() {
        PageSize page = tooLargePage();
        container.defaultWindow().close();
        DmaWindow window = container.createWindow(page, 16 * page.bytes(), 1);
        assertEquals(host.isPowernv() ? 0 : SECOND_WINDOW, window.range().start());
        DmaMemory memory = container.allocate(page.bytes());
        assertRefused(
                Kind.UNSUPPORTED, () -> window.mapAt(window.range().start(), memory.range(0, page.bytes()), DIRECTION));
        window.close();
        container.apply(container.planWindow(WindowRequest.of(1)));
    }

    /** POWER8 spins for ever when the first page cannot be mapped. */
    @Test
    void mapAt_notRegisteredAtIovaZero_refusedBeforeTheCall() {
        DmaWindow window = container.defaultWindow();
        long bytes = systemPage.bytes();
        DmaMemory closed = container.allocate(bytes);
        closed.close();
        int calls = observed.calls();
        assertThrows(IllegalStateException.class, () -> window.mapAt(0, closed.range(0, bytes), DIRECTION));
        assertEquals(calls, observed.calls());
        try (Container other = Container.open(observed.kernel())) {
            other.attach(PciAddress.parse(second.address()));
            DmaMemory memory = other.allocate(bytes);
            assertInvalid(IllegalArgumentException.class, () -> window.mapAt(0, memory.range(0, bytes), DIRECTION));
        }
        DmaMemory freed;
        try (Arena arena = Arena.ofShared()) {
            freed = container.register(arena.allocate(bytes, bytes));
        }
        assertRefused(Kind.GONE, () -> window.mapAt(0, freed.range(0, bytes), DIRECTION));
        freed.close();
        DmaMemory memory = container.allocate(bytes);
        assertInvalid(IndexOutOfBoundsException.class, () -> window.mapAt(0, memory.range(bytes, bytes), DIRECTION));
    }

    /** The kernel writes past its table, and answers 0. */
    @Test
    void mapAt_pastEndOfWindow_refusedBeforeTheCall() {
        DmaWindow window = container.defaultWindow();
        DmaMemory memory = container.allocate(2 * systemPage.bytes());
        long last = window.range().last() + 1 - systemPage.bytes();
        assertInvalid(
                IndexOutOfBoundsException.class, () -> window.mapAt(last, memory.range(0, memory.size()), DIRECTION));
        assertInvalid(
                IndexOutOfBoundsException.class,
                () -> window.prepareAt(last + memory.size(), memory.range(0, 4096), DIRECTION));
        window.mapAt(last, memory.range(0, systemPage.bytes()), DIRECTION);
    }

    /** The kernel answers 1, which is no error to many. */
    @Test
    void mapAt_misaligned_refusedBeforeTheCall() {
        DmaWindow window = container.createWindow(systemPage, 1L << 30, 1);
        DmaMemory memory = container.allocate(2 * systemPage.bytes());
        long start = window.range().start();
        long bytes = systemPage.bytes();
        assertInvalid(IllegalArgumentException.class, () -> window.mapAt(start + 1, memory.range(0, bytes), DIRECTION));
        assertInvalid(IllegalArgumentException.class, () -> window.mapAt(start, memory.range(0, bytes + 1), DIRECTION));
        assertInvalid(
                IllegalArgumentException.class, () -> window.mapAt(start, memory.range(bytes / 2, bytes), DIRECTION));
        DmaMapping mapping = window.map(memory, DIRECTION);
        assertInvalid(IllegalArgumentException.class, () -> mapping.unmapRange(bytes / 2, bytes));
    }

    /** The kernel returns 0, and never releases the memory. */
    @Test
    void close_mappedMemory_unmapsBeforeUnregister() {
        long before = process.lockedBytes();
        DmaMemory memory = container.allocate(4 * systemPage.bytes());
        DmaMapping mapping = container.map(memory.range(), DIRECTION, DmaConstraints.NONE);
        observed.failRequest(vfio_h.VFIO_IOMMU_UNMAP_DMA, Errno.EIO.negated());
        assertThrows(VfioException.class, memory::close);
        assertEquals(0, observed.made(vfio_h.VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY));
        observed.heal();
        memory.close();
        assertEquals(1, observed.made(vfio_h.VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY));
        assertThrows(IllegalStateException.class, mapping::map);
        assertEquals(before + container.defaultWindow().tableBytes(), process.lockedBytes());
    }

    /** The kernel warns with a back trace. */
    @Test
    void register_sizeZero_refusedBeforeTheCall() {
        assertInvalid(IllegalArgumentException.class, () -> container.allocate(0));
        assertInvalid(IllegalArgumentException.class, () -> container.register(MemorySegment.NULL));
        try (Arena arena = Arena.ofShared()) {
            MemorySegment page = arena.allocate(systemPage.bytes(), systemPage.bytes());
            assertInvalid(IllegalArgumentException.class, () -> container.register(page.asSlice(0, 0)));
        }
    }

    /** The kernel charges the table to locked memory, fails, and never takes the charge back. */
    @Test
    void createWindow_leakyArguments_refusedBeforeTheCall() {
        long before = process.lockedBytes();
        if (host.isPowernv()) {
            assertRefused(Kind.UNSUPPORTED, () -> container.createWindow(PageSize.SIZE_64K, TIB, 1));
            assertRefused(Kind.UNSUPPORTED, () -> container.createWindow(PageSize.SIZE_64K, GIB, 5));
        }
        int most = container.iommuInfo().maxLevels();
        assertRefused(Kind.UNSUPPORTED, () -> container.createWindow(PageSize.SIZE_64K, GIB, most + 1));
        assertInvalid(IllegalArgumentException.class, () -> container.createWindow(PageSize.SIZE_64K, GIB + 4096, 1));
        assertEquals(before, process.lockedBytes());
        assertEquals(0, observed.made(vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE));
    }

    /** The kernel replaces one by the other without a word. */
    @Test
    void mapAt_overMapping_refusedBeforeTheCall() {
        DmaWindow window = container.defaultWindow();
        DmaMemory memory = container.allocate(2 * systemPage.bytes());
        DmaMapping mapping = window.map(memory.range(0, systemPage.bytes()), DIRECTION);
        assertRefused(Kind.CONFLICT, () -> window.mapAt(mapping.iova(), memory.range(0, memory.size()), DIRECTION));
        mapping.replace(memory.range(systemPage.bytes(), mapping.size()), DIRECTION);
    }
}
