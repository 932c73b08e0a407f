package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.Hazard;
import org.jvfio.emulator.HazardPolicy;
import org.jvfio.emulator.PlatformStep;
import org.jvfio.ioctl.MapDma;
import org.jvfio.ioctl.TceCreate;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_iommu_type1_dma_map;

/** What the tables of windows lock is known before, and what a table that cannot be made has cost is told. */
class TableChargeTest {
    private static final long PAGE = 1L << 16;
    private static final long DEFAULT_TABLE = 8L << 20;
    /** Its table is as large as one that the kernel can make in one piece, and locks twice that. */
    private static final long LARGE_WINDOW = 1L << 37;

    private static final long LARGE_TABLE = 32L << 20;
    private static final long SMALL_WINDOW = 1L << 30;
    private static final long SMALL_TABLE = 256L << 10;

    /**
     * A host where memory is locked within a limit, and which leaks what it charged for a table that it cannot make.
     */
    private static TestHost host(EmulatedMachine machine, long memlockBytes) {
        return new TestHost(machine.toBuilder()
                .capIpcLock(false)
                .memlockBytes(memlockBytes)
                .hazard(Hazard.CREATE_CHARGE_LEAK, HazardPolicy.AS_LINUX)
                .build());
    }

    private static TestHost host(long memlockBytes) {
        return host(EmulatedMachine.power8(), memlockBytes);
    }

    private static Container attached(TestHost host) {
        Container container = Container.open(host.kernel());
        container.attach(host.anyDevice());
        return container;
    }

    private static void makeDefaultWindow(Container container) {
        try (DmaMemory memory = container.allocate(PAGE)) {
            container.defaultWindow().map(memory, DmaDirection.TO_DEVICE);
        }
        assertEquals(
                container.defaultWindow().tableBytes(), container.lockedMemory().locked());
    }

    private static VfioException refused(Errno errno, Executable call) {
        VfioException e = assertThrows(VfioException.class, call);
        assertEquals(Optional.of(errno), e.errno(), e.getMessage());
        return e;
    }

    private static void assertLeak(String bytes, VfioException e) {
        assertTrue(
                e.hint()
                        .endsWith("; the kernel leaves %s charged to this process's locked memory until it ends"
                                .formatted(bytes)),
                e.getMessage());
        assertFalse(e.getMessage().contains("ulimit"), e.getMessage());
    }

    private static void assertNoMemory(VfioException e) {
        assertTrue(e.reason().startsWith("the kernel has no memory for"), e.getMessage());
        assertFalse(e.getMessage().contains("ulimit"), e.getMessage());
        assertFalse(e.getMessage().contains("leaves"), e.getMessage());
    }

    private static void assertLeftAtTheEnd(long leaked, TestHost host, Container container) {
        container.close();
        assertEquals(leaked, host.process().lockedBytes());
        assertEquals(0, host.process().openDescriptors());
    }

    @Test
    void map_defaultTableOverLockLimit_refusedWithoutIoctl() {
        TestHost host = host(1 << 20);
        Container container = attached(host);
        DmaMemory memory = container.allocate(1);
        DmaWindow window = container.defaultWindow();
        DmaMapping prepared = window.prepare(memory.range(0, PAGE), DmaDirection.TO_DEVICE);
        for (Executable map : List.<Executable>of(
                prepared::map,
                () -> window.map(memory, DmaDirection.TO_DEVICE),
                () -> window.mapAll(List.of(memory.range()), DmaDirection.TO_DEVICE),
                () -> container.map(memory.range(), DmaDirection.TO_DEVICE, DmaConstraints.NONE))) {
            VfioException e = assertThrows(VfioException.class, map);
            assertEquals(Optional.empty(), e.call());
            assertTrue(
                    e.reason().contains("it needs 8M of locked memory: 64K locked of 1M, 960K remaining"),
                    e.getMessage());
            assertTrue(e.hint().contains("ulimit -l 8256, or LimitMEMLOCK=8256K"), e.hint());
        }
        assertEquals(0, host.observed().made(vfio_h.VFIO_IOMMU_MAP_DMA));
        assertEquals(List.of(prepared), window.mappings());
        assertEquals(List.of(), host.group(0).windows());
        assertLeftAtTheEnd(0, host, container);
    }

