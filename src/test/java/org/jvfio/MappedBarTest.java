package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.jvfio.VfioException.Kind;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.KernelVersion;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_h;

/** BARs without side effects, which the emulated kernel maps as Linux maps those of a real device. */
class MappedBarTest {
    private static final PciAddress ADDRESS = PciAddress.parse("0004:01:00.0");
    private static final long PAGE = 1 << 16;
    private static final long BYTES = 4 * PAGE;

    private static TestHost host(EmulatedMachine machine, long bytes, long table) {
        return new TestHost(machine.toBuilder()
                .device(ADDRESS.toString(), 9, () -> new MemoryDevice(bytes, table))
                .build());
    }

    private static TestHost host() {
        return host(EmulatedMachine.power9(), BYTES, -1);
    }

    private static Device open(TestHost host) {
        return Device.open(host.kernel(), ADDRESS);
    }

    @Test
    void bar_memory_isMappedAndShared() {
        TestHost host = host();
        try (Device device = open(host)) {
            Region bar = device.bar(0);
            assertTrue(bar.isMapped());
            assertEquals(List.of(new RegionArea(0, BYTES)), bar.mappableAreas());
            bar.writeLong(8, 0x0102030405060708L);
            assertEquals(0x0102030405060708L, bar.viaSyscalls().readLong(8));
            bar.viaSyscalls().writeInt(BYTES - 4, 7);
            assertEquals(7, bar.readInt(BYTES - 4));
            int calls = host.observed().calls();
            assertEquals(0x05060708, bar.readInt(8));
            bar.writeByte(0, (byte) 1);
            assertEquals(calls, host.observed().calls(), "system calls");
            MemorySegment part = bar.unsafeSegment(8, 4);
            assertEquals(0x08, part.get(ValueLayout.JAVA_BYTE, 0));
            assertThrows(IndexOutOfBoundsException.class, () -> bar.readInt(BYTES));
            assertThrows(IndexOutOfBoundsException.class, () -> bar.unsafeSegment(BYTES - 4, 8));
            assertThrows(IllegalArgumentException.class, () -> bar.readInt(2));
        }
        host.assertAllGivenBack();
    }

    @Test
    void bar_deviceChangesItsMemory_isSeen() {
        TestHost host = host();
        try (Device device = open(host)) {
            Region bar = device.bar(0);
            bar.writeByte(5, (byte) 41);
            device.bar(MemoryDevice.REGISTER).writeInt(0, 5);
            assertEquals(42, bar.readByte(5));
            device.reset();
            assertEquals(42, bar.readByte(5));
        }
        try (Device again = open(host)) {
            assertEquals(42, again.bar(0).readByte(5));
        }
        host.assertAllGivenBack();
    }

    @Test
    void bar_openedTwice_mappedTwice() {
        TestHost host = host();
        try (Device first = open(host)) {
            Device second = first.group().openDevice(ADDRESS);
            Region one = first.bar(0);
            Region two = second.bar(0);
            assertNotEquals(
                    one.unsafeSegment(0, 8).address(), two.unsafeSegment(0, 8).address());
            one.writeInt(0, 5);
            assertEquals(5, two.readInt(0));
            second.close();
            assertThrows(IllegalStateException.class, () -> two.readInt(0));
            assertEquals(5, one.readInt(0));
        }
        host.assertAllGivenBack();
    }

    @Test
    void bar_deviceClosed_segmentIsClosed() {
        TestHost host = host();
        Device device = open(host);
        Region bar = device.bar(0);
        MemorySegment segment = bar.unsafeSegment(0, 8);
        device.close();
        assertFalse(segment.scope().isAlive());
        assertThrows(IllegalStateException.class, () -> segment.get(ValueLayout.JAVA_BYTE, 0));
        assertEquals(
                ADDRESS + " is closed",
                assertThrows(IllegalStateException.class, () -> bar.readInt(0)).getMessage());
        host.assertAllGivenBack();
    }

