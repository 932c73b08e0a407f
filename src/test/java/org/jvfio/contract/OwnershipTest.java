package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.jvfio.contract.host.Answers.assertAnswer;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.HostLog;
import org.jvfio.contract.host.RawContainer;
import org.jvfio.contract.host.RawDevice;
import org.jvfio.contract.host.RawGroup;

/** Who has a group's windows, as a kernel without a hypervisor below it logs it; in an LPAR it logs nothing of it. */
@ContractTest
class OwnershipTest extends Contract {
    private final HostLog log;

    OwnershipTest(ContractHost host) {
        super(host);
        log = new HostLog(process);
    }

    /** What was logged of the first device's partitionable endpoint since this was asked the last time. */
    private List<String> logged() {
        return log.newMessages().stream()
                .filter(line -> line.startsWith("pci " + first.bus()) && line.contains("[PE# "))
                .map(line -> line.replaceFirst(".*\\[PE# *[0-9a-f]+\\] *", ""))
                .toList();
    }

    private void assertLogged(List<String> lines) {
        assertEquals(host.isPowernv() ? lines : List.of(), logged());
    }

    private List<String> back() {
        return List.of(
                "Setting up window#0 0..ffffffff pg=%x".formatted(process.pageSize()), "Enabling 64-bit DMA bypass");
    }

    private List<String> removedAndBack(int... windows) {
        List<String> lines = new ArrayList<>();
        for (int window : windows) {
            lines.add("Removing DMA window #" + window);
        }
        lines.addAll(back());
        return lines;
    }

    @Test
    void openGroup_andClose_hostKeepsWindow() {
        RawGroup group = openGroup();
        process.openContainer();
        assertAnswer(0, group.close());
        assertLogged(List.of());
    }

    @Test
    void setContainer_firstGroup_bypassAndWindowRemoved() {
        RawGroup group = openGroup();
        containerWith(group);
        assertLogged(List.of("Disabling 64-bit DMA bypass", "Removing DMA window #0"));
        assertAnswer(0, group.unsetContainer());
        assertLogged(back());
    }

    @Test
    void setIommu_v2_noWindowCreated() {
        RawGroup group = openGroup();
        RawContainer container = containerWith(group);
        logged();
        assertAnswer(0, container.setIommu(7));
        assertLogged(List.of());
    }

    @Test
    @Scenario("D2")
    void mapDma_first_createsDefaultWindow() {
        RawContainer container = enabledV1();
        long memory = process.memory(64 * KIB);
        logged();
        assertAnswer(0, container.map(0x10000, memory, 64 * KIB));
        assertLogged(List.of("Setting up window#0 0..7fffffff pg=1000"));
        assertAnswer(0, container.unmap(0x10000, 64 * KIB));
        assertAnswer(0, container.map(0x20000, memory, 64 * KIB));
        assertLogged(List.of());
    }

    @Test
    void tceCreate_first_createsDefaultWindowToo() {
        RawGroup group = openGroup();
        RawContainer container = v2(group);
        logged();
        container.createWindow(16, GIB, 1);
        assertLogged(List.of(
                "Setting up window#0 0..7fffffff pg=1000",
                "Setting up window#1 800000000000000..80000003fffffff pg=10000"));
        assertAnswer(0, group.unsetContainer());
        assertLogged(removedAndBack(0, 1));
    }

    @Test
    void tceCreate_defaultWindowRemoved_windowZero() {
        RawContainer container = v2();
        logged();
        assertAnswer(0, container.remove(0));
        assertLogged(List.of());
        long window = container.createWindow(16, 4 * GIB, 1);
        assertLogged(List.of("Setting up window#0 0..ffffffff pg=10000"));
        assertAnswer(0, container.remove(window));
        assertLogged(List.of("Removing DMA window #0"));
    }

    @Test
    void closeGroup_withWindows_hostHasItsOwnAgain() {
        RawGroup group = openGroup();
        RawContainer container = v2(group);
        container.createWindow(16, GIB, 1);
        logged();
        assertAnswer(0, container.close());
        assertLogged(List.of());
        assertAnswer(0, group.close());
        assertLogged(removedAndBack(0, 1));
    }

    @Test
    void closeDevice_last_hostHasItsOwnAgain() {
        RawGroup group = openGroup();
        RawContainer container = v2(group);
        RawDevice device = group.device(first.address());
        assertAnswer(0, container.close());
        assertAnswer(0, group.close());
        logged();
        assertAnswer(0, device.close());
        assertLogged(back());
    }
}
