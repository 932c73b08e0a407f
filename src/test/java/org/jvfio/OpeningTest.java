package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.KernelVersion;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_h;

/** From a PCI address to an open device, and what becomes of what is forgotten. */
class OpeningTest {
    private static final long PAGE = 1L << 16;

    private static TestHost withV1Only() {
        return new TestHost(
                EmulatedMachine.power8().toBuilder().kernel(KernelVersion.V4_1).build());
    }

    @Test
    void openDevice_address_groupAndContainer() {
        TestHost host = new TestHost();
        try (Device device = Device.open(host.kernel(), TestHost.EDU)) {
            assertEquals(0, device.group().number());
            assertEquals(SpaprTceVersion.V2, device.container().iommuVersion());
            DmaMemory memory = device.container().allocate(PAGE);
            device.container().defaultWindow().map(memory, DmaDirection.TO_DEVICE);
        }
        host.assertAllGivenBack();
    }

    @Test
    void close_deviceAndItsContainer_eitherOrder() {
        TestHost host = new TestHost();
        Device device = Device.open(host.kernel(), TestHost.EDU);
        device.container().close();
        device.close();
        host.assertAllGivenBack();
        Device again = Device.open(host.kernel(), TestHost.EDU);
        again.close();
        again.container().close();
        assertThrows(IllegalStateException.class, () -> again.bar(0));
        host.assertAllGivenBack();
    }

    @Test
    void openDevice_anyCallFails_nothingOpen() {
        for (int call = 0; ; call++) {
            TestHost host = new TestHost();
            host.observed().failCall(call);
            try {
                Device.open(host.kernel(), TestHost.EDU).close();
            } catch (VfioException e) {
                assertEquals(Errno.EIO, e.errno().orElseThrow(), e.getMessage());
            }
            host.assertAllGivenBack();
            if (call >= host.observed().calls()) {
                break;
            }
        }
    }

    @Test
    void register_afterAnyCallOfAttachFailed_noGroup() {
        int calls = Integer.MAX_VALUE;
        for (int call = 0; call < calls; call++) {
            TestHost host = new TestHost();
            ObservedKernel observed = host.observed();
            try (Arena arena = Arena.ofShared();
                    Container container = Container.open(host.kernel())) {
                MemorySegment memory = arena.allocate(PAGE, PAGE);
                int before = observed.calls();
                observed.failCall(before + call);
                try {
                    container.attach(TestHost.EDU);
                    calls = observed.calls() - before;
                    observed.heal();
                } catch (VfioException e) {
                    observed.heal();
                    assertThrows(IllegalStateException.class, () -> container.register(memory), e::getMessage);
                    container.attach(TestHost.EDU);
                    container.register(memory).close();
                }
            }
            host.assertAllGivenBack();
        }
    }

    @Test
    void open_closeFailsToo_suppressed() {
        TestHost host = new TestHost();
        ObservedKernel observed = host.observed();
        observed.failRequest(vfio_h.VFIO_GET_API_VERSION, Errno.EIO.negated());
        observed.failCall(2);
        assertToldBeside("VFIO_GET_API_VERSION", "close(/dev/vfio/vfio)", () -> Container.open(host.kernel()));
        observed.heal();
        try (Container container = Container.open(host.kernel())) {
            failTogetherWithTheNextCall(observed, vfio_h.VFIO_GROUP_SET_CONTAINER);
            assertToldBeside(
                    "VFIO_GROUP_SET_CONTAINER(group 0)", "close(/dev/vfio/0)", () -> container.attach(TestHost.EDU));
            observed.heal();
            Group group = container.attach(TestHost.EDU);
            failTogetherWithTheNextCall(observed, vfio_h.VFIO_IOMMU_SPAPR_REGISTER_MEMORY);
            assertToldBeside("VFIO_IOMMU_SPAPR_REGISTER_MEMORY", "munmap(", () -> container.allocate(1));
            failTogetherWithTheNextCall(observed, vfio_h.VFIO_DEVICE_GET_INFO);
            assertToldBeside("VFIO_DEVICE_GET_INFO", "close(0000:01:00.0)", () -> group.openDevice(TestHost.EDU));
            observed.heal();
            Region bar = group.openDevice(TestHost.EDU).bar(0);
            failTogetherWithTheNextCall(observed, vfio_h.VFIO_DEVICE_IOEVENTFD);
            assertToldBeside("VFIO_DEVICE_IOEVENTFD", "close(the ioeventfd of", () -> bar.ioEventFd(0, 4, 0));
            observed.heal();
        }
        host.assertAllGivenBack();
    }

