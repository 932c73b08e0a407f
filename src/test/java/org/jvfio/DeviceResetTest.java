package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.jvfio.VfioException.Kind;
import org.jvfio.kernel.Errno;
import org.jvfio.observe.sanitize.Finding;
import org.jvfio.uapi.vfio_device_feature;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_pci_hot_reset;
import org.jvfio.uapi.vfio_pci_hot_reset_info;

/** Hot resets, features and device requests, most of them with answers of kernels and devices that are not at hand. */
class DeviceResetTest {
    private final TestHost host = new TestHost();
    private final Container container = Container.open(host.kernel());
    private final Device device = container.attach(TestHost.EDU).openDevice(TestHost.EDU);

    @AfterEach
    void giveBack() {
        host.observed().heal();
        container.close();
        host.assertAllGivenBack();
    }

    @Test
    void reset_msixEnabledAndMemoryDisabled_isRefused() {
        Device drive = container.attach(TestHost.NVME).openDevice(TestHost.NVME);
        drive.enableInterrupts(InterruptType.MSIX, 1);
        drive.configSpace().disable(PciCommand.MEMORY);
        long calls = host.observed().made(vfio_h.VFIO_DEVICE_RESET);
        String reason = TestHost.NVME + " has MSI-X enabled while its memory is disabled";
        assertRefused(Kind.FROZEN, reason, drive::reset);
        assertRefused(Kind.FROZEN, reason, drive::hotReset);
        assertRefused(Kind.FROZEN, reason, device::hotReset);
        assertEquals(calls, host.observed().made(vfio_h.VFIO_DEVICE_RESET));
        drive.configSpace().enable(PciCommand.MEMORY);
        drive.reset();
        assertEquals(calls + 1, host.observed().made(vfio_h.VFIO_DEVICE_RESET));
    }

    private static void assertRefused(Kind kind, String reason, Executable call) {
        VfioException e = assertThrows(VfioException.class, call);
        assertEquals(kind, e.kind());
        assertTrue(e.reason().contains(reason), e.getMessage());
    }

    /** Has the bus of the device shared with others: each is its group, domain, bus, and device and function. */
    private void share(int[]... others) {
        host.observed().answerRequest(vfio_h.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, struct -> {
            long needed = vfio_pci_hot_reset_info.sizeof() + 8L * others.length;
            vfio_pci_hot_reset_info.count(struct, others.length);
            if (vfio_pci_hot_reset_info.argsz(struct) < needed) {
                return Errno.ENOSPC.negated();
            }
            long at = vfio_pci_hot_reset_info.sizeof();
            for (int[] other : others) {
                struct.set(ValueLayout.JAVA_INT, at, other[0]);
                struct.set(ValueLayout.JAVA_SHORT, at + 4, (short) other[1]);
                struct.set(ValueLayout.JAVA_BYTE, at + 6, (byte) other[2]);
                struct.set(ValueLayout.JAVA_BYTE, at + 7, (byte) other[3]);
                at += 8;
            }
            return 0;
        });
    }

    private List<Integer> resets() {
        List<Integer> counts = new ArrayList<>();
        host.observed().answerRequest(vfio_h.VFIO_DEVICE_PCI_HOT_RESET, struct -> {
            counts.add(vfio_pci_hot_reset.count(struct));
            for (int each = 0; each < vfio_pci_hot_reset.count(struct); each++) {
                int fd = struct.get(ValueLayout.JAVA_INT, vfio_pci_hot_reset.sizeof() + 4L * each);
                assertTrue(fd > 2, "a descriptor of a group");
            }
            return 0;
        });
        return counts;
    }

    @Test
    void hotResetDevices_severalDevices_returnsAll() {
        share(new int[] {0, 0, 1, 0}, new int[] {7, 0xffff, 0xfe, 0xff});
        assertEquals(
                List.of(new DependentDevice(TestHost.EDU, 0), new DependentDevice(PciAddress.parse("ffff:fe:1f.7"), 7)),
                device.hotResetDevices());
    }

    @Test
    void hotReset_groupMissing_conflict() {
        share(new int[] {0, 0, 1, 0}, new int[] {1, 1, 1, 0}, new int[] {0, 0, 1, 1});
        List<Integer> counts = resets();
        assertRefused(Kind.CONFLICT, "0001:01:00.0 of IOMMU group 1", device::hotReset);
        assertEquals(List.of(), counts);
        container.attach(TestHost.OTHER_EDU);
        device.hotReset();
        assertEquals(List.of(2), counts);
    }

