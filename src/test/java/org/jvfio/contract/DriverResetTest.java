package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.jvfio.contract.host.Answers.assertAnswer;

import java.time.Duration;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.jvfio.DependentDevice;
import org.jvfio.Device;
import org.jvfio.DeviceFeature;
import org.jvfio.EventFd;
import org.jvfio.PciAddress;
import org.jvfio.Region;
import org.jvfio.VfioException;
import org.jvfio.WakeupEvent;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.driver.edu.EduDevice;
import org.jvfio.kernel.Errno;

/** Resets, events, power, and a device that the host wants back, by the public API. */
@ContractTest
class DriverResetTest extends Contract {
    private static final String DRIVER = "/sys/bus/pci/drivers/vfio-pci/";
    private static final int LIVENESS = 4;

    private final Device device = Device.open(process.kernel(), PciAddress.parse(first.address()));
    private final Region registers =
            device.bar(0).withOrder(EduDevice.of(device).order());

    DriverResetTest(ContractHost host) {
        super(host, host.startWatched());
    }

    @AfterEach
    void closeDevice() {
        device.close();
    }

    @Test
    void hotReset_aloneOnBus_resets() {
        List<DependentDevice> devices = device.hotResetDevices();
        if (devices.isEmpty()) {
            assertThrows(VfioException.class, device::hotReset);
        } else {
            assertTrue(devices.contains(new DependentDevice(PciAddress.parse(first.address()), first.group())));
            assumeTrue(host.resetsReliably(), "the firmware fails resets after a while");
            device.hotReset();
            device.enableMemory();
            assertEquals(0x010000ed, registers.readInt(0));
        }
    }

    @Test
    void ioEventFd_signalled_writesTheRegister() throws InterruptedException {
        try (EventFd event = registers.ioEventFd(LIVENESS, 4, 0x12345678)) {
            VfioException e = assertThrows(VfioException.class, () -> registers.ioEventFd(LIVENESS, 4, 0x12345678));
            assertEquals(Errno.EEXIST, e.errno().orElseThrow());
            registers.writeInt(LIVENESS, 0);
            event.signal();
            while (registers.readInt(LIVENESS) != ~0x12345678) {
                Thread.sleep(1);
            }
        }
        registers.ioEventFd(LIVENESS, 4, 0x12345678).close();
    }

    @Test
    void enterLowPower_mappedAccess_refused() {
        assertTrue(device.supports(DeviceFeature.LOW_POWER_ENTRY));
        assertTrue(device.supports(DeviceFeature.LOW_POWER_EXIT));
        device.enterLowPower();
        assertThrows(VfioException.class, device::enterLowPower);
        assertEquals(0x010000ed, registers.viaSyscalls().readInt(0), "a call wakes it");
        if (registers.isMapped()) {
            VfioException e = assertThrows(VfioException.class, () -> registers.readInt(0));
            assertTrue(e.reason().contains("low power"), e.getMessage());
        }
        device.exitLowPower();
        assertEquals(0x010000ed, registers.readInt(0));
        device.exitLowPower();
    }

    @Test
    void enterLowPowerWithWakeup_access_signals() throws InterruptedException {
        assertTrue(device.supports(DeviceFeature.LOW_POWER_ENTRY_WITH_WAKEUP));
        for (int round = 0; round < 3; round++) {
            WakeupEvent woken = device.enterLowPowerWithWakeup();
            assertFalse(woken.await(Duration.ZERO));
            do {
                // The kernel takes the power some time after it was let, and until then nothing is woken.
                assertEquals(0x010000ed, registers.viaSyscalls().readInt(0));
            } while (!woken.await(Duration.ofMillis(100)));
            assertEquals(0x010000ed, registers.readInt(0), "it has full power");
        }
    }

    @Test
    void exitLowPower_wakeupPending_signals() throws InterruptedException {
        WakeupEvent woken = device.enterLowPowerWithWakeup();
        device.exitLowPower();
        assertTrue(woken.await(Duration.ofSeconds(60)));
        assertEquals(0x010000ed, registers.readInt(0));
    }

    @Test
    void close_lowPower_endsTheWait() throws InterruptedException {
        WakeupEvent woken = device.enterLowPowerWithWakeup();
        Thread closer = Thread.startVirtualThread(device::close);
        IllegalStateException e = assertThrows(IllegalStateException.class, () -> woken.await(Duration.ofSeconds(60)));
        assertEquals("wakeup event of " + device + " is closed", e.getMessage());
        closer.join();
        try (Device again = Device.open(process.kernel(), device.address())) {
            again.enterLowPowerWithWakeup().close();
            again.exitLowPower();
        }
    }

    @Test
    void setVfToken_ordinaryDevice_unsupported() {
        assertFalse(device.supports(DeviceFeature.VF_TOKEN));
        assertThrows(VfioException.class, () -> device.setVfToken(new UUID(1, 2)));
    }

    @Test
    @Scenario("K6")
    void closeOnDeviceRequest_unbind_deviceClosed() throws Exception {
        device.closeOnDeviceRequest();
        try (ExecutorService host = Executors.newSingleThreadExecutor()) {
            Future<Long> unbound = host.submit(() -> process.store(DRIVER + "unbind", first.address()));
            assertAnswer(0, unbound.get(120, TimeUnit.SECONDS));
        }
        assertThrows(IllegalStateException.class, () -> registers.readInt(0));
        // The host waited for the device alone; the driver closes the group after it, and this waits for that.
        device.close();
        assertAnswer(0, process.store("/sys/bus/pci/drivers_probe", first.address()));
        Device.open(process.kernel(), PciAddress.parse(first.address())).close();
    }
}