    private static void failTogetherWithTheNextCall(ObservedKernel observed, int request) {
        observed.answerRequest(request, _ -> {
            observed.failCall(observed.calls());
            return Errno.EIO.negated();
        });
    }

    private static void assertToldBeside(String failed, String notClosed, Executable use) {
        VfioException e = assertThrows(VfioException.class, use);
        assertTrue(e.getMessage().contains("[" + failed), e.getMessage());
        assertEquals(1, e.getSuppressed().length);
        String suppressed = String.valueOf(e.getSuppressed()[0].getMessage());
        assertTrue(suppressed.contains("[" + notClosed), suppressed);
    }

    @Test
    void openDevice_version1_defaultWindowOnly() {
        TestHost host = withV1Only();
        try (Device device = Device.open(host.kernel(), TestHost.EDU)) {
            Container container = device.container();
            assertEquals(SpaprTceVersion.V1, container.iommuVersion());
            assertEquals(List.of(PageSize.SIZE_4K), container.iommuInfo().pageSizes());
            assertEquals(1, container.iommuInfo().maxWindows());
            VfioException create =
                    assertThrows(VfioException.class, () -> container.createWindow(PageSize.SIZE_4K, 1L << 30, 1));
            assertTrue(create.reason().contains("version 1"), create.getMessage());
            DmaWindow window = container.defaultWindow();
            VfioException remove = assertThrows(VfioException.class, window::close);
            assertTrue(remove.reason().contains("keeps its only window"), remove.getMessage());
            DmaMemory memory = container.allocate(PAGE);
            DmaMapping mapping = window.map(memory, DmaDirection.BIDIRECTIONAL);
            mapping.unmapRange(4096, 4096);
            assertEquals(0, host.observed().made(vfio_h.VFIO_IOMMU_SPAPR_REGISTER_MEMORY));
            assertEquals(1, host.observed().made(vfio_h.VFIO_IOMMU_ENABLE));
        }
        host.assertAllGivenBack();
    }

    @ParameterizedTest
    @EnumSource(names = {"V4_1", "V4_2", "V4_10", "V4_12", "V5_0"})
    void openDevice_lentTable_version1(KernelVersion version) {
        TestHost host = new TestHost(
                EmulatedMachine.power7().toBuilder().kernel(version).build());
        try (Device device = Device.open(host.kernel(), TestHost.EDU)) {
            Container container = device.container();
            assertEquals(SpaprTceVersion.V1, container.iommuVersion());
            assertEquals(1, container.iommuInfo().maxWindows());
            DmaMemory memory = container.allocate(PAGE);
            container.defaultWindow().map(memory, DmaDirection.BIDIRECTIONAL);
            assertEquals(16, host.group(0).windows().getFirst().mappedPages());
        }
        host.assertAllGivenBack();
    }

    @Test
    void openDevice_lentTableAndAnyCallFails_nothingOpen() {
        for (int call = 0; ; call++) {
            TestHost host = new TestHost(EmulatedMachine.power7());
            host.observed().failCall(call);
            try {
                Device.open(host.kernel(), TestHost.EDU).close();
            } catch (VfioException e) {
                assertEquals(Optional.of(Errno.EIO), e.errno(), e.getMessage());
            }
            host.assertAllGivenBack();
            if (call >= host.observed().calls()) {
                break;
            }
        }
    }