    @Test
    void map_defaultTableExactlyAtLimit_works() {
        TestHost host = host(DEFAULT_TABLE + PAGE);
        Container container = attached(host);
        DmaWindow window = container.defaultWindow();
        DmaMapping mapping = window.map(container.allocate(PAGE), DmaDirection.TO_DEVICE);
        assertEquals(DEFAULT_TABLE + PAGE, host.process().lockedBytes());
        int calls = host.observed().calls();
        mapping.unmap();
        mapping.map();
        assertEquals(calls + 2, host.observed().calls());
        assertLeftAtTheEnd(0, host, container);
    }

    @Test
    void map_fails_limitNotBlamed() {
        TestHost host = host(DEFAULT_TABLE + 2 * PAGE);
        Container container = attached(host);
        DmaMapping mapping = container.defaultWindow().map(container.allocate(PAGE), DmaDirection.TO_DEVICE);
        host.observed().failRequest(vfio_h.VFIO_IOMMU_UNMAP_DMA, Errno.ENOMEM.negated());
        assertNoMemory(refused(Errno.ENOMEM, mapping::unmap));
        host.observed().heal();
        mapping.unmap();
        host.observed().failRequest(vfio_h.VFIO_IOMMU_MAP_DMA, Errno.ENOMEM.negated());
        assertNoMemory(refused(Errno.ENOMEM, mapping::map));
        host.observed().heal();
        assertLeftAtTheEnd(0, host, container);
    }

    @Test
    void createWindow_noMemoryForTable_chargeLeakNamed() {
        TestHost host = host(64 << 20);
        Container container = attached(host);
        makeDefaultWindow(container);
        host.process().host().failNext(0, PlatformStep.CREATE_TABLE, Errno.ENOMEM);
        VfioException e = refused(Errno.ENOMEM, () -> container.createWindow(PageSize.SIZE_64K, LARGE_WINDOW, 1));
        assertEquals("the kernel has no memory for the table, though it may be locked", e.reason());
        assertLeak("32M", e);
        assertEquals(DEFAULT_TABLE + LARGE_TABLE, host.process().lockedBytes());
        assertLeftAtTheEnd(LARGE_TABLE, host, container);
    }

    @Test
    void createWindow_chargeTakenBack_noLeakNamed() {
        TestHost host = host(64 << 20);
        Container container = attached(host);
        makeDefaultWindow(container);
        host.process().host().failNext(0, PlatformStep.SET_WINDOW, Errno.ENOMEM);
        assertNoMemory(refused(Errno.ENOMEM, () -> container.createWindow(PageSize.SIZE_64K, LARGE_WINDOW, 1)));
        assertLeftAtTheEnd(0, host, container);
    }

    @Test
    void createWindow_noMemoryForDefaultTable_chargeLeakNamed() {
        TestHost host = host(52 << 20);
        Container container = attached(host);
        DmaMapping mapping =
                container.defaultWindow().prepare(container.allocate(PAGE).range(0, PAGE), DmaDirection.TO_DEVICE);
        host.process().host().failNext(0, PlatformStep.CREATE_TABLE, Errno.ENOMEM);
        assertLeak("8M", refused(Errno.ENOMEM, mapping::map));
        host.process().host().failNext(0, PlatformStep.CREATE_TABLE, Errno.ENOMEM);
        assertLeak("8M", refused(Errno.ENOMEM, () -> container.createWindow(PageSize.SIZE_64K, LARGE_WINDOW, 1)));
        assertEquals(2 * DEFAULT_TABLE + PAGE, host.process().lockedBytes());
        // It is still to be made, and what is left is too little for both.
        VfioException e =
                assertThrows(VfioException.class, () -> container.createWindow(PageSize.SIZE_64K, 1L << 37, 2));
        assertTrue(e.reason().startsWith("it needs 41088K of locked memory"), e.getMessage());
        mapping.map();
        assertEquals(3 * DEFAULT_TABLE + PAGE, host.process().lockedBytes());
        assertLeftAtTheEnd(2 * DEFAULT_TABLE, host, container);
    }

    @Test
    void createWindow_failedAfterDefaultMade_defaultCountedOnce() {
        TestHost host = host(DEFAULT_TABLE + (1 << 20));
        Container container = attached(host);
        host.observed()
                .replaceArgument(
                        vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE,
                        (arena, struct) ->
                                TceCreate.of(arena, 13, SMALL_WINDOW, 1).struct());
        VfioException e = refused(Errno.EINVAL, () -> container.createWindow(PageSize.SIZE_64K, SMALL_WINDOW, 1));
        assertFalse(e.hint().contains("charged"), e.getMessage());
        host.observed().heal();
        assertEquals(DEFAULT_TABLE, host.process().lockedBytes());
        assertEquals(
                SMALL_TABLE,
                container.createWindow(PageSize.SIZE_64K, SMALL_WINDOW, 1).tableBytes());
        assertLeftAtTheEnd(0, host, container);
    }

