package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.jvfio.PciCapability.Express;
import org.jvfio.PciCapability.Msix;
import org.jvfio.PciCapability.PowerManagement;
import org.jvfio.PciCapability.VitalProductData;
import org.jvfio.VfioException.Kind;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.FunctionOptions;
import org.jvfio.emulator.device.BarKind;
import org.jvfio.kernel.Errno;

/** A driver on functions as odd as real ones, which the emulated host is given by {@link FunctionOptions}. */
class OddFunctionTest {
    private static final PciAddress ADDRESS = PciAddress.parse("0004:01:00.0");
    /** Where the emulator places the capabilities of {@link MessageDevice}. */
    private static final int MSIX = 0x40;

    private static final int EXPRESS = 0x80;
    private static final int POWER = 0x60;

    private static TestHost host(EmulatedMachine machine, FunctionOptions.Builder options) {
        return new TestHost(machine.toBuilder()
                .device(ADDRESS.toString(), 9, MessageDevice::new)
                .function(ADDRESS.toString(), options.build())
                .build());
    }

    private static TestHost host(FunctionOptions.Builder options) {
        return host(EmulatedMachine.power9(), options);
    }

    private static List<Integer> offsets(Device device) {
        return device.configSpace().capabilities().stream()
                .map(PciCapability::offset)
                .toList();
    }

    private static void assertRefused(Kind kind, String reason, Executable call) {
        VfioException e = assertThrows(VfioException.class, call);
        assertEquals(kind, e.kind(), e.getMessage());
        assertTrue(e.getMessage().contains(reason), e.getMessage());
    }

    @Test
    void capabilities_listLoops_deviceIsUsable() {
        TestHost host = host(FunctionOptions.builder().configBytes(POWER + 1, (byte) MSIX));
        try (Device device = Device.open(host.kernel(), ADDRESS)) {
            assertEquals(List.of(MSIX, EXPRESS, POWER), offsets(device));
            assertEquals(
                    List.of("capability list, 0x61: the pointer leads back to 0x40"),
                    device.configSpace().capabilityDefects().stream()
                            .map(CapabilityDefect::toString)
                            .toList());
            assertEquals(0x4000, device.bar(0).size());
            assertTrue(device.configSpace().capability(PowerManagement.class).isPresent());
        }
        host.assertAllGivenBack();
    }

    @Test
    void capabilities_listEndsInFf_keepsThoseBefore() {
        TestHost host = host(
                FunctionOptions.builder().configBytes(MSIX + 1, (byte) 0xff).configBytes(0xfc, (byte) 0xff, (byte)
                        0xff));
        try (Device device = Device.open(host.kernel(), ADDRESS)) {
            assertEquals(List.of(MSIX), offsets(device));
            assertEquals(1, device.configSpace().capabilityDefects().size());
            assertEquals(0x4000, device.bar(0).size());
            device.enableInterrupts(InterruptType.MSIX, 2).close();
        }
        host.assertAllGivenBack();
    }

    @Test
    void capabilities_pointerIntoHeader_noneFound() {
        TestHost host = host(FunctionOptions.builder().configBytes(0x34, (byte) 0x08));
        try (Device device = Device.open(host.kernel(), ADDRESS)) {
            // vfio-pci shows no list where it finds no capability.
            assertEquals(List.of(), offsets(device));
            assertEquals(0x4000, device.bar(0).size());
        }
        host.assertAllGivenBack();
    }

    @Test
    void capabilities_nullChain_isHiddenByTheKernel() {
        TestHost host = host(FunctionOptions.builder()
                .configBytes(0x34, (byte) 0xd0)
                .configBytes(0xd0, (byte) 0, (byte) 0xd4, (byte) 0, (byte) 0, (byte) 0, (byte) MSIX)
                .configBytes(0x100, (byte) 0, (byte) 0, (byte) 1, (byte) 0x14)
                .configBytes(0x140, (byte) 0, (byte) 0, (byte) 1, (byte) 0));
        try (Device device = Device.open(host.kernel(), ADDRESS)) {
            assertEquals(List.of(MSIX, EXPRESS, POWER), offsets(device));
            assertEquals(List.of(), device.configSpace().capabilityDefects());
        }
        host.assertAllGivenBack();
    }

