package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.jvfio.contract.Contract.GIB;
import static org.jvfio.contract.Contract.KIB;
import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.EBUSY;
import static org.jvfio.kernel.Errno.EPERM;
import static org.jvfio.uapi.vfio_h.VFIO_SPAPR_TCE_IOMMU;
import static org.jvfio.uapi.vfio_h.VFIO_SPAPR_TCE_v2_IOMMU;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.jvfio.contract.host.EmulatedContractHost;
import org.jvfio.contract.host.Hosts;
import org.jvfio.contract.host.RawContainer;
import org.jvfio.contract.host.RawGroup;
import org.jvfio.contract.host.RawTceInfo;
import org.jvfio.contract.host.VfioProcess;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.KernelVersion;
import org.jvfio.emulator.Platform;
import org.jvfio.kernel.Errno;

/**
 * Groups below host bridges of different kinds, which no real host has: they stand for groups that differ, or do not go
 * together. Group 0 is below a bridge of the machine's kind, group 1 below the other one.
 */
@EmulatorTest
class MixedBridgesTest {
    private static final long PAGE = 64 * KIB;
    private static final long PHB3_PAGES = 0x11011000;
    private static final long PHB4_PAGES = 0x40211000;

    private EmulatedKernel kernel = boot(Hosts.POWER8.toBuilder().bridge(1, Platform.PHB4, GIB));
    private VfioProcess process = EmulatedContractHost.process(kernel);

    private static EmulatedKernel boot(EmulatedMachine.Builder machine) {
        return EmulatedKernel.boot(machine.build());
    }

    private void reboot(EmulatedMachine.Builder machine) {
        kernel = boot(machine);
        process = EmulatedContractHost.process(kernel);
    }

    @AfterEach
    void nothingIsLeft() {
        process.end();
    }

    private static void assertTold(RawContainer container, long size, long pageSizes) {
        RawTceInfo info = container.info();
        assertEquals(size, info.size());
        assertEquals(pageSizes, info.pageSizes());
    }

    @Test
    @Scenario("H9")
    void tceGetInfo_groupAddedAfterIommu_valuesOfTheLast() {
        RawContainer container = process.openContainer();
        RawGroup group = process.openGroup(0);
        assertAnswer(0, group.setContainer(container));
        assertAnswer(0, container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU));
        assertTold(container, 2 * GIB, PHB3_PAGES);
        RawGroup other = process.openGroup(1);
        assertAnswer(0, other.setContainer(container));
        assertTold(container, GIB, PHB4_PAGES);
        assertAnswer(0, other.unsetContainer());
        assertTold(container, 2 * GIB, PHB3_PAGES);
    }

    @Test
    @Scenario({"H6", "H9"})
    void tceGetInfo_groupsBeforeIommu_valuesOfTheFirst() {
        RawContainer container = process.openContainer();
        assertAnswer(0, process.openGroup(0).setContainer(container));
        assertAnswer(0, process.openGroup(1).setContainer(container));
        assertAnswer(0, container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU));
        assertTold(container, 2 * GIB, PHB3_PAGES);
    }

    @Test
    @Scenario("H2")
    void tceCreate_differentBridges_limitsOfTheLast() {
        RawContainer container = process.openContainer();
        assertAnswer(0, process.openGroup(0).setContainer(container));
        assertAnswer(0, container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU));
        assertAnswer(0, process.openGroup(1).setContainer(container));
        long memory = process.memory(PAGE);
        assertAnswer(0, container.register(memory, PAGE));
        assertAnswer(Errno.ENXIO, container.map(GIB, memory, PAGE));
        assertAnswer(Errno.EINVAL, container.create(24, 16 * GIB, 1));
        container.createWindow(21, 16 * GIB, 1);
        for (int group = 0; group < 2; group++) {
            assertEquals(GIB, kernel.host().group(group).windows().getFirst().size());
            assertEquals(21, kernel.host().group(group).windows().getLast().pageShift());
        }
    }

    @Test
    void enable_differentBridges_locksOwnWindow() {
        for (int number = 0; number < 2; number++) {
            RawGroup group = process.openGroup(number);
            RawContainer container = process.openContainer();
            assertAnswer(0, group.setContainer(container));
            assertAnswer(0, container.setIommu(VFIO_SPAPR_TCE_IOMMU));
            assertAnswer(0, container.enable());
            assertEquals(number == 0 ? 2 * GIB : GIB, process.lockedBytes());
            assertAnswer(0, container.disable());
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"V4_2", "V4_10", "V4_12", "V5_0"})
    void setContainer_takenGroupWithLentTable_eperm(KernelVersion version) {
        reboot(Hosts.POWER7.toBuilder().bridge(1, Platform.PHB3, 2 * GIB).kernel(version));
        RawContainer container = process.openContainer();
        assertAnswer(0, process.openGroup(0).setContainer(container));
        assertAnswer(0, container.setIommu(VFIO_SPAPR_TCE_IOMMU));
        RawGroup other = process.openGroup(1);
        assertAnswer(EPERM, other.setContainer(container));
        assertEquals(
                "tce_vfio: Group 1 is incompatible with group 0",
                kernel.host().log().getLast());
        assertTrue(kernel.host().group(1).ownedByHost());
        assertAnswer(0, other.setContainer(process.openContainer()));
    }

    @ParameterizedTest
    @EnumSource(names = {"V4_2", "V4_10", "V4_12", "V5_0"})
    void setContainer_lentTableAfterTakenGroup_ebusy(KernelVersion version) {
        reboot(Hosts.POWER8.toBuilder().bridge(1, Platform.IODA1, GIB).kernel(version));
        RawContainer container = process.openContainer();
        assertAnswer(0, process.openGroup(0).setContainer(container));
        assertAnswer(0, container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU));
        assertAnswer(EBUSY, process.openGroup(1).setContainer(container));
        assertTrue(kernel.host().group(1).ownedByHost());
    }
}
