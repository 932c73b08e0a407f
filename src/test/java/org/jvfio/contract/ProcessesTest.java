package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.EINVAL;
import static org.jvfio.kernel.Errno.EPERM;
import static org.jvfio.uapi.vfio_h.VFIO_SPAPR_TCE_IOMMU;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.RawContainer;
import org.jvfio.contract.host.RawGroup;
import org.jvfio.contract.host.RawTceInfo;
import org.jvfio.contract.host.SecondProcess;

/**
 * A container belongs to the memory of the process that first changed it. Another process that has it open, be it a
 * child or one that was given a descriptor of it, has memory of its own.
 */
@ContractTest
class ProcessesTest extends Contract {
    private static final long IOVA = 0x100000;
    private static final long PAGE = 64 * KIB;

    private final SecondProcess other = process.second();
    private final RawGroup group = openGroup();

    ProcessesTest(ContractHost host) {
        super(host);
    }

    @AfterEach
    void otherIsLeftWithNothing() {
        other.end();
    }

    /** The other process has the container open, too, as {@code c0}, and a page of memory, {@code m0}. */
    private void share(RawContainer container) {
        assertEquals("0", other.receive("c0", container.descriptor()));
        assertEquals("0", other.run("mem m0 0x10000"));
    }

    private void assertNotPermitted(String... calls) {
        for (String call : calls) {
            assertEquals("-1 EPERM", other.run(call), call);
        }
    }

    private void assertOtherIsTold(RawTceInfo info) {
        String expected = "0 argsz=%d flags=%x start=%x size=%x pgsizes=%x max=%d levels=%d; "
                .formatted(
                        info.argsz(),
                        info.flags(),
                        info.start(),
                        info.size(),
                        info.pageSizes(),
                        info.windows(),
                        info.levels());
        String told = other.run("info c0");
        assertTrue(told.startsWith(expected), told);
    }

    @Test
    @Scenario("C15")
    void mapDma_otherProcessInEnabledV1_eperm() {
        RawContainer container = container(group, VFIO_SPAPR_TCE_IOMMU);
        assertAnswer(0, container.enable());
        share(container);
        assertNotPermitted("map c0 m0 0x100000 0x10000", "unmap c0 0x100000 0x10000", "disable c0");
        assertAnswer(0, container.disable());
    }

    @Test
    @Scenario("C16")
    void tceGetInfo_otherProcessBeforeAnyChange_succeeds() {
        RawContainer container = v2(group);
        share(container);
        assertEquals("1", other.run("ext c0 7"));
        assertOtherIsTold(container.info());
    }

    @Test
    @Scenario("C17")
    void tceGetInfo_otherProcessAfterChange_eperm() {
        RawContainer container = v2(group);
        container.createWindow(16, GIB, 1);
        share(container);
        assertNotPermitted("info c0");
        assertEquals("1", other.run("ext c0 7"));
    }

    @Test
    @Scenario("E28")
    void registerMemory_otherProcess_eperm() {
        RawContainer container = v2(group);
        assertAnswer(0, container.register(process.memory(PAGE), PAGE));
        share(container);
        assertNotPermitted("reg c0 m0 0x10000", "unreg c0 m0 0x10000");
    }

    @Test
    @Scenario("F13")
    void mapDma_otherProcessInV2_eperm() {
        RawContainer container = v2(group);
        long memory = process.memory(PAGE);
        assertAnswer(0, container.register(memory, PAGE));
        share(container);
        assertNotPermitted("map c0 m0 0x100000 0x10000", "map c0 " + memory + " 0x100000 0x10000");
        assertAnswer(0, container.map(IOVA, memory, PAGE));
        assertNotPermitted("unmap c0 0x100000 0x10000");
        assertAnswer(0, container.unmap(IOVA, PAGE));
    }

    @Test
    @Scenario("G28")
    void tceCreate_failedInFirstProcess_containerIsItsOwn() {
        RawContainer container = v2(group);
        assertAnswer(EINVAL, container.call(container.creation(16, GIB, 1).flags(1)));
        share(container);
        assertNotPermitted("create c0 16 0x40000000 1", "remove c0 0");
    }

    @Test
    @Scenario("A13")
    void openGroup_otherProcess_ebusy() {
        assertEquals("-1 EBUSY", other.run("open g0 /dev/vfio/" + first.group()));
    }

    @Test
    void registerMemory_receivedContainer_containerIsTheReceivers() {
        RawContainer container = v2(group);
        share(container);
        assertEquals("0; locked 0x10000", other.run("reg c0 m0 0x10000"));
        assertAnswer(EPERM, container.register(process.memory(PAGE), PAGE));
        assertAnswer(EPERM, container.getInfo(32));
        assertAnswer(0, container.close());
        assertEquals("0", other.run("info c0").substring(0, 1));
        assertAnswer(0, group.close());
        assertEquals("-1 EINVAL", other.run("info c0"));
    }
}