    @Test
    void hotReset_groupOfOtherContainer_isPassed() {
        share(new int[] {0, 0, 1, 0}, new int[] {1, 1, 1, 0});
        List<Integer> counts = resets();
        try (Container other = Container.open(host.kernel())) {
            Group group = other.attach(TestHost.OTHER_EDU);
            device.hotReset(group);
            group.close();
            assertThrows(IllegalStateException.class, () -> device.hotReset(group));
        }
        assertEquals(List.of(2), counts);
    }

    @Test
    void hotReset_kernelRefuses_isThrown() {
        host.observed().answerRequest(vfio_h.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, struct -> Errno.ENODEV.negated());
        assertEquals(List.of(), device.hotResetDevices());
        assertRefused(Kind.UNSUPPORTED, "neither the bus nor the slot", device::hotReset);
        for (Errno errno : List.of(Errno.EPERM, Errno.ENOSPC)) {
            host.observed().answerRequest(vfio_h.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, struct -> errno.negated());
            VfioException e = assertThrows(VfioException.class, device::hotResetDevices);
            assertEquals(errno, e.errno().orElseThrow());
        }
        share(new int[] {0, 0, 1, 0});
        for (Errno errno : List.of(Errno.EINVAL, Errno.EAGAIN)) {
            host.observed().answerRequest(vfio_h.VFIO_DEVICE_PCI_HOT_RESET, struct -> errno.negated());
            VfioException e = assertThrows(VfioException.class, device::hotReset);
            assertEquals(errno, e.errno().orElseThrow());
        }
    }

    @Test
    void feature_eachMethod_passesFlagsAndData() {
        List<Integer> asked = new ArrayList<>();
        List<byte[]> data = new ArrayList<>();
        host.observed().answerRequest(vfio_h.VFIO_DEVICE_FEATURE, struct -> {
            asked.add(vfio_device_feature.flags(struct));
            data.add(struct.asSlice(vfio_device_feature.sizeof(), vfio_device_feature.argsz(struct) - 8)
                    .toArray(ValueLayout.JAVA_BYTE));
            return 0;
        });
        assertTrue(device.supports(DeviceFeature.VF_TOKEN));
        device.setVfToken(UUID.fromString("00010203-0405-0607-0809-0a0b0c0d0e0f"));
        device.enterLowPower();
        device.exitLowPower();
        device.enterLowPowerWithWakeup();
        assertEquals(List.of(0x60000, 0x20000, 0x20003, 0x20005, 0x20004), asked);
        byte[] token = new byte[16];
        for (int each = 0; each < token.length; each++) {
            token[each] = (byte) each;
        }
        assertArrayEquals(token, data.get(1));
        assertEquals(0, data.get(2).length);
        assertEquals(8, data.get(4).length);
    }

    @Test
    void enterLowPowerWithWakeup_systemCall_reportsWakeup() throws InterruptedException {
        int before = host.process().openDescriptors();
        WakeupEvent first = device.enterLowPowerWithWakeup();
        assertFalse(first.await(Duration.ZERO));
        WakeupEvent second = device.enterLowPowerWithWakeup();
        assertTrue(first.await(Duration.ZERO), "the call woke it, and let it have low power again");
        assertFalse(second.await(Duration.ofMillis(1)));
        device.configSpace().vendorId();
        assertTrue(second.await(Duration.ofSeconds(60)));
        second.close();
        second.close();
        assertTrue(second.await(Duration.ZERO));
        assertEquals(before + 1, host.process().openDescriptors(), "the dispatcher's own");
    }

    @Test
    void wakeupAwait_inHandler_illegalState() throws InterruptedException {
        WakeupEvent woken = device.enterLowPowerWithWakeup();
        LinkedBlockingQueue<String> refusals = new LinkedBlockingQueue<>();
        try (Interrupts line = device.enableInterrupts(InterruptType.INTX, 1)) {
            line.onInterrupt(
                    0,
                    () -> refusals.add(
                            assertThrows(IllegalStateException.class, () -> woken.await(Duration.ofSeconds(60)))
                                    .getMessage()));
            line.trigger(0);
            assertEquals(
                    "a handler cannot wait for the wakeup of " + device + ": it arrives on its thread",
                    refusals.take());
        }
    }

