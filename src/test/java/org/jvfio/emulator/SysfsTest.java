package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.jvfio.Container;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;
import org.jvfio.emulator.device.BarKind;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

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

    private static EmulatedKernel withProductData(String hex) {
        return EmulatedKernel.boot(EmulatedMachine.pseries().toBuilder()
                .function(
                        "0003:00:01.0",
                        FunctionOptions.builder()
                                .vitalProductData(HexFormat.of().parseHex(hex))
                                .build())
                .build());
    }

    private static long read(EmulatedKernel kernel, MemorySegment buffer, long offset) {
        int file = kernel.open(DEVICE + "/vpd", vfio_h.O_RDONLY);
        if (file < 0) {
            return file;
        }
        long count = kernel.pread(file, buffer, offset);
        assertEquals(0, kernel.close(file));
        return count;
    }

    @ParameterizedTest
    @CsvSource({
        "82010041780000, 0, 5",
        "82010041780000, 3, 2",
        "82010041780000, 5, 0",
        "82010041780000, 99, 0",
        "82010041, 0, 64",
        "82ffff41, 0, -19",
        "8201004185ffff, 0, 4",
        "007800, 0, -19",
        "ff7800, 0, -19"
    })
    void read_productData_upToTheEndTag(String hex, long offset, long answer) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(64);
            assertEquals(answer, read(withProductData(hex), buffer, offset));
            if (answer == 2) {
                assertEquals(0x7841, buffer.get(ValueLayout.JAVA_SHORT_UNALIGNED, 0));
            }
        }
    }

    @Test
    void read_productDataAsOrdinaryUser_refused() {
        EmulatedKernel user = withProductData("78").newUserProcess(1 << 20);
        assertEquals(Errno.EACCES.negated(), read(user, MemorySegment.NULL, 0));
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