    @Test
    void capabilities_extendedListLoops_deviceIsUsable() {
        TestHost host = new TestHost(EmulatedMachine.power9().toBuilder()
                .device(ADDRESS.toString(), 9, MessageDevice::new)
                .function(
                        ADDRESS.toString(),
                        FunctionOptions.builder()
                                .configBytes(0x100, (byte) 0x1b, (byte) 0, (byte) 1, (byte) 0x14)
                                .configBytes(0x140, (byte) 0x1b, (byte) 0, (byte) 1, (byte) 0x10)
                                .build())
                .build());
        try (Device device = Device.open(host.kernel(), ADDRESS)) {
            assertTrue(device.configSpace().capability(Express.class).isPresent());
            assertEquals(0x4000, device.bar(0).size());
        }
        host.assertAllGivenBack();
    }

    @Test
    void vitalProductData_toTheEndTag_isRead() {
        byte[] data = {(byte) 0x82, 3, 0, 'J', 'V', 'F', (byte) 0x90, 4, 0, 'R', 'V', 1, 0, 0x78};
        TestHost host = host(FunctionOptions.builder().vitalProductData(data));
        try (Device device = Device.open(host.kernel(), ADDRESS)) {
            ConfigSpace config = device.configSpace();
            assertTrue(config.capability(VitalProductData.class).isPresent());
            assertEquals(0x4a000382, config.readVitalProductData(0));
            assertEquals(0x00000078 << 8, config.readVitalProductData(12) & 0xff00);
            assertEquals(0, config.readVitalProductData(16));
        }
        host.assertAllGivenBack();
    }

    @Test
    void vitalProductData_noEndTag_isReadToTheLastAddress() {
        TestHost host = host(FunctionOptions.builder().vitalProductData(new byte[] {(byte) 0x82, 1, 0, 'J'}));
        try (Device device = Device.open(host.kernel(), ADDRESS)) {
            assertEquals(0x4a000182, device.configSpace().readVitalProductData(0));
            assertEquals(0, device.configSpace().readVitalProductData(0x7ffc));
        }
    }

    @Test
    void vitalProductData_noTag_cannotBeRead() {
        TestHost host = host(FunctionOptions.builder().vitalProductData(new byte[] {0, 0x78}));
        try (Device device = Device.open(host.kernel(), ADDRESS)) {
            assertRefused(
                    Kind.DEVICE_ERROR,
                    "the kernel could not read it",
                    () -> device.configSpace().readVitalProductData(0));
        }
    }

    @Test
    void bar_portsWithAddress_areAccessed() {
        TestHost host =
                host(EmulatedMachine.pseries(), FunctionOptions.builder().bar(4, BarKind.IO_PORTS, 32, false));
        try (Device device = Device.open(host.kernel(), ADDRESS)) {
            Bar ports = device.configSpace().bars().getLast();
            assertEquals(4, ports.index());
            assertEquals(Bar.Kind.IO, ports.kind());
            assertEquals(32, ports.size());
            Region bar = device.bar(4);
            assertFalse(bar.isMapped());
            device.configSpace().enable(PciCommand.IO);
            bar.writeInt(4, 0x01020304);
            assertEquals(0x0304, bar.readShort(4));
            device.configSpace().disable(PciCommand.IO);
            assertEquals(-1, bar.unchecked().readInt(4));
        }
        host.assertAllGivenBack();
    }

    @Test
    void bar_portsWithoutAddress_saysSo() throws IOException {
        TestHost host = host(FunctionOptions.builder().bar(4, BarKind.IO_PORTS, 32, false));
        try (Device device = Device.open(host.kernel(), ADDRESS)) {
            assertEquals(1, device.configSpace().bars().size());
            assertRefused(Kind.UNSUPPORTED, "to which the kernel has assigned no address", () -> device.bar(4));
            assertRefused(Kind.NOT_FOUND, "the device does not have it", () -> device.bar(5));
        }
        host.assertAllGivenBack();
        assertTrue(host.kernel()
                .readFile("/sys/bus/pci/devices/" + ADDRESS + "/resource")
                .lines()
                .toList()
                .get(4)
                .startsWith("0x0000000000000000"));
    }

