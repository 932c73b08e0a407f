package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Who has a group's windows, as the kernel of a machine without a hypervisor logs it. */
@ContractTest
class OwnershipTest extends Contract {
    private final KernelLog log;

    OwnershipTest(ContractHost host) {
        super(host);
        log = new KernelLog(process);
    }

    @BeforeEach
    void onlyPowernvLogsIt() {
        assumeTrue(host.isPowernv(), "an LPAR's kernel does not log it");
    }

    /** What was logged of the first device's partitionable endpoint since this was asked the last time. */
    private List<String> logged() {
        return log.newMessages().stream()
                .filter(line -> line.startsWith("pci " + first.bus()) && line.contains("[PE# "))
                .map(line -> line.replaceFirst(".*\\[PE# *[0-9a-f]+\\] *", ""))
                .toList();
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
    void openingAGroupTakesNothingFromTheHost() {
        Group group = openGroup();
        process.openContainer();
        assertAnswer(0, group.close());
        assertEquals(List.of(), logged());
    }

    @Test
    void setContainerTakesBypassAndWindowFromTheHost() {
        Group group = openGroup();
        containerWith(group);
        assertEquals(List.of("Disabling 64-bit DMA bypass", "Removing DMA window #0"), logged());
        assertAnswer(0, group.unsetContainer());
        assertEquals(back(), logged());
    }

    @Test
    void setIommuMakesNoWindow() {
        Group group = openGroup();
        Container container = containerWith(group);
        logged();
        assertAnswer(0, container.setIommu(7));
        assertEquals(List.of(), logged());
    }

    @Test
    @Scenario("D2")
    void theDefaultWindowComesWithItsFirstUse() {
        Container container = enabledV1();
        long memory = process.memory(64 * KIB);
        logged();
        assertAnswer(0, container.map(0x10000, memory, 64 * KIB));
        assertEquals(List.of("Setting up window#0 0..7fffffff pg=1000"), logged());
        assertAnswer(0, container.unmap(0x10000, 64 * KIB));
        assertAnswer(0, container.map(0x20000, memory, 64 * KIB));
        assertEquals(List.of(), logged());
    }

    @Test
    void aSecondWindowComesWithTheDefaultOne() {
        Group group = openGroup();
        Container container = v2(group);
        logged();
        container.createWindow(16, GIB, 1);
        assertEquals(
                List.of(
                        "Setting up window#0 0..7fffffff pg=1000",
                        "Setting up window#1 800000000000000..80000003fffffff pg=10000"),
                logged());
        assertAnswer(0, group.unsetContainer());
        assertEquals(removedAndBack(0, 1), logged());
    }

    @Test
    void aWindowOfOnesOwnMayTakeThePlaceOfTheDefaultOne() {
        Container container = v2();
        logged();
        assertAnswer(0, container.remove(0));
        assertEquals(List.of(), logged());
        container.createWindow(16, 4 * GIB, 1);
        assertEquals(List.of("Setting up window#0 0..ffffffff pg=10000"), logged());
        assertAnswer(0, container.remove(0));
        assertEquals(List.of("Removing DMA window #0"), logged());
    }

    @Test
    void closingTheGroupGivesTheHostItsOwnBack() {
        Group group = openGroup();
        Container container = v2(group);
        container.createWindow(16, GIB, 1);
        logged();
        assertAnswer(0, container.close());
        assertEquals(List.of(), logged());
        assertAnswer(0, group.close());
        assertEquals(removedAndBack(0, 1), logged());
    }

    @Test
    void theLastDeviceGivesTheHostItsOwnBack() {
        Group group = openGroup();
        Container container = v2(group);
        Device device = group.device(first.address());
        assertAnswer(0, container.close());
        assertAnswer(0, group.close());
        logged();
        assertAnswer(0, device.close());
        assertEquals(back(), logged());
    }
}
