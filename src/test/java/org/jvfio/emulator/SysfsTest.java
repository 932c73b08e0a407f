package org.jvfio.emulator;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.jvfio.Container;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;
import org.jvfio.contract.host.RomImage;
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
                        "max_link_speed",
                        "max_link_width",
                        "of_node",
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

    private static final byte[] ROM = RomImage.of(0x1b36, 0x10, 0x10802, 5, true);

    /** A preset whose functions have all the files that a function can have. */
    private static EmulatedMachine withAllFiles(String preset) {
        EmulatedMachine machine = EmulatedMachine.preset(preset).orElseThrow();
        EmulatedMachine.Builder builder = machine.toBuilder();
        try {
            for (String address : EmulatedKernel.boot(machine).list("/sys/bus/pci/devices")) {
                builder.rom(address, ROM)
                        .function(
                                address,
                                FunctionOptions.builder()
                                        .vitalProductData(new byte[] {0x78})
                                        .bar(3, BarKind.MEMORY, 1 << 16, false)
                                        .bar(4, BarKind.IO_PORTS, 4, false)
                                        .build());
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return builder.build();
    }

    static List<String> presets() {
        return EmulatedMachine.presets();
    }

    @ParameterizedTest
    @MethodSource("presets")
    void open_everyEntryOfEveryFunction_answersAsKernelsDo(String preset) throws IOException {
        EmulatedKernel kernel = EmulatedKernel.boot(withAllFiles(preset));
        EmulatedKernel user = kernel.newUserProcess(1 << 20);
        for (String address : kernel.list("/sys/bus/pci/devices")) {
            String directory = "/sys/bus/pci/devices/" + address;
            for (String name : kernel.list(directory)) {
                assertEntry(kernel, true, directory, name);
                assertEntry(user, false, directory, name);
            }
        }
    }

    private static void assertEntry(EmulatedKernel kernel, boolean root, String directory, String name)
            throws IOException {
        String path = directory + "/" + name;
        boolean memory = name.startsWith("resource0") || name.startsWith("resource3");
        boolean privileged = memory || Set.of("rom", "vpd", "resource4").contains(name);
        if (Set.of("driver", "iommu_group", "of_node").contains(name)) {
            assertTrue(kernel.readLink(path).startsWith("../"), path);
            assertAnswers(kernel, path, Errno.EISDIR);
        } else if (name.equals("power")) {
            assertAnswers(kernel, path, Errno.EISDIR);
            for (String below : kernel.list(path)) {
                assertEntry(kernel, root, path, below);
            }
        } else if (Set.of("remove", "rescan", "reset").contains(name) || (privileged && !root)) {
            assertEquals(Errno.EACCES.negated(), kernel.open(path, vfio_h.O_RDONLY), path);
            assertThrows(AccessDeniedException.class, () -> kernel.readFile(path), path);
        } else if (memory) {
            assertAnswers(kernel, path, Errno.EIO);
        } else if (name.equals("rom")) {
            assertAnswers(kernel, path, Errno.EINVAL);
        } else if (name.equals("config")) {
            int size = content(kernel, path).length;
            assertTrue(root ? size == 256 || size == 4096 : size == 64, path + ": " + size);
        } else {
            byte[] content = content(kernel, path);
            assertEquals(name.equals("resource4") ? 4 : content.length, content.length, path);
            assertArrayEquals(
                    name.equals("resource4") ? content : kernel.readFile(path).getBytes(UTF_8), content, path);
            assertTrue(content.length > 0, path);
        }
    }

    /** A file or directory that can be opened, whatever it is read with. */
    private static void assertAnswers(EmulatedKernel kernel, String path, Errno error) {
        int file = kernel.open(path, vfio_h.O_RDONLY);
        assertTrue(file >= 0, path + ": " + file);
        try (Arena arena = Arena.ofConfined()) {
            assertEquals(error.negated(), kernel.read(file, arena.allocate(64)), path);
        }
        assertEquals(0, kernel.close(file));
        FileSystemException e = assertThrows(FileSystemException.class, () -> kernel.readFile(path), path);
        assertEquals(error.text(), e.getReason());
    }

    private static byte[] content(EmulatedKernel kernel, String path) {
        int file = kernel.open(path, vfio_h.O_RDONLY);
        assertTrue(file >= 0, path + ": " + file);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(1 << 16);
            long size = kernel.read(file, buffer);
            assertTrue(size >= 0, path + ": " + size);
            assertEquals(0, kernel.read(file, buffer.asSlice(size)), path);
            return buffer.asSlice(0, size).toArray(ValueLayout.JAVA_BYTE);
        } finally {
            assertEquals(0, kernel.close(file));
        }
    }

    @Test
    void read_romOfSysfs_onceItIsEnabled() {
        EmulatedKernel kernel = EmulatedKernel.boot(withAllFiles("pseries"));
        int file = kernel.open(DEVICE + "/rom", vfio_h.O_RDWR);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(1 << 12);
            assertEquals(Errno.EINVAL.negated(), kernel.pread(file, buffer, 0));
            assertEquals(1, kernel.write(file, arena.allocateFrom("1").asSlice(0, 1)));
            assertEquals(ROM.length, kernel.pread(file, buffer, 0));
            assertArrayEquals(ROM, buffer.asSlice(0, ROM.length).toArray(ValueLayout.JAVA_BYTE));
            assertEquals(1, kernel.pread(file, buffer, ROM.length - 1));
            assertEquals(0, kernel.pread(file, buffer, ROM.length));
            assertEquals(2, kernel.pwrite(file, arena.allocateFrom("0\n").asSlice(0, 2), 0));
            assertEquals(Errno.EINVAL.negated(), kernel.pread(file, buffer, 0));
        }
    }

    @Test
    void write_sysfs_refused() {
        EmulatedKernel kernel = EmulatedKernel.boot(withAllFiles("pseries"));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment one = arena.allocateFrom("1").asSlice(0, 1);
            assertEquals(Errno.EACCES.negated(), kernel.open(DEVICE + "/vendor", vfio_h.O_RDWR));
            assertEquals(Errno.EISDIR.negated(), kernel.open(DEVICE + "/power", vfio_h.O_RDWR));
            assertEquals(Errno.ENOENT.negated(), kernel.open(DEVICE + "/none", vfio_h.O_RDONLY));
            assertEquals(Errno.EACCES.negated(), kernel.open("/sys/bus/pci/drivers/vfio-pci/bind", vfio_h.O_RDONLY));
            assertEquals(Errno.EPERM.negated(), kernel.pwrite(kernel.open(DEVICE + "/config", vfio_h.O_RDWR), one, 4));
            int memory = kernel.open(DEVICE + "/resource3", vfio_h.O_RDWR);
            assertEquals(Errno.EIO.negated(), kernel.pwrite(memory, one, 0));
            assertEquals(Errno.EPERM.negated(), kernel.mmap(1 << 16, vfio_h.PROT_READ, vfio_h.MAP_SHARED, memory, 0));
        }
    }

    @Test
    void read_linkSpeed_fromTheRegisters() throws IOException {
        EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.pseries().toBuilder()
                .function(
                        "0003:00:01.0",
                        FunctionOptions.builder()
                                // LNKCAP, LNKSTA and LNKCAP2 of the capability at 0x80
                                .configBytes(0x8c, (byte) 0x83, (byte) 0x00)
                                .configBytes(0x92, (byte) 0x42, (byte) 0x00)
                                .configBytes(0xac, (byte) 0x1e)
                                .build())
                .build());
        assertEquals("16.0 GT/s PCIe\n", kernel.readFile(DEVICE + "/max_link_speed"));
        assertEquals("8\n", kernel.readFile(DEVICE + "/max_link_width"));
        assertEquals("5.0 GT/s PCIe\n", kernel.readFile(DEVICE + "/current_link_speed"));
        assertEquals("4\n", kernel.readFile(DEVICE + "/current_link_width"));
    }
}
