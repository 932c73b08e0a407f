package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.jvfio.kernel.Errno.EBUSY;
import static org.jvfio.kernel.Errno.EFAULT;
import static org.jvfio.kernel.Errno.EINVAL;
import static org.jvfio.kernel.Errno.ENOMEM;
import static org.jvfio.kernel.Errno.ENOTTY;
import static org.jvfio.kernel.Errno.EPERM;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_iommu_spapr_tce_info;

/** What a group's windows can be, and the enabling of a container of type 2. */
@ContractTest
class InfoAndEnableTest extends Contract {
    private static final byte UNTOUCHED = 0x5a;

    InfoAndEnableTest(ContractHost host) {
        super(host);
    }

    @Test
    @Scenario("C1")
    void infoTellsWhatWindowsAGroupCanHave() {
        long pageSizes = switch (host.platform()) {
            case PHB3 -> 0x11011000;
            case PHB4, PHB5 -> 0x40211000;
            default -> 0x1211000;
        };
        long size = host.isPowernv() ? 2 * GIB : GIB;
        TceInfo expected =
                new TceInfo(32, vfio_h.VFIO_IOMMU_SPAPR_INFO_DDW, 0, size, pageSizes, 2, host.isPowernv() ? 5 : 1);
        assertEquals(expected, v2().info());
    }

    @Test
    @Scenario({"C2", "C3"})
    void aShortInfoStructIsFilledWithoutTheWindowsPart() {
        Container container = v2();
        for (int argsz : new int[] {16, 24, 31}) {
            MemorySegment info = container.infoStruct(argsz);
            info.asSlice(4).fill(UNTOUCHED);
            assertAnswer(0, container.getInfo(info));
            assertEquals(vfio_h.VFIO_IOMMU_SPAPR_INFO_DDW, vfio_iommu_spapr_tce_info.flags(info));
            byte[] untouched = new byte[16];
            Arrays.fill(untouched, UNTOUCHED);
            assertArrayEquals(untouched, info.asSlice(16).toArray(ValueLayout.JAVA_BYTE));
        }
    }

    @Test
    @Scenario("C4")
    void infoNeedsItsShortestStruct() {
        Container container = v2();
        assertAnswer(EINVAL, container.getInfo(container.infoStruct(12)));
        assertAnswer(EINVAL, container.getInfo(container.infoStruct(15)));
        assertAnswer(EFAULT, container.ioctl(vfio_h.VFIO_IOMMU_SPAPR_TCE_GET_INFO, 0));
    }

    @Test
    @Scenario("C5")
    void type2HasNoWindowsToMake() {
        Container container = v1();
        MemorySegment info = container.infoStruct(32);
        info.asSlice(4).fill(UNTOUCHED);
        assertAnswer(0, container.getInfo(info));
        assertEquals(new TceInfo(32, 0, 0, host.isPowernv() ? 2 * GIB : GIB, 0, 0, 0), TceInfo.of(info));
    }

    @Test
    @Scenario("C6")
    void infoIsOfTheGroupAndNotOfItsWindows() {
        Container container = v2();
        TceInfo before = container.info();
        container.createWindow(16, GIB, 1);
        assertEquals(before, container.info());
        assertAnswer(0, container.remove(0));
        assertEquals(before, container.info());
    }

    @Test
    @Scenario("C7")
    void enableLocksAsMuchAsTheWholeWindow() {
        Container container = v1();
        long before = process.lockedBytes();
        assertAnswer(0, container.enable());
        assertEquals(before + container.info().size(), process.lockedBytes());
        assertAnswer(0, container.disable());
        assertEquals(before, process.lockedBytes());
    }

    @Test
    @Scenario("C8")
    void anEnabledContainerIsBusy() {
        assertAnswer(EBUSY, enabledV1().enable());
    }

    @Test
    @Scenario("C9")
    void enableNeedsTheRightToLockTheWholeWindow() {
        Container container = v1();
        long window = container.info().size();
        process.mayLock(window - process.pageSize());
        assertAnswer(ENOMEM, container.enable());
        process.mayLock(window);
        assertAnswer(0, container.enable());
    }

    @Test
    @Scenario("C10")
    void type7IsNotEnabled() {
        Container container = v2();
        assertAnswer(ENOTTY, container.enable());
        assertAnswer(ENOTTY, container.disable());
    }

    @Test
    @Scenario("C11")
    void whatIsNotEnabledCanBeDisabled() {
        assertAnswer(0, v1().disable());
    }

    @Test
    @Scenario({"C12", "C13"})
    void mappingsOutliveDisable() {
        Container container = enabledV1();
        long memory = process.memory(64 * KIB);
        assertAnswer(0, container.map(0x10000, memory, 64 * KIB));
        assertAnswer(0, container.disable());
        assertAnswer(EPERM, container.unmap(0x10000, 64 * KIB));
        assertAnswer(0, container.enable());
        assertAnswer(0, container.unmap(0x10000, 64 * KIB));
    }

    @Test
    @Scenario("C14")
    void type2DoesNotKnowTheCallsOfType7() {
        Container container = enabledV1();
        long memory = process.memory(64 * KIB);
        assertAnswer(ENOTTY, container.register(memory, 64 * KIB));
        assertAnswer(ENOTTY, container.unregister(memory, 64 * KIB));
        assertAnswer(ENOTTY, container.create(16, GIB, 1));
        assertAnswer(ENOTTY, container.remove(0));
    }

    @Test
    @Scenario("C18")
    void theFirstMappingNeedsTheRightToLockTheTable() {
        Container container = v1();
        long memory = process.memory(64 * KIB);
        process.mayLock(container.info().size());
        assertAnswer(0, container.enable());
        assertAnswer(ENOMEM, container.map(0x10000, memory, 64 * KIB));
        process.mayLockAll();
        assertAnswer(0, container.map(0x10000, memory, 64 * KIB));
    }
}
