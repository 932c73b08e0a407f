package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.EFAULT;
import static org.jvfio.kernel.Errno.EINVAL;
import static org.jvfio.kernel.Errno.ENOTTY;

import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.RawContainer;
import org.jvfio.contract.host.RawTceInfo;
import org.jvfio.ioctl.GetTceInfo;
import org.jvfio.uapi.vfio_h;

/** What a group's windows can be. */
@ContractTest
class InfoTest extends Contract {
    private static final byte UNTOUCHED = 0x5a;

    InfoTest(ContractHost host) {
        super(host);
    }

    @Test
    @Scenario("C1")
    void tceGetInfo_v2_limitsOfThePlatform() {
        long pageSizes = switch (host.platform()) {
            case PHB3 -> 0x11011000;
            case PHB4, PHB5 -> 0x40211000;
            default -> 0x1211000;
        };
        long size = host.isPowernv() ? 2 * GIB : GIB;
        RawTceInfo expected =
                new RawTceInfo(32, vfio_h.VFIO_IOMMU_SPAPR_INFO_DDW, 0, size, pageSizes, 2, host.isPowernv() ? 5 : 1);
        assertEquals(expected, v2().info());
    }

    @Test
    @Scenario({"C2", "C3"})
    void tceGetInfo_argszWithoutDdw_fillsSixteenBytes() {
        RawContainer container = v2();
        for (int argsz : new int[] {16, 24, 31}) {
            GetTceInfo info = GetTceInfo.of(process.arena()).argsz(argsz);
            info.struct().asSlice(4).fill(UNTOUCHED);
            assertAnswer(0, container.call(info));
            assertEquals(vfio_h.VFIO_IOMMU_SPAPR_INFO_DDW, info.flags());
            byte[] untouched = new byte[16];
            Arrays.fill(untouched, UNTOUCHED);
            assertArrayEquals(untouched, info.struct().asSlice(16).toArray(ValueLayout.JAVA_BYTE));
        }
    }

    @Test
    @Scenario("C4")
    void tceGetInfo_argszBelowSixteen_einval() {
        RawContainer container = v2();
        assertAnswer(EINVAL, container.getInfo(12));
        assertAnswer(EINVAL, container.getInfo(15));
        assertAnswer(EFAULT, container.ioctl(vfio_h.VFIO_IOMMU_SPAPR_TCE_GET_INFO, 0));
    }

    @Test
    @Scenario("C6")
    void tceGetInfo_windowsCreatedAndRemoved_unchanged() {
        RawContainer container = v2();
        RawTceInfo before = container.info();
        container.createWindow(16, GIB, 1);
        assertEquals(before, container.info());
        assertAnswer(0, container.remove(0));
        assertEquals(before, container.info());
    }

    @Test
    @Scenario("C10")
    void enable_v2_enotty() {
        RawContainer container = v2();
        assertAnswer(ENOTTY, container.enable());
        assertAnswer(ENOTTY, container.disable());
    }
}
