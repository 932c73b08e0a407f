package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.NoSuchFileException;
import java.time.Duration;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.jvfio.VfioException.Kind;
import org.jvfio.driver.edu.EduDevice;
import org.jvfio.driver.nvme.NvmeController;
import org.jvfio.driver.nvme.NvmeOptions;
import org.jvfio.emulator.EmulatedHost;
import org.jvfio.emulator.EmulatedMachine;

/** A device is pulled out of its slot while a driver uses it. */
class UnplugTest {
    private static final long MAX_SECONDS = 30;

    private final TestHost host = new TestHost();
    private final EmulatedHost machine = host.process().host();

    private static void assertGone(VfioException e) {
        assertEquals(Kind.GONE, e.kind(), e.getMessage());
    }

    @Test
    void unplug_openDevice_requestsItAndEverythingSaysGone() throws Exception {
        Device device = Device.open(host.kernel(), TestHost.EDU);
        CountDownLatch requested = new CountDownLatch(1);
        device.onDeviceRequest(requested::countDown);
        Region bar = device.bar(0);
        EduDevice edu = EduDevice.of(device);
        host.unplug(TestHost.EDU);
        assertTrue(requested.await(MAX_SECONDS, TimeUnit.SECONDS));
        assertEquals(DeviceCondition.State.GONE, device.condition().state());
        assertGone(assertThrows(VfioException.class, () -> bar.readInt(0)));
        assertGone(assertThrows(VfioException.class, () -> device.configSpace().capabilities()));
        assertTimeoutPreemptively(Duration.ofSeconds(MAX_SECONDS), () -> {
            assertThrows(VfioException.class, device::reset);
            assertThrows(VfioException.class, () -> edu.factorial(5, Duration.ofSeconds(1)));
        });
        assertTrue(machine.groups().contains(0), "the group stays while it is in use");
        device.close();
        assertFalse(machine.groups().contains(0));
        assertThrows(
                NoSuchFileException.class, () -> host.kernel().readFile("/sys/bus/pci/devices/0000:01:00.0/vendor"));
        assertEquals(
                Kind.NOT_FOUND,
                assertThrows(VfioException.class, () -> Device.open(host.kernel(), TestHost.EDU))
                        .kind());
        host.assertAllGivenBack();
    }

    @Test
    void unplug_closedDevice_isGoneAtOnce() {
        machine.unplug(TestHost.OTHER_EDU.toString());
        assertEquals(List.of(0, 2), machine.groups());
        assertThrows(NoSuchElementException.class, () -> machine.unplug(TestHost.OTHER_EDU.toString()));
        assertEquals(2, PciFunction.all(host.kernel()).size());
    }

    @Test
    void unplug_oneOfTwoFunctionsOfAGroup_theOtherWorks() {
        TestHost two = new TestHost(EmulatedMachine.power8().toBuilder()
                .device("0004:01:00.0", 9, MessageDevice::new)
                .device("0004:01:00.1", 9, MessageDevice::new)
                .build());
        try (Container container = Container.open(two.kernel())) {
            Group group = container.attach(PciAddress.parse("0004:01:00.0"));
            Device first = group.openDevice(PciAddress.parse("0004:01:00.0"));
            Device second = group.openDevice(PciAddress.parse("0004:01:00.1"));
            two.process().host().unplug("0004:01:00.1");
            second.close();
            assertEquals(0, first.bar(0).readInt(0));
            assertEquals(List.of("0004:01:00.0"), two.group(9).devices());
        }
        two.assertAllGivenBack();
    }

    @Test
    void unplug_driveInUse_commandsFailAndNothingHangs() {
        assertTimeoutPreemptively(Duration.ofSeconds(MAX_SECONDS), () -> {
            TestHost other = new TestHost();
            Device device = Device.open(other.kernel(), TestHost.NVME);
            NvmeController drive = NvmeController.open(device, NvmeOptions.DEFAULT);
            other.unplug(TestHost.NVME);
            assertThrows(RuntimeException.class, () -> drive.namespace(1));
            assertGone(assertThrows(VfioException.class, () -> device.bar(0).readInt(0)));
            drive.close();
            device.close();
            other.assertAllGivenBack();
            assertFalse(other.process().host().groups().contains(2));
        });
    }
}
