package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.EPERM;
import static org.jvfio.uapi.vfio_h.VFIO_SPAPR_TCE_v2_IOMMU;

import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.Buffers;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.Edu;
import org.jvfio.contract.host.RawContainer;
import org.jvfio.contract.host.RawGroup;
import org.jvfio.contract.host.RawTceInfo;

/** Two groups in a container of type 7: they share its windows, where a table can be shared. */
@ContractTest
class SeveralGroupsTest extends Contract {
    private static final long IOVA = 0x100000;
    private static final long PAGE = 64 * KIB;

    private final RawGroup group = openGroup();
    private final RawGroup other = process.openGroup(second.group());
    private final Buffers buffers = new Buffers(process);

    SeveralGroupsTest(ContractHost host) {
        super(host);
    }

    /** A container that both groups have come into, when it had its IOMMU and no window yet. */
    private RawContainer shared() {
        RawContainer container = v2(group);
        assertAnswer(0, other.setContainer(container));
        assertAnswer(0, container.register(buffers.memory(), Buffers.BYTES));
        return container;
    }

    private void assertBothCopy(long window) {
        for (Edu edu :
                new Edu[] {Edu.mastering(group.device(first.address())), Edu.mastering(other.device(second.address()))
                }) {
            buffers.fillSource();
            edu.readMemory(window, Edu.BUFFER_BYTES);
            edu.writeMemory(window + PAGE, Edu.BUFFER_BYTES);
            buffers.assertCopied();
        }
    }

    @Test
    @Scenario({"H1", "H2", "H7"})
    void setContainer_secondGroupWithWindow_sharesIt() {
        RawContainer container = v2(group);
        assertAnswer(0, container.register(buffers.memory(), Buffers.BYTES));
        assertAnswer(0, container.map(IOVA, buffers.memory(), 2 * PAGE));
        if (host.isPowernv()) {
            assertAnswer(0, other.setContainer(container));
            assertBothCopy(IOVA);
        } else {
            // A window of an LPAR is of one group.
            assertAnswer(EPERM, other.setContainer(container));
        }
    }

    @Test
    @Scenario({"H2", "H3", "H8"})
    void tceCreate_twoGroups_setInBoth() {
        RawContainer container = shared();
        if (host.isPowernv()) {
            long window = container.createWindow(systemPageShift(), GIB, 1);
            assertAnswer(0, container.map(window, buffers.memory(), 2 * PAGE));
            assertBothCopy(window);
        } else {
            long before = process.lockedBytes();
            assertAnswer(EPERM, container.create(systemPageShift(), GIB, 1));
            assertEquals(before, process.lockedBytes());
        }
    }

    @Test
    @Scenario({"H4", "H5"})
    void unsetContainer_oneOfTwoGroups_clearsAllMappings() {
        assumeTrue(host.isPowernv(), "in an LPAR, two groups cannot share a window");
        RawContainer container = shared();
        assertAnswer(0, container.map(IOVA, buffers.memory(), 2 * PAGE));
        Edu edu = Edu.mastering(group.device(first.address()));
        buffers.fillSource();
        edu.readMemory(IOVA, Edu.BUFFER_BYTES);
        assertAnswer(0, other.unsetContainer());
        long locked = process.lockedBytes();
        // Nothing is mapped, and so nothing leaks.
        assertAnswer(0, container.unregister(buffers.memory(), Buffers.BYTES));
        assertEquals(locked - Buffers.BYTES, process.lockedBytes());
        assertAnswer(0, container.register(buffers.memory(), Buffers.BYTES));
        assertAnswer(0, container.map(IOVA, buffers.memory(), 2 * PAGE));
        edu.writeMemory(IOVA + PAGE, Edu.BUFFER_BYTES);
        buffers.assertCopied();
        assertAnswer(0, container.unmap(IOVA, 2 * PAGE));
    }

    @Test
    @Scenario("H6")
    void setIommu_twoGroups_succeeds() {
        RawContainer container = containerWith(group);
        assertAnswer(0, other.setContainer(container));
        assertAnswer(0, container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU));
        container.info();
    }

    @Test
    @Scenario("H9")
    void tceGetInfo_twoGroups_succeeds() {
        RawContainer container = v2(group);
        RawTceInfo ofTheFirst = container.info();
        assertAnswer(0, other.setContainer(container));
        assertEquals(ofTheFirst, container.info());
        assertAnswer(0, group.unsetContainer());
        assertEquals(ofTheFirst, container.info());
    }
}
