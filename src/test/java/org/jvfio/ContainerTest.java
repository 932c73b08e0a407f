package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.HostDriver;
import org.jvfio.emulator.edu.EmulatedEdu;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_h;

class ContainerTest {
    private static EmulatedEdu edu() {
        return new EmulatedEdu(ByteOrder.LITTLE_ENDIAN, -1, Duration.ZERO);
    }

    private static VfioException refused(TestHost host, Executable call, String... parts) {
        VfioException e = assertThrows(VfioException.class, call);
        for (String part : parts) {
            assertTrue(e.getMessage().contains(part), e.getMessage());
        }
        assertFalse(e.getMessage().contains("\n"), e.getMessage());
        host.assertAllGivenBack();
        return e;
    }

    private static void attach(Kernel kernel, PciAddress address) {
        try (Container container = Container.open(kernel)) {
            container.attach(address);
        }
    }

    @Test
    void attach_ownedByHost_bypassOffAndNoWindow() {
        TestHost host = new TestHost();
        try (Container container = Container.open(host.kernel())) {
            assertTrue(host.group(0).ownedByHost());
            container.attach(TestHost.EDU);
            assertFalse(host.group(0).ownedByHost());
            assertFalse(host.group(0).bypass());
            assertEquals(List.of(), host.group(0).windows());
        }
        host.assertAllGivenBack();
    }

    @Test
    void attach_sameGroupTwice_sameObject() {
        TestHost host = new TestHost();
        try (Container container = Container.open(host.kernel())) {
            Group group = container.attach(TestHost.EDU);
            assertSame(group, container.attach(0));
            assertNotEquals(group, container.attach(TestHost.OTHER_EDU));
        }
        host.assertAllGivenBack();
    }

    @Test
    void toString_containerAndGroup_numbersOfTheGroups() {
        TestHost host = new TestHost();
        try (Container container = Container.open(host.kernel())) {
            assertEquals("VFIO container without a group", container.toString());
            Group group = container.attach(TestHost.EDU);
            assertEquals("IOMMU group 0", group.toString());
            container.attach(TestHost.OTHER_EDU);
            assertEquals("VFIO container of IOMMU group 0, IOMMU group 1", container.toString());
        }
        host.assertAllGivenBack();
    }

    @Test
    void iommuInfo_attached_platformsOffer() {
        TestHost host = new TestHost();
        try (Container container = Container.open(host.kernel())) {
            assertThrows(IllegalStateException.class, container::iommuInfo);
            container.attach(0);
            TceInfo info = container.iommuInfo();
            assertEquals(Optional.of(new IovaRange(0, 1L << 31)), info.defaultWindow());
            assertEquals(
                    List.of(PageSize.SIZE_4K, PageSize.SIZE_64K, PageSize.SIZE_16M, PageSize.SIZE_256M),
                    info.pageSizes());
            assertEquals(2, info.maxWindows());
            assertEquals(5, info.maxLevels());
        }
    }

    @Test
    void open_noVfioModule_moduleToLoadNamed() {
        TestHost host = new TestHost(
                EmulatedMachine.power8().toBuilder().vfioModule(false).build());
        VfioException e =
                refused(host, () -> Container.open(host.kernel()), "this kernel has no VFIO", "modprobe vfio-pci");
        assertEquals(Errno.ENOENT, e.errno().orElseThrow());
        assertEquals("open(/dev/vfio/vfio)", e.call().orElseThrow());
    }

    @Test
    void open_noSpaprModule_moduleToLoadNamed() {
        TestHost host = new TestHost(
                EmulatedMachine.power8().toBuilder().spaprModule(false).build());
        refused(host, () -> Container.open(host.kernel()), "not the SPAPR TCE IOMMU", "modprobe vfio_iommu_spapr_tce");
    }

    @Test
    void attach_noSuchDevice_existingDevicesNamed() {
        TestHost host = new TestHost();
        refused(
                host,
                () -> attach(host.kernel(), PciAddress.parse("0009:01:00.0")),
                "cannot use 0009:01:00.0: there is no such PCI device; this host has 0000:01:00.0, 0001:01:00.0");
    }

    @Test
    void attach_noSuchGroup_existingGroupsNamed() {
        TestHost host = new TestHost();
        refused(
                host,
                () -> {
                    try (Container container = Container.open(host.kernel())) {
                        container.attach(77);
                    }
                },
                "cannot use IOMMU group 77: there is no such group; this host has 0, 1, 2");
    }

