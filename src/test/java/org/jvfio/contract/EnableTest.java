package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.EBUSY;
import static org.jvfio.kernel.Errno.ENOMEM;
import static org.jvfio.kernel.Errno.ENOTTY;
import static org.jvfio.kernel.Errno.EPERM;

import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.RawContainer;
import org.jvfio.contract.host.RawTceInfo;
import org.jvfio.ioctl.GetTceInfo;

/** What a container of type 2 tells, and how it is enabled. */
@Type2ContractTest
class EnableTest extends Contract {
    private static final byte UNTOUCHED = 0x5a;

    EnableTest(ContractHost host) {
        super(host);
    }

    @Test
    @Scenario("C5")
    void tceGetInfo_v1_noDynamicWindows() {
        RawContainer container = v1();
        GetTceInfo info = GetTceInfo.of(process.arena());
        info.struct().asSlice(4).fill(UNTOUCHED);
        assertAnswer(0, container.call(info));
        assertEquals(new RawTceInfo(32, 0, 0, host.isPowernv() ? 2 * GIB : GIB, 0, 0, 0), RawTceInfo.of(info));
    }

    @Test
    @Scenario("C7")
    void enable_v1_locksTheWholeWindow() {
        RawContainer container = v1();
        long before = process.lockedBytes();
        assertAnswer(0, container.enable());
        assertEquals(before + container.info().size(), process.lockedBytes());
        assertAnswer(0, container.disable());
        assertEquals(before, process.lockedBytes());
    }

    @Test
    @Scenario("C8")
    void enable_twice_ebusy() {
        assertAnswer(EBUSY, enabledV1().enable());
    }

    @Test
    @Scenario("C9")
    void enable_memlockBelowWindow_enomem() {
        RawContainer container = v1();
        long window = container.info().size();
        process.mayLock(window - process.pageSize());
        assertAnswer(ENOMEM, container.enable());
        process.mayLock(window);
        assertAnswer(0, container.enable());
    }

    @Test
    @Scenario("C11")
    void disable_neverEnabled_succeeds() {
        assertAnswer(0, v1().disable());
    }

    @Test
    @Scenario({"C12", "C13"})
    void disable_liveMapping_mappingStays() {
        RawContainer container = enabledV1();
        long memory = process.memory(64 * KIB);
        assertAnswer(0, container.map(0x10000, memory, 64 * KIB));
        assertAnswer(0, container.disable());
        assertAnswer(EPERM, container.unmap(0x10000, 64 * KIB));
        assertAnswer(0, container.enable());
        assertAnswer(0, container.unmap(0x10000, 64 * KIB));
    }

    @Test
    @Scenario("C14")
    void v2Calls_v1Container_enotty() {
        RawContainer container = enabledV1();
        long memory = process.memory(64 * KIB);
        assertAnswer(ENOTTY, container.register(memory, 64 * KIB));
        assertAnswer(ENOTTY, container.unregister(memory, 64 * KIB));
        assertAnswer(ENOTTY, container.create(16, GIB, 1));
        assertAnswer(ENOTTY, container.remove(0));
    }

    @Test
    @Scenario("C18")
    void mapDma_memlockWithoutTable_enomem() {
        RawContainer container = v1();
        long memory = process.memory(64 * KIB);
        process.mayLock(container.info().size());
        assertAnswer(0, container.enable());
        // A table that is lent is the host's.
        assertAnswer(host.lendsTables() ? 0 : ENOMEM.negated(), container.map(0x10000, memory, 64 * KIB));
        process.mayLockAll();
        assertAnswer(0, container.map(0x10000, memory, 64 * KIB));
    }
}