    @Test
    void read_frozenPe_allOnesAndFrozen() {
        TestHost host = host();
        try (Device device = open(host)) {
            Region bar = device.bar(0);
            MemorySegment segment = bar.unsafeSegment(0, 8);
            bar.writeInt(0, 5);
            host.process().host().beginHostRecovery(9);
            assertEquals(-1, segment.get(ValueLayout.JAVA_INT, 0));
            assertEquals(
                    Kind.FROZEN,
                    assertThrows(VfioException.class, () -> bar.readInt(0)).kind());
            bar.writeInt(0, 6);
            assertEquals(-1, bar.viaSyscalls().unchecked().readInt(0));
            host.process().host().endHostRecovery(9);
            device.enableMemory();
            assertEquals(5, bar.readInt(0), "the store was dropped");
            bar.writeInt(0, 7);
            assertEquals(7, segment.get(ValueLayout.JAVA_INT, 0));
        }
        host.assertAllGivenBack();
    }

    @Test
    void read_memoryDisabled_disabled() {
        TestHost host = host();
        try (Device device = open(host)) {
            Region bar = device.bar(0);
            bar.writeInt(0, 5);
            device.configSpace().disable(PciCommand.MEMORY);
            VfioException e = assertThrows(VfioException.class, () -> bar.readInt(0));
            assertTrue(e.reason().contains("memory is disabled"), e.getMessage());
            device.configSpace().enable(PciCommand.MEMORY);
            assertEquals(5, bar.readInt(0));
            device.configSpace().setPowerState(PowerState.D3_HOT);
            assertEquals(-1, bar.unchecked().readInt(0));
            device.configSpace().setPowerState(PowerState.D0);
            assertEquals(5, bar.readInt(0));
        }
        host.assertAllGivenBack();
    }

    @Test
    void bar_msixTableInItsMemory_tableBySystemCalls() {
        TestHost host = host(EmulatedMachine.power9(), BYTES, 0x1000);
        try (Device device = open(host)) {
            Region bar = device.bar(0);
            assertTrue(bar.isMapped());
            assertTrue(bar.isMsixMappable());
            int calls = host.observed().calls();
            bar.writeInt(0xffc, 1);
            bar.writeInt(0x1040, 2);
            assertEquals(calls, host.observed().calls(), "system calls");
            assertEquals(-1, bar.unchecked().readInt(0x1000));
            bar.writeInt(0x1000, 0);
            assertEquals(calls + 2, host.observed().calls(), "system calls");
            assertThrows(VfioException.class, () -> bar.unsafeSegment(0xffc, 8));
            assertEquals(2, bar.viaSyscalls().readInt(0x1040));
        }
        host.assertAllGivenBack();
    }

    @Test
    void bar_msixTableOfOlderKernels_itsPagesAreNotMapped() {
        for (KernelVersion version : List.of(KernelVersion.V4_2, KernelVersion.V4_12)) {
            EmulatedMachine machine =
                    EmulatedMachine.power9().toBuilder().kernel(version).build();
            TestHost host = host(machine, BYTES, PAGE + 0x1000);
            try (Device device = open(host)) {
                Region bar = device.bar(0);
                assertEquals(List.of(new RegionArea(0, PAGE), new RegionArea(2 * PAGE, 2 * PAGE)), bar.mappableAreas());
                bar.writeInt(0, 1);
                bar.writeInt(PAGE, 2);
                bar.writeInt(2 * PAGE, 3);
                assertEquals(1, bar.viaSyscalls().readInt(0));
                assertEquals(2, bar.readInt(PAGE));
                assertEquals(3, bar.viaSyscalls().readInt(2 * PAGE));
            }
            TestHost one = host(machine, PAGE, 0x1000);
            try (Device device = open(one)) {
                Region bar = device.bar(0);
                assertEquals(List.of(), bar.mappableAreas());
                bar.writeInt(0, 1);
                assertEquals(1, bar.readInt(0));
            }
            host.assertAllGivenBack();
            one.assertAllGivenBack();
        }
    }