    @Test
    void attach_groupOfOtherProcess_processNamed() {
        TestHost host = new TestHost();
        try (Container other = Container.open(host.process().newProcess())) {
            other.attach(0);
            VfioException e = assertThrows(VfioException.class, () -> attach(host.kernel(), TestHost.EDU));
            assertEquals(Errno.EBUSY, e.errno().orElseThrow());
            assertEquals("it is busy: java (pid 3) has it open", e.reason());
            assertEquals(0, host.process().openDescriptors());
        }
    }

    @Test
    void attach_groupOfThisProcess_saysSo() {
        TestHost host = new TestHost();
        try (Container other = Container.open(host.kernel())) {
            other.attach(0);
            VfioException e = assertThrows(VfioException.class, () -> attach(host.kernel(), TestHost.EDU));
            assertEquals("it is busy: this process has it open already", e.reason());
        }
    }

    @Test
    void attach_onlyDeviceOpenElsewhere_hintToFindUser() {
        TestHost host = new TestHost();
        EmulatedKernel other = host.process().newProcess();
        Container container = Container.open(other);
        container.attach(0).openDevice(TestHost.EDU);
        other.close(groupDescriptor(other));
        VfioException e = assertThrows(VfioException.class, () -> attach(host.kernel(), TestHost.EDU));
        assertEquals(Errno.EBUSY, e.errno().orElseThrow());
        assertTrue(e.hint().contains("fuser -v /dev/vfio/0"), e.hint());
        assertThrows(VfioException.class, container::close, "the group is closed already");
    }