    @Test
    void enterLowPowerWithWakeup_kernelRefuses_leaksNothing() {
        device.enterLowPowerWithWakeup().close();
        device.exitLowPower();
        int before = host.process().openDescriptors();
        for (Errno errno : List.of(Errno.ENOTTY, Errno.EINVAL)) {
            host.observed().answerRequest(vfio_h.VFIO_DEVICE_FEATURE, struct -> errno.negated());
            assertFalse(device.supports(DeviceFeature.LOW_POWER_ENTRY_WITH_WAKEUP));
            VfioException e = assertThrows(VfioException.class, device::enterLowPowerWithWakeup);
            assertEquals(errno, e.errno().orElseThrow());
            assertEquals(before, host.process().openDescriptors());
        }
        device.close();
        assertThrows(IllegalStateException.class, device::enterLowPowerWithWakeup);
    }

    @Test
    void enterLowPower_kernelRefuses_isThrown() {
        for (Errno errno : List.of(Errno.ENOTTY, Errno.EINVAL)) {
            host.observed().answerRequest(vfio_h.VFIO_DEVICE_FEATURE, struct -> errno.negated());
            assertFalse(device.supports(DeviceFeature.LOW_POWER_ENTRY));
            VfioException e = assertThrows(VfioException.class, device::enterLowPower);
            assertEquals(errno, e.errno().orElseThrow());
            assertThrows(VfioException.class, device::exitLowPower);
        }
        host.observed().answerRequest(vfio_h.VFIO_DEVICE_FEATURE, struct -> Errno.EIO.negated());
        assertThrows(VfioException.class, () -> device.supports(DeviceFeature.VF_TOKEN));
    }

    @Test
    void openDevice_tokenForOrdinaryDevice_einval() {
        device.close();
        VfioException e =
                assertThrows(VfioException.class, () -> device.group().openDevice(TestHost.EDU, UUID.randomUUID()));
        assertEquals(Errno.EINVAL, e.errno().orElseThrow());
        assertTrue(e.reason().contains("takes no VF token"), e.getMessage());
    }

    @Test
    void onDeviceRequest_requested_callsLastHandler() throws Exception {
        List<Integer> eventfds = requestEventfds();
        CountDownLatch asked = new CountDownLatch(2);
        device.onDeviceRequest(() -> {
            throw new AssertionError("replaced");
        });
        device.onDeviceRequest(asked::countDown);
        assertEquals(1, eventfds.size());
        request(eventfds.getFirst());
        while (asked.getCount() == 2) {
            Thread.onSpinWait();
        }
        request(eventfds.getFirst());
        assertTrue(asked.await(60, TimeUnit.SECONDS));
        assertRefused(Kind.CONFLICT, "enabled already", () -> device.enableInterrupts(InterruptType.REQUEST, 1));
    }

    @Test
    void closeOnDeviceRequest_requested_closes() throws Exception {
        container.close();
        List<Integer> eventfds = requestEventfds();
        Device own = Device.open(host.kernel(), TestHost.EDU);
        DmaMemory memory = own.container().allocate(1);
        own.container().defaultWindow().map(memory, DmaDirection.TO_DEVICE);
        own.closeOnDeviceRequest();
        request(eventfds.getFirst());
        while (!host.group(0).ownedByHost()) {
            Thread.sleep(1);
        }
        assertThrows(IllegalStateException.class, own::isFrozen);
        // Which waits for the rest of it.
        own.close();
        host.assertAllGivenBack();
    }

    private List<Integer> requestEventfds() {
        List<Integer> eventfds = new ArrayList<>();
        host.observed().replaceArgument(vfio_h.VFIO_DEVICE_SET_IRQS, (arena, struct) -> {
            int eventfd = struct.byteSize() > 20 ? struct.get(ValueLayout.JAVA_INT, 20) : -1;
            if (eventfd >= 0) {
                eventfds.add(eventfd);
            }
            return struct;
        });
        return eventfds;
    }

    private void request(int eventfd) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment one = arena.allocateFrom(ValueLayout.JAVA_LONG, 1);
            assertEquals(8, host.process().write(eventfd, one));
        }
    }

    @Test
    void isFrozen_dmaOutsideMappings_true() {
        host.expect(Finding.Kind.UNMAPPED_DMA, "read 8 bytes from 0x10000, which is in no window", "");
        assertFalse(device.isFrozen());
        device.enableBusMastering();
        Region edu = device.bar(0).withOrder(ByteOrder.BIG_ENDIAN);
        edu.writeLong(0x80, 0x10000);
        edu.writeLong(0x88, 0x40000);
        edu.writeInt(0x90, 8);
        edu.writeInt(0x98, 1);
        while (!device.isFrozen()) {
            Thread.onSpinWait();
        }
        assertEquals(-1, edu.unchecked().readInt(0));
        device.recover();
        assertFalse(device.isFrozen());
    }
}
