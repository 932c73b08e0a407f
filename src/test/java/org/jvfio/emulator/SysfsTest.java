package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.jvfio.Container;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;
import org.jvfio.emulator.device.BarKind;

/** The files of sysfs that real hosts have, too. */
class SysfsTest {
    private static final String DEVICE = "/sys/bus/pci/devices/0003:00:01.0";

    @Test
    void list_device_hasTheFilesOfARealOne() throws IOException {
        EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.pseries().toBuilder()
                .function(
                        "0003:00:01.0",
                        FunctionOptions.builder()
                                .vitalProductData(new byte[] {0x78})
                                .bar(4, BarKind.IO_PORTS, 32, false)
                                .build())
                .build());
        List<String> names = kernel.list(DEVICE);
        assertTrue(
                names.containsAll(List.of(
                        "ari_enabled",
                        "class",
                        "config",
                        "driver",
                        "dma_mask_bits",
                        "iommu_group",
                        "modalias",
                        "msi_bus",
                        "numa_node",
                        "power",
                        "power_state",
                        "remove",
                        "reset",
                        "reset_method",
                        "resource",
                        "resource0",
                        "resource4",
                        "uevent",
                        "vpd")),
                names::toString);
        assertFalse(names.contains("resource1"), names::toString);
        assertTrue(
                kernel.list(DEVICE + "/power").containsAll(List.of("control", "runtime_status", "runtime_usage")),
                names::toString);
        assertEquals("0\n", kernel.readFile(DEVICE + "/power/runtime_usage"));
        assertEquals("pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02\n", kernel.readFile(DEVICE + "/modalias"));
        assertTrue(kernel.readFile(DEVICE + "/uevent").contains("PCI_SLOT_NAME=0003:00:01.0\n"));
        assertEquals(
                "0x0000000000001000 0x000000000000101f 0x0000000000040101",
                kernel.readFile(DEVICE + "/resource").lines().toList().get(4));
    }

    @Test
    void list_lpar_hasAnEmptyGroup() throws IOException {
        EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.pseries());
        assertEquals(List.of("0", "1", "2", "3"), kernel.list("/sys/kernel/iommu_groups"));
        assertEquals(List.of("devices", "name", "reserved_regions", "type"), kernel.list("/sys/kernel/iommu_groups/0"));
        assertEquals(List.of(), kernel.list("/sys/kernel/iommu_groups/0/devices"));
        try (Container container = Container.open(kernel)) {
            VfioException e = assertThrows(VfioException.class, () -> container.attach(0));
            assertEquals(Kind.NOT_FOUND, e.kind());
            assertTrue(e.reason().contains("no devices"), e.getMessage());
        }
        EmulatedKernel powernv = EmulatedKernel.boot(EmulatedMachine.power9());
        assertEquals(List.of("0000:01:00.0"), powernv.list("/sys/kernel/iommu_groups/0/devices"));
    }
}