    @Test
    void bar_upperHalf_namesTheBar() {
        TestHost host = host(FunctionOptions.builder().bar(2, BarKind.MEMORY, 1 << 20, true));
        try (Device device = Device.open(host.kernel(), ADDRESS)) {
            assertTrue(device.bar(2).isMapped());
            assertRefused(Kind.NOT_FOUND, "the upper half of BAR 2", () -> device.bar(3));
        }
        host.assertAllGivenBack();
    }

    @Test
    void bar_interruptedThread_memoryMappedAndStillInterrupted() {
        TestHost host = host(FunctionOptions.builder().bar(2, BarKind.MEMORY, 1 << 20, false));
        Thread.currentThread().interrupt();
        try (Device device = Device.open(host.kernel(), ADDRESS)) {
            MemorySegment memory = device.bar(2).unsafeSegment(0, 1 << 20);
            memory.set(ValueLayout.JAVA_BYTE, 0, (byte) 1);
            device.configSpace().disable(PciCommand.MEMORY);
            assertEquals(-1, memory.get(ValueLayout.JAVA_BYTE, 0));
            device.configSpace().enable(PciCommand.MEMORY);
            assertEquals(1, memory.get(ValueLayout.JAVA_BYTE, 0));
        } finally {
            assertTrue(Thread.interrupted());
        }
        host.assertAllGivenBack();
    }