    private static int groupDescriptor(EmulatedKernel process) {
        try {
            String descriptors = "/proc/" + process.readLink("/proc/self") + "/fd";
            for (String each : process.list(descriptors)) {
                if (process.readLink(descriptors + "/" + each).equals("/dev/vfio/0")) {
                    return Integer.parseInt(each);
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        throw new AssertionError("it has no group open");
    }

    @Test
    void attach_nodeNotAccessible_hintForPermission() {
        TestHost host = new TestHost(
                EmulatedMachine.power8().toBuilder().groupsAccessible(false).build());
        VfioException e = refused(host, () -> attach(host.kernel(), TestHost.EDU), "may not open", "/dev/vfio/0");
        assertEquals(Errno.EACCES, e.errno().orElseThrow());
    }

    @Test
    void attach_deviceOfHostDriver_bindCommandsNamed() {
        TestHost host = new TestHost(EmulatedMachine.power8().toBuilder()
                .device("0004:01:00.0", 4, ContainerTest::edu, HostDriver.OTHER)
                .device("0005:01:00.0", 5, ContainerTest::edu, HostDriver.NONE)
                .build());
        refused(
                host,
                () -> attach(host.kernel(), PciAddress.parse("0004:01:00.0")),
                "it is bound to host, not to vfio-pci",
                "echo 0004:01:00.0 > /sys/bus/pci/devices/0004:01:00.0/driver/unbind");
        VfioException e = refused(
                host, () -> attach(host.kernel(), PciAddress.parse("0005:01:00.0")), "it is not bound to vfio-pci");
        assertFalse(e.hint().contains("unbind"), e.hint());
    }

    @Test
    void attach_groupNotViable_blockingDeviceNamed() {
        TestHost host = new TestHost(EmulatedMachine.power8().toBuilder()
                .device("0000:01:00.1", 0, ContainerTest::edu, HostDriver.OTHER)
                .device("0000:01:00.2", 0, ContainerTest::edu, HostDriver.NONE)
                .build());
        refused(
                host,
                () -> attach(host.kernel(), TestHost.EDU),
                "cannot take IOMMU group 0 from the host: it is not viable: drivers of the host use 0000:01:00.1 (host);");
    }

    @Test
    void attach_noDeviceBoundToVfio_saysSo() {
        TestHost host = new TestHost(EmulatedMachine.power8().toBuilder()
                .device("0004:01:00.0", 4, ContainerTest::edu, HostDriver.OTHER)
                .build());
        refused(
                host,
                () -> {
                    try (Container container = Container.open(host.kernel())) {
                        container.attach(4);
                    }
                },
                "cannot open IOMMU group 4",
                "none of its devices is bound to vfio-pci");
    }

    @Test
    void openDevice_severalInGroup_each() {
        TestHost host = new TestHost(EmulatedMachine.power8().toBuilder()
                .device("0000:01:00.1", 0, ContainerTest::edu)
                .build());
        PciAddress second = PciAddress.parse("0000:01:00.1");
        try (Container container = Container.open(host.kernel())) {
            Group group = container.attach(TestHost.EDU);
            group.openDevice(TestHost.EDU);
            assertEquals(second, group.openDevice(second).address());
            VfioException e = assertThrows(VfioException.class, () -> group.openDevice(TestHost.OTHER_EDU));
            assertTrue(e.getMessage().contains("it is not in IOMMU group 0"), e.getMessage());
        }
        host.assertAllGivenBack();
    }

    @Test
    void allocate_partOfAPage_zeroedWholePages() {
        for (EmulatedMachine machine : List.of(
                EmulatedMachine.power8(),
                EmulatedMachine.power8().toBuilder().pages4K().build())) {
            TestHost host = new TestHost(machine);
            try (Container container = Container.open(host.kernel())) {
                container.attach(0);
                DmaMemory memory = container.allocate(5000);
                assertEquals(container.systemPage().roundUp(5000), memory.size());
                assertEquals(memory.size(), memory.segment().byteSize());
                assertEquals(memory.size(), container.lockedMemory().locked());
                assertTrue(PageSize.SIZE_64K.isAligned(memory.address()));
                assertEquals(-1, memory.segment().mismatch(MemorySegment.ofArray(new byte[(int) memory.size()])));
                memory.segment().set(ValueLayout.JAVA_LONG, memory.size() - 8, -1);
            }
            host.assertAllGivenBack();
        }
    }

    @Test
    void allocate_sizeOutOfRange_illegalArgumentWithoutASystemCall() {
        TestHost host = new TestHost();
        try (Container container = Container.open(host.kernel())) {
            container.attach(0);
            int calls = host.observed().calls();
            for (long bytes : new long[] {0, -1, Long.MIN_VALUE, Long.MAX_VALUE}) {
                assertThrows(IllegalArgumentException.class, () -> container.allocate(bytes));
            }
            assertEquals(calls, host.observed().calls());
        }
    }

    @Test
    void allocate_overLockLimit_limitToSetNamed() {
        TestHost host = new TestHost(EmulatedMachine.power8().toBuilder()
                .capIpcLock(false)
                .memlockBytes(1 << 20)
                .build());
        try (Container container = Container.open(host.kernel())) {
            container.attach(0);
            container.allocate(1 << 19);
            VfioException e = assertThrows(VfioException.class, () -> container.allocate(1 << 20));
            assertTrue(
                    e.reason().contains("it needs 1M of locked memory: 512K locked of 1M, 512K remaining"), e.reason());
            assertEquals(2, host.observed().made(vfio_h.VFIO_IOMMU_SPAPR_REGISTER_MEMORY));
            assertEquals(VfioException.Kind.LOCK_LIMIT, e.kind());
            assertTrue(e.hint().contains("ulimit -l 1536, or LimitMEMLOCK=1536K"), e.hint());
            assertEquals(1 << 19, host.process().lockedBytes());
        }
        host.assertAllGivenBack();
    }

    @Test
    void createWindow_tableOverLockLimit_refusedWithoutIoctl() {
        TestHost host = new TestHost(EmulatedMachine.power8().toBuilder()
                .capIpcLock(false)
                .memlockBytes(9 << 20)
                .build());
        try (Container container = Container.open(host.kernel())) {
            container.attach(0);
            // 16M for its own table, 8M for that of the default window, which the kernel makes with it.
            VfioException e =
                    assertThrows(VfioException.class, () -> container.createWindow(PageSize.SIZE_64K, 1L << 36, 1));
            assertTrue(e.reason().contains("it needs 24M of locked memory: 0 locked of 9M"), e.reason());
            assertTrue(e.hint().contains("ulimit -l 24576, or LimitMEMLOCK=24576K"), e.hint());
            assertEquals(0, host.observed().made(vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE));
            container.createWindow(PageSize.SIZE_64K, 1L << 30, 1).close();
            container.createWindow(PageSize.SIZE_64K, 1L << 31, 1);
        }
        host.assertAllGivenBack();
    }

    @Test
    void allocate_registerReturnsPageCount_failure() {
        TestHost host = new TestHost();
        try (Container container = Container.open(host.kernel())) {
            container.attach(0);
            host.observed().failRequest(vfio_h.VFIO_IOMMU_SPAPR_REGISTER_MEMORY, 3);
            VfioException e = assertThrows(VfioException.class, () -> container.allocate(1 << 18));
            assertTrue(e.reason().contains("pin only 3 of 4 pages"), e.reason());
            assertEquals(Optional.empty(), e.errno());
            host.observed().heal();
        }
        host.assertAllGivenBack();
    }
}