    @Test
    void openDevice_version1OverLockLimit_refused() {
        TestHost host = new TestHost(EmulatedMachine.power8().toBuilder()
                .kernel(KernelVersion.V4_1)
                .capIpcLock(false)
                .memlockBytes(1 << 20)
                .build());
        Kernel kernel = host.kernel();
        VfioException e = assertThrows(VfioException.class, () -> Device.open(kernel, TestHost.EDU));
        assertTrue(e.reason().contains("it needs 2G of locked memory: 0 locked of 1M"), e.getMessage());
        assertEquals(0, host.observed().made(vfio_h.VFIO_IOMMU_ENABLE));
        host.assertAllGivenBack();
    }

    /** The limit for the table of the window alone would be refused again, for what is locked after that. */
    @Test
    void openDevice_tableOverLockLimit_asksForTheProgramsMemoryToo() {
        TestHost host = new TestHost(EmulatedMachine.power8().toBuilder()
                .kernel(KernelVersion.V4_2)
                .capIpcLock(false)
                .memlockBytes(0)
                .build());
        VfioException e = assertThrows(VfioException.class, () -> Device.open(host.kernel(), TestHost.EDU));
        assertEquals(VfioException.Kind.LOCK_LIMIT, e.kind());
        assertTrue(e.hint().contains("8M more, and beside them what the program itself locks"), e.hint());
        host.assertAllGivenBack();
    }

    @Test
    void openDevice_noDynamicWindows_version1() {
        TestHost host = new TestHost(
                EmulatedMachine.pseries().toBuilder().kernel(KernelVersion.V6_4).build());
        try (Device device = Device.open(host.kernel(), host.anyDevice())) {
            assertEquals(SpaprTceVersion.V1, device.container().iommuVersion());
        }
        host.assertAllGivenBack();
    }

    @Test
    void forgetContainer_open_reportedWithPlace() throws InterruptedException {
        TestHost host = new TestHost();
        Container other = Container.open(host.kernel());
        other.attach(TestHost.OTHER_EDU);
        other.allocate(1);
        forget(host.kernel());
        while (forgotten("forget") == 0) {
            System.gc();
            Thread.sleep(5);
        }
        assertEquals(2, host.process().registeredRegions());
        other.close();
        assertEquals(1, host.process().registeredRegions());
    }

    private static void forget(Kernel kernel) {
        Container container = Container.open(kernel);
        Device device = container.attach(TestHost.EDU).openDevice(TestHost.EDU);
        container.allocate(1);
        // The thread that waits for the interrupt goes on, and must not keep the container from being found.
        device.enableInterrupts(InterruptType.INTX, 1).onInterrupt(0, device::reset);
    }

    /** How many containers are reported that a method of this class has opened. */
    private static long forgotten(String method) {
        return OpenSite.forgotten().stream()
                .filter(site -> Arrays.stream(site.getStackTrace())
                        .anyMatch(frame -> frame.getMethodName().equals(method)))
                .count();
    }

    @Test
    void forgetContainer_closed_notReported() throws InterruptedException {
        TestHost host = new TestHost();
        closeProperly(host.kernel());
        // The collector has found it by the time that it has found one that was forgotten later. The second one makes
        // sure of it: both may be found at once, in any order.
        for (long count = 1; count <= 2; count++) {
            forgetLater(host.kernel());
            while (forgotten("forgetLater") < count) {
                System.gc();
                Thread.sleep(5);
            }
        }
        assertEquals(0, forgotten("closeProperly"));
    }

    private static void forgetLater(Kernel kernel) {
        var _ = Container.open(kernel);
    }

    private static void closeProperly(Kernel kernel) {
        Container.open(kernel).close();
    }
}