    @Test
    void open_additionalBarThatTheDeviceHas_refused() {
        FunctionOptions.Builder options = FunctionOptions.builder().bar(0, BarKind.MEMORY, 4096, false);
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> host(options));
        assertTrue(String.valueOf(e.getMessage()).contains("has a BAR 0 of its own"), e.getMessage());
    }

    @Test
    void bar_memoryTooLarge_refused() {
        FunctionOptions.Builder options = FunctionOptions.builder().bar(2, BarKind.MEMORY, 1 << 30, true);
        IllegalArgumentException e =
                assertThrows(IllegalArgumentException.class, () -> options.bar(2, BarKind.MEMORY, 1L << 31, true));
        assertTrue(String.valueOf(e.getMessage()).contains("16 to 1073741824"), e.getMessage());
    }

    @Test
    void open_memoryOfDeviceTooLarge_refused() {
        IllegalArgumentException e = assertThrows(
                IllegalArgumentException.class,
                () -> new TestHost(EmulatedMachine.power9().toBuilder()
                        .device(ADDRESS.toString(), 9, () -> new MemoryDevice(1L << 31, 0))
                        .build()));
        assertTrue(String.valueOf(e.getMessage()).contains("the maximum is 1 GiB"), e.getMessage());
    }

    /** Whatever the size of the BAR, the bytes at both ends outlast the time in which it reads all ones. */
    @ParameterizedTest
    @ValueSource(longs = {1 << 12, 1 << 16, 1 << 21})
    void disable_memoryWithContents_contentsReturn(long bytes) {
        TestHost host = host(FunctionOptions.builder().bar(2, BarKind.MEMORY, bytes, false));
        try (Device device = Device.open(host.kernel(), ADDRESS)) {
            MemorySegment memory = device.bar(2).unsafeSegment(0, bytes);
            memory.set(ValueLayout.JAVA_BYTE, 0, (byte) 1);
            memory.set(ValueLayout.JAVA_BYTE, bytes - 1, (byte) 2);
            for (int round = 0; round < 2; round++) {
                device.configSpace().disable(PciCommand.MEMORY);
                for (long offset : new long[] {0, bytes / 2, bytes - 1}) {
                    assertEquals(-1, memory.get(ValueLayout.JAVA_BYTE, offset));
                }
                device.configSpace().enable(PciCommand.MEMORY);
                assertEquals(1, memory.get(ValueLayout.JAVA_BYTE, 0));
                assertEquals(0, memory.get(ValueLayout.JAVA_BYTE, bytes / 2));
                assertEquals(2, memory.get(ValueLayout.JAVA_BYTE, bytes - 1));
            }
        }
        host.assertAllGivenBack();
    }

    private static TestHost silent(Duration silence) {
        return host(FunctionOptions.builder().silentAfterBind(silence).bar(2, BarKind.MEMORY, 1 << 20, false));
    }

    @Test
    void read_silentAfterBind_allOnes() {
        TestHost host = silent(Duration.ofHours(1));
        try (Device device = Device.open(host.kernel(), ADDRESS)) {
            assertEquals(-1, device.bar(0).readInt(8));
            Region memory = device.bar(2);
            assertEquals(-1, memory.unsafeSegment(0, 1).get(ValueLayout.JAVA_BYTE, 0));
            memory.writeByte(0, (byte) 1);
            assertEquals(-1, memory.viaSyscalls().readByte(0));
            assertEquals(0x1b36, device.configSpace().vendorId());
        }
        host.assertAllGivenBack();
    }

    @Test
    void read_silenceHasEnded_registersRespond() {
        TestHost host = silent(Duration.ofMillis(1));
        for (int round = 0; round < 2; round++) {
            try (Device device = Device.open(host.kernel(), ADDRESS)) {
                MemorySegment memory = device.bar(2).unsafeSegment(0, 1);
                while (device.bar(0).readInt(8) == -1 || memory.get(ValueLayout.JAVA_BYTE, 0) == -1) {
                    LockSupport.parkNanos(1_000_000);
                }
                assertEquals(0, device.bar(0).readInt(8));
                assertEquals(0, memory.get(ValueLayout.JAVA_BYTE, 0));
            }
        }
        host.assertAllGivenBack();
    }

    @Test
    void map_windowsFailed_refusedOnce() {
        String edu = "0001:00:01.0";
        TestHost host = new TestHost(EmulatedMachine.pseries().toBuilder()
                .function(edu, FunctionOptions.builder().windowsFailed(true).build())
                .build());
        try (Container container = Container.open(host.kernel())) {
            container.attach(PciAddress.parse(edu));
            DmaMemory memory = container.allocate(1 << 16);
            long before = host.process().lockedBytes();
            VfioException first = assertThrows(
                    VfioException.class, () -> container.defaultWindow().map(memory, DmaDirection.TO_DEVICE));
            assertEquals(Errno.ENODEV, first.errno().orElseThrow());
            assertTrue(first.getMessage().contains("disable_ddw"), first.getMessage());
            assertTrue(first.getMessage().contains("2M charged"), first.getMessage());
            assertEquals(before + (2 << 20), host.process().lockedBytes());
            VfioException second = assertThrows(
                    VfioException.class, () -> container.defaultWindow().map(memory, DmaDirection.TO_DEVICE));
            assertTrue(second.reason().contains("until the next boot"), second.getMessage());
            assertThrows(VfioException.class, () -> container.createWindow(PageSize.SIZE_64K, 1L << 30, 1));
            assertEquals(before + (2 << 20), host.process().lockedBytes());
        }
        try (Container again = Container.open(host.kernel())) {
            again.attach(PciAddress.parse(edu));
            long before = host.process().lockedBytes();
            assertThrows(VfioException.class, () -> again.createWindow(PageSize.SIZE_64K, 1L << 30, 1));
            assertEquals(before, host.process().lockedBytes());
        }
    }

    @Test
    void capability_msixBehindDefect_barIsAccessible() {
        TestHost host = host(FunctionOptions.builder().configBytes(0x34, (byte) EXPRESS));
        try (Device device = Device.open(host.kernel(), ADDRESS)) {
            assertFalse(device.configSpace().capability(Msix.class).isPresent());
            assertEquals(0, device.bar(0).readInt(0));
        }
        host.assertAllGivenBack();
    }

    private static byte[] hex(String bytes) {
        return HexFormat.of().parseHex(bytes.replace(" ", ""));
    }

    private static String resetMethods(TestHost host) throws IOException {
        return host.kernel().readFile("/sys/bus/pci/devices/" + ADDRESS + "/reset_method");
    }

    @ParameterizedTest
    @CsvSource({"0x34, ff", "0x34, 00", "0x06, 00", "0x40, ff"})
    void capabilities_listNotFound_hostHasNoneOfThem(int offset, String bytes) throws IOException {
        TestHost host = host(FunctionOptions.builder().configBytes(offset, hex(bytes)));
        try (Device device = Device.open(host.kernel(), ADDRESS)) {
            assertEquals(256, device.config().size());
            assertEquals("INTx", device.describeInterrupts());
            assertEquals("bus\n", resetMethods(host));
            assertThrows(VfioException.class, () -> device.enableInterrupts(InterruptType.MSIX, 1));
            assertEquals(0, device.bar(0).readInt(0x2000));
        }
        host.assertAllGivenBack();
    }

    @Test
    void reset_listNotFoundInLpar_impossible() throws IOException {
        TestHost host =
                host(EmulatedMachine.pseries(), FunctionOptions.builder().configBytes(0x34, (byte) 0));
        try (Device device = Device.open(host.kernel(), ADDRESS)) {
            assertFalse(device.isResettable());
        }
        List<String> files = host.kernel().list("/sys/bus/pci/devices/" + ADDRESS);
        assertFalse(files.contains("reset") || files.contains("reset_method"), files::toString);
    }

    @ParameterizedTest
    @CsvSource({"13 00 06 03 00 00, af_flr bus", "13 00 06 01 00 00, bus", "01 00 03 00 00 00, pm bus"})
    void resetMethods_capabilityWithoutExpress_isUsed(String capability, String methods) throws IOException {
        TestHost host =
                host(FunctionOptions.builder().configBytes(0x34, (byte) 0xc0).configBytes(0xc0, hex(capability)));
        assertEquals(methods + "\n", resetMethods(host));
    }

    @Test
    void resetMethods_expressWithoutFunctionReset_isBusReset() throws IOException {
        TestHost host = host(FunctionOptions.builder().configBytes(EXPRESS + 7, (byte) 0));
        assertEquals("bus\n", resetMethods(host));
    }

    @Test
    void capabilities_addedThroughConfig_areShown() throws InterruptedException {
        TestHost host = host(FunctionOptions.builder()
                .configBytes(POWER + 1, (byte) 0xc8)
                .configBytes(0xc8, hex("09 d0 08 00 01 02 03 04"))
                .configBytes(0xd0, hex("05 00 82 01"))
                .configBytes(0x100, hex("0b 00 01 14 01 00 80 00 11 22 33 44"))
                .configBytes(0x140, hex("03 00 01 00 11 22 33 44 55 66 77 88")));
        try (Device device = Device.open(host.kernel(), ADDRESS)) {
            assertEquals(List.of(MSIX, EXPRESS, POWER, 0xc8, 0xd0, 0x100, 0x140), offsets(device));
            assertEquals(List.of(), device.configSpace().capabilityDefects());
            Region config = device.config();
            config.writeInt(0xcc, 0x11223344);
            assertEquals(0x11223344, config.readInt(0xcc));
            // The mask bits of MSI are those of the device, its address is virtual.
            config.writeInt(0xe0, 2);
            assertEquals(2, config.readInt(0xe0));
            try (Interrupts interrupts = device.enableInterrupts(InterruptType.MSI, 2)) {
                device.enableBusMastering();
                device.bar(0).writeInt(MessageDevice.SEND, 1);
                assertTrue(interrupts.await(1, Duration.ofSeconds(10)));
            }
        }
        host.assertAllGivenBack();
    }

    /** Behind the last register of a capability, all registers are writable; the last one is not. */
    @ParameterizedTest
    @CsvSource({
        "0xc0, 02, 12",
        "0xc0, 05 00 00 00, 10",
        "0xc0, 05 00 80 00, 14",
        "0xc0, 08 00 00 20, 24",
        "0xc0, 08 00 00 a0, 24",
        "0xc0, 08 00 00 00, 28",
        "0xc0, 10 00 01 00, 20",
        "0xc0, 10 00 91 00, 12",
        "0xc0, 10 00 02 00, 52",
        "0xc0, 10 00 92 00, 44",
        "0xc0, 11, 12",
        "0xc0, 12 00 10 00 0f, 16",
        "0xc0, 12 00 10 00 04, 8",
        "0x100, 01 00 02 00, 44",
        "0x100, 02 00 01 00 00 00 00 00, 28",
        "0x100, 02 00 01 00 01 00 00 00 04, 80",
        "0x100, 03 00 01 00, 12",
        "0x100, 0d 00 01 00, 8",
        "0x100, 0d 00 01 00 20 08, 12",
        "0x100, 0d 00 01 00 20 00, 40",
        "0x100, 0f 00 01 00, 8",
        "0x100, 15 00 01 00 00 00 00 00 40, 20",
        "0x100, 16 00 01 00 03, 20",
        "0x100, 17 00 01 00, 12",
        "0x100, 17 00 01 00 00 02 03 00, 20",
        "0x100, 18 00 01 00, 8"
    })
    void configWrite_capability_isReadOnlyToItsEnd(int place, String bytes, int length) {
        byte[] capability = hex(bytes);
        TestHost host = host(FunctionOptions.builder()
                .configBytes(0x34, (byte) EXPRESS)
                .configBytes(EXPRESS + 1, (byte) 0xc0)
                .configBytes(place, capability));
        try (Device device = Device.open(host.kernel(), ADDRESS)) {
            Region config = device.config();
            int before = config.readByte(place + length - 1);
            config.writeByte(place + length - 1, (byte) 0x5a);
            assertEquals(capability[0] == 5 && place < 0x100 ? 0x5a : before, config.readByte(place + length - 1));
            config.writeByte(place + length, (byte) 0xa5);
            assertEquals((byte) 0xa5, config.readByte(place + length));
        }
    }

    @Test
    void capabilities_cutOffByTheEnd_deviceIsUsable() {
        for (int id : new int[] {1, 3, 5, 7, 9, 0x10, 0x11, 0x13}) {
            TestHost host = host(FunctionOptions.builder()
                    .configBytes(0x34, (byte) 0xfc)
                    .configBytes(0xfc, (byte) id, (byte) 0, (byte) 0xff, (byte) 0xff));
            try (Device device = Device.open(host.kernel(), ADDRESS)) {
                assertEquals(id == 0x10 ? 4096 : 256, device.config().size());
                device.config().writeShort(0xfe, (short) -1);
                assertEquals(id, device.config().readByte(0xfc));
            }
            host.assertAllGivenBack();
        }
    }

    @Test
    void enable_msixTableInNoBar_outOfMemory() {
        TestHost host = host(FunctionOptions.builder().configBytes(MSIX + 4, hex("07 20 00 00")));
        try (Device device = Device.open(host.kernel(), ADDRESS)) {
            VfioException e = assertThrows(VfioException.class, () -> device.enableInterrupts(InterruptType.MSIX, 1));
            assertEquals(Errno.ENOMEM, e.errno().orElseThrow());
        }
        host.assertAllGivenBack();
    }

    @Test
    void message_msixTableElsewhere_isNeverSent() throws InterruptedException {
        TestHost host = host(FunctionOptions.builder().configBytes(MSIX + 4, hex("00 10 00 00")));
        try (Device device = Device.open(host.kernel(), ADDRESS);
                Interrupts interrupts = device.enableInterrupts(InterruptType.MSIX, 2)) {
            device.enableBusMastering();
            device.bar(0).writeInt(MessageDevice.SEND, 1);
            interrupts.trigger(0);
            assertTrue(interrupts.await(0, Duration.ofSeconds(10)));
            assertFalse(interrupts.await(1, Duration.ZERO));
            // The table of the device is as after reset: all vectors are masked.
            assertEquals(1, device.bar(0).readInt(0x200c));
            assertEquals(0, device.bar(0).readInt(0x2008));
            assertEquals(-1, device.bar(0).readInt(0x1000));
        }
        host.assertAllGivenBack();
    }
}
