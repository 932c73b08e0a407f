package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.EINVAL;
import static org.jvfio.kernel.Errno.ENOMEM;
import static org.jvfio.kernel.Errno.ENXIO;

import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.RawContainer;

/**
 * MAP_DMA and UNMAP_DMA in containers of type 7, which map registered memory only.
 *
 * <p>What is refused is tried elsewhere than at bus address 0, where it would hang a POWER8 host.
 */
@ContractTest
class Type7MappingTest extends Contract {
    private static final long IOVA = 0x100000;
    private static final long BYTES = 4 * MIB;
    private static final int MISALIGNED_IOVA = 1;

    private final long memory = process.memory(BYTES);

    Type7MappingTest(ContractHost host) {
        super(host);
    }

    private RawContainer registered() {
        RawContainer container = v2();
        assertAnswer(0, container.register(memory, BYTES));
        return container;
    }

    @Test
    @Scenario("F1")
    void mapDma_registeredMemory_succeeds() {
        RawContainer container = registered();
        assertAnswer(0, container.map(0, memory, 64 * KIB));
        assertAnswer(0, container.unmap(0, 64 * KIB));
        assertAnswer(0, container.unregister(memory, BYTES));
    }

    @Test
    @Scenario("F2")
    void mapDma_lastPageNotRegistered_einvalAndRolledBack() {
        RawContainer container = registered();
        long before = process.lockedBytes() - BYTES;
        assertAnswer(EINVAL, container.map(IOVA, memory + BYTES - 64 * KIB, 128 * KIB));
        // With a mapping left, the memory would stay locked.
        assertAnswer(0, container.unregister(memory, BYTES));
        assertEquals(before + tableBytes.ofDefaultWindow(container), process.lockedBytes());
    }

    @Test
    @Scenario("F3")
    void mapDma_notRegistered_einval() {
        long other = process.memory(64 * KIB);
        assertAnswer(EINVAL, registered().map(IOVA, other, 64 * KIB));
    }

    @Test
    @Scenario("F4")
    void mapDma_acrossTwoRegistrations_succeeds() {
        RawContainer container = v2();
        assertAnswer(0, container.register(memory, MIB));
        assertAnswer(0, container.register(memory + MIB, MIB));
        assertAnswer(0, container.map(IOVA, memory + MIB - 64 * KIB, 128 * KIB));
    }

    @Test
    @Scenario("F5")
    void mapDma_ordinaryMemoryInWindowOfHugePages_einval() {
        RawContainer container = registered();
        int shift = Long.numberOfTrailingZeros(hugePages(container));
        assertAnswer(0, container.remove(0));
        long window = container.createWindow(shift, 8 * GIB, 1);
        long aligned = process.memory(2L << shift) + (1L << shift) - 1 & -(1L << shift);
        assertAnswer(0, container.register(aligned, 1L << shift));
        assertAnswer(EINVAL, container.map(window + (1L << shift), aligned, 1L << shift));
    }

    /** The smallest pages of an IOMMU that are larger than the system's. */
    private long hugePages(RawContainer container) {
        return Long.lowestOneBit(container.info().pageSizes() & -(2 * process.pageSize()));
    }

    @Test
    @Scenario("F8")
    void mapDma_misalignedVaddr_einvalAndDefaultWindowCreated() {
        RawContainer container = registered();
        long before = process.lockedBytes();
        assertAnswer(EINVAL, container.map(IOVA, memory + 8, 64 * KIB));
        assertEquals(before + tableBytes.ofDefaultWindow(container), process.lockedBytes());
    }

    @Test
    @Scenario("F9")
    void mapDma_defaultWindowRemoved_enxio() {
        RawContainer container = registered();
        assertAnswer(0, container.remove(0));
        assertAnswer(ENXIO, container.map(0, memory, 64 * KIB));
        assertAnswer(ENXIO, container.unmap(0, 64 * KIB));
    }

    @Test
    @Scenario({"F10", "F11", "F12"})
    void mapDma_windowOfSystemPages_alignedToItsPages() {
        RawContainer container = registered();
        assertAnswer(0, container.remove(0));
        int shift = systemPageShift();
        long page = 1L << shift;
        long window = container.createWindow(shift, GIB, 1);
        assertEquals(host.isPowernv() ? 0 : SECOND_WINDOW, window);
        assertAnswer(0, container.map(window, memory, page));
        assertAnswer(MISALIGNED_IOVA, container.map(window + page + page / 2, memory, page));
        assertAnswer(EINVAL, container.map(window + page, memory, page / 2));
        assertAnswer(EINVAL, container.map(window + page, memory + page / 2, page));
        assertAnswer(EINVAL, container.unmap(window + page, page / 2));
        assertAnswer(MISALIGNED_IOVA, container.unmap(window + page / 2, page));
    }

    @Test
    @Scenario("F14")
    void mapDma_registeredInOtherContainer_succeeds() {
        registered();
        RawContainer other = v2(process.openGroup(second.group()));
        long more = process.memory(64 * KIB);
        assertAnswer(0, other.register(more, 64 * KIB));
        assertAnswer(0, other.map(IOVA, memory, 64 * KIB));
        assertAnswer(0, other.unmap(IOVA, 64 * KIB));
    }

    @Test
    @Scenario("F15")
    void mapDma_afterMemlockIsRaised_createsDefaultWindow() {
        RawContainer container = registered();
        process.mayLock(0);
        assertAnswer(ENOMEM, container.map(IOVA, memory, 64 * KIB));
        process.mayLock(tableBytes.ofDefaultWindow(container));
        assertAnswer(0, container.map(IOVA, memory, 64 * KIB));
    }

    @Test
    @Scenario("F16")
    void mapDma_overMapping_releasesTheOldOne() {
        RawContainer container = registered();
        long before = process.lockedBytes();
        long other = process.memory(64 * KIB);
        assertAnswer(0, container.register(other, 64 * KIB));
        assertAnswer(0, container.map(IOVA, memory, 64 * KIB));
        assertAnswer(0, container.map(IOVA, other, 64 * KIB));
        assertAnswer(0, container.unregister(memory, BYTES));
        assertAnswer(0, container.unmap(IOVA, 64 * KIB));
        assertAnswer(0, container.unregister(other, 64 * KIB));
        assertEquals(before - BYTES + tableBytes.ofDefaultWindow(container), process.lockedBytes());
    }
}