    @Test
    void bar_smallerThanAPage_mappedWhereItHasOneOfItsOwn() {
        TestHost powernv = host(EmulatedMachine.power9(), 16, -1);
        try (Device device = open(powernv)) {
            Region bar = device.bar(0);
            assertTrue(bar.isMapped());
            bar.writeLong(8, 5);
            assertEquals(5, bar.viaSyscalls().readLong(8));
            assertThrows(IndexOutOfBoundsException.class, () -> bar.readInt(16));
            assertEquals(
                    0, device.configSpace().bars().getFirst().address() % PAGE, "the kernel gives it a whole page");
        }
        powernv.assertAllGivenBack();
        TestHost lpar = host(EmulatedMachine.pseries(), 16, -1);
        try (Device device = open(lpar)) {
            assertFalse(device.bar(0).isMapped());
            device.bar(0).writeLong(8, 5);
            assertEquals(5, device.bar(0).readLong(8));
        }
        lpar.assertAllGivenBack();
    }

    @Test
    void bar_ofOneGiB_isMappedToItsEnd() {
        TestHost host = host(EmulatedMachine.power9(), 1L << 30, -1);
        try (Device device = open(host)) {
            Region bar = device.bar(0);
            bar.writeLong((1L << 30) - 8, 5);
            assertEquals(5, bar.viaSyscalls().readLong((1L << 30) - 8));
        }
        host.assertAllGivenBack();
    }

    @Test
    void register_mappedBar_efault() {
        TestHost host = host();
        try (Device device = open(host)) {
            MemorySegment all = device.bar(0).unsafeSegment(0, BYTES);
            MemorySegment memory = all.asSlice(-all.address() & (PAGE - 1), PAGE);
            VfioException e =
                    assertThrows(VfioException.class, () -> device.container().register(memory));
            assertEquals(Errno.EFAULT, e.errno().orElseThrow());
        }
        host.assertAllGivenBack();
    }

    @Test
    void mmap_impossibleMapping_einval() throws IOException {
        TestHost host = host();
        try (Device device = open(host)) {
            device.bar(0);
            Kernel kernel = host.process();
            int fd = descriptor(kernel);
            int both = vfio_h.PROT_READ | vfio_h.PROT_WRITE;
            int shared = vfio_h.MAP_SHARED;
            long einval = Errno.EINVAL.negated();
            assertEquals(einval, kernel.mmap(PAGE, both, vfio_h.MAP_PRIVATE, fd, 0));
            assertEquals(einval, kernel.mmap(0, both, shared, fd, 0));
            assertEquals(einval, kernel.mmap(PAGE, both, shared, fd, 0x1000));
            assertEquals(einval, kernel.mmap(BYTES + 1, both, shared, fd, 0));
            assertEquals(einval, kernel.mmap(PAGE, both, shared, fd, BYTES));
            assertEquals(einval, kernel.mmap(PAGE, both, shared, fd, (long) MemoryDevice.REGISTER << 40));
            assertEquals(einval, kernel.mmap(PAGE, both, shared, fd, (long) vfio_h.VFIO_PCI_CONFIG_REGION_INDEX << 40));
            long address = kernel.mmap(PAGE, vfio_h.PROT_READ, vfio_h.MAP_SHARED, fd, 0);
            MemorySegment read = kernel.memory(address, PAGE);
            assertTrue(read.isReadOnly());
            assertEquals(0, kernel.munmap(address, PAGE));
            assertFalse(read.scope().isAlive());
        }
    }

    private static int descriptor(Kernel kernel) throws IOException {
        String directory = "/proc/" + kernel.readLink("/proc/self") + "/fd";
        for (String each : kernel.list(directory)) {
            if (kernel.readLink(directory + "/" + each).contains("vfio-device")) {
                return Integer.parseInt(each);
            }
        }
        throw new AssertionError("no device is open");
    }
}