    @Test
    void map_failsAfterDefaultMade_noLeak() {
        TestHost host = host(DEFAULT_TABLE + (1 << 20));
        Container container = attached(host);
        DmaMemory memory = container.allocate(PAGE);
        host.observed()
                .replaceArgument(
                        vfio_h.VFIO_IOMMU_MAP_DMA,
                        (arena, struct) -> MapDma.of(
                                        arena,
                                        vfio_h.VFIO_DMA_MAP_FLAG_READ,
                                        memory.address() + PAGE,
                                        vfio_iommu_type1_dma_map.iova(struct),
                                        vfio_iommu_type1_dma_map.size(struct))
                                .struct());
        VfioException e = refused(Errno.EINVAL, () -> container.defaultWindow().map(memory, DmaDirection.TO_DEVICE));
        assertTrue(e.reason().contains("not registered"), e.getMessage());
        assertFalse(e.hint().contains("charged"), e.getMessage());
        host.observed().heal();
        container.defaultWindow().map(memory, DmaDirection.TO_DEVICE);
        assertEquals(DEFAULT_TABLE + PAGE, host.process().lockedBytes());
        assertLeftAtTheEnd(0, host, container);
    }

    @Test
    void createWindow_firmwareRefuses_chargeLeakNamed() {
        TestHost host = host(EmulatedMachine.pseries(), 64 << 20);
        Container container = attached(host);
        makeDefaultWindow(container);
        long before = host.process().lockedBytes();
        for (Errno errno : List.of(Errno.EPERM, Errno.ENODEV)) {
            host.process().host().failNext(container.groups().getFirst().number(), PlatformStep.CREATE_TABLE, errno);
            assertLeak("128K", refused(errno, () -> container.createWindow(PageSize.SIZE_64K, SMALL_WINDOW, 1)));
        }
        assertEquals(before + (256 << 10), host.process().lockedBytes());
        VfioException again =
                assertThrows(VfioException.class, () -> container.createWindow(PageSize.SIZE_64K, SMALL_WINDOW, 1));
        assertTrue(again.reason().contains("until the next boot"), again.getMessage());
        assertTrue(again.hint().contains("disable_ddw"), again.getMessage());
        assertEquals(before + (256 << 10), host.process().lockedBytes(), "no second call");
        assertLeftAtTheEnd(256 << 10, host, container);
    }

    @Test
    void createWindow_othersLockedTheRest_limitBlamed() {
        TestHost host = host(DEFAULT_TABLE + (1 << 20));
        Container container = attached(host);
        makeDefaultWindow(container);
        try (Container other = Container.open(host.kernel())) {
            other.attach(TestHost.OTHER_EDU);
            host.observed().answerRequest(vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE, _ -> {
                other.allocate((1 << 20) - SMALL_TABLE / 2);
                return Errno.ENOMEM.negated();
            });
            VfioException e =
                    refused(Errno.ENOMEM, () -> container.createWindow(PageSize.SIZE_64K, SMALL_WINDOW * 2, 1));
            assertTrue(e.reason().contains("it needs 512K of locked memory"), e.getMessage());
            assertTrue(e.reason().contains("128K remaining"), e.getMessage());
            host.observed().heal();
        }
        assertLeftAtTheEnd(0, host, container);
    }

    @Test
    void createWindow_lockedMemoryUnreadable_firstErrorReported() {
        TestHost host = host(64 << 20);
        Container container = attached(host);
        makeDefaultWindow(container);
        host.observed().failRequest(vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE, Errno.ENOSPC.negated());
        Executable create = () -> container.createWindow(PageSize.SIZE_64K, SMALL_WINDOW, 1);
        int before = host.observed().calls();
        refused(Errno.ENOSPC, create);
        int calls = host.observed().calls() - before;
        // It asks what is locked, makes the call, and asks again with as many calls.
        host.observed().failCall(host.observed().calls() + calls / 2 + 1);
        VfioException e = refused(Errno.ENOSPC, create);
        assertTrue(e.reason().contains("no free window"), e.getMessage());
        assertEquals(1, e.getSuppressed().length);
        host.observed().heal();
        assertLeftAtTheEnd(0, host, container);
    }
}
