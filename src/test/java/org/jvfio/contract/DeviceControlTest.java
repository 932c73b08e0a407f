package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.EBADF;
import static org.jvfio.kernel.Errno.EEXIST;
import static org.jvfio.kernel.Errno.EFAULT;
import static org.jvfio.kernel.Errno.EINVAL;
import static org.jvfio.kernel.Errno.ENODEV;
import static org.jvfio.kernel.Errno.ENOTTY;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND_MEMORY;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_GET;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_LOW_POWER_EXIT;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_MIGRATION;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_PCI_VF_TOKEN;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_PROBE;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_SET;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_IOEVENTFD;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_CONFIG_REGION_INDEX;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.Edu;
import org.jvfio.contract.host.Event;
import org.jvfio.contract.host.RawDevice;
import org.jvfio.contract.host.RawGroup;
import org.jvfio.emulator.KernelVersion;
import org.jvfio.ioctl.IoEventFd;
import org.jvfio.uapi.vfio_h;

/** Registers that eventfds write, features of a device, and what a device descriptor does not know. */
@ContractTest
class DeviceControlTest extends Contract {
    private static final int LIVENESS = 4;
    private static final int DMA_SOURCE = 0x80;
    private static final long NVME_TABLE = 0x2000;
    private static final int WHOLE_TOKEN = 24;
    private static final int ENTRY = 16;

    private final RawGroup group = openGroup();
    private final RawDevice device;
    private final Edu edu;
    private final Event event;

    DeviceControlTest(ContractHost host) {
        super(host);
        v2(group);
        device = group.device(first.address());
        edu = Edu.mastering(device);
        // It reads as the complement of what was written.
        edu.writeRegister(LIVENESS, -1);
        event = new Event(process);
    }

    private static void awaitThat(BooleanSupplier condition) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (!condition.getAsBoolean() && System.nanoTime() < end) {
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(1));
        }
        assertEquals(true, condition.getAsBoolean());
    }

    @Test
    @Scenario({"J32", "J33"})
    void ioEventFd_signalled_writesTheRegister() {
        assertAnswer(ENODEV, device.ioEvent(LIVENESS, 0, 4, -1));
        assertAnswer(0, device.ioEvent(LIVENESS, 0, 4, event.descriptor()));
        assertAnswer(EEXIST, device.ioEvent(LIVENESS, 0, 4, event.descriptor()));
        assertEquals(0, edu.readRegister(LIVENESS));
        event.signal();
        awaitThat(() -> edu.readRegister(LIVENESS) == -1);
        assertEquals(0, event.take());
        Event other = new Event(process);
        assertAnswer(0, device.ioEvent(LIVENESS, -1L, 4, other.descriptor()));
        other.signal();
        awaitThat(() -> edu.readRegister(LIVENESS) == 0);
        assertAnswer(0, device.ioEvent(LIVENESS, 0, 4, -1));
        assertAnswer(ENODEV, device.ioEvent(LIVENESS, 0, 4, -1));
        event.signal();
        assertEquals(1, event.take());
        assertEquals(0, edu.readRegister(LIVENESS));
    }

    @Test
    void ioEventFd_memoryDisabled_writesNothing() {
        assertAnswer(0, device.ioEvent(LIVENESS, 0, 4, event.descriptor()));
        device.changeCommand(PCI_COMMAND_MEMORY, false);
        event.signal();
        assertEquals(0, event.take());
        device.changeCommand(PCI_COMMAND_MEMORY, true);
        assertEquals(0, edu.readRegister(LIVENESS));
    }

    @Test
    void ioEventFd_invalidArguments_einval() {
        assertAnswer(EFAULT, device.ioctl(VFIO_DEVICE_IOEVENTFD, 0));
        assertAnswer(
                EINVAL, device.call(IoEventFd.of(process.arena(), 0, 0, 0, 0).argsz(27)));
        assertAnswer(EINVAL, device.ioEvent(LIVENESS, 0, 0, event.descriptor()));
        assertAnswer(EINVAL, device.ioEvent(LIVENESS, 0, 3, event.descriptor()));
        assertAnswer(EINVAL, device.ioEvent(LIVENESS, 0, 16, event.descriptor()));
        assertAnswer(EINVAL, device.ioEvent(LIVENESS, 0, 4, -2));
        assertAnswer(EINVAL, device.ioEvent(MIB - 3, 0, 4, event.descriptor()));
        assertAnswer(EINVAL, device.ioEvent((long) VFIO_PCI_CONFIG_REGION_INDEX << 40, 0, 4, event.descriptor()));
        assertAnswer(EINVAL, device.ioEvent(1L << 40, 0, 4, event.descriptor()));
        assertAnswer(EBADF, device.ioEvent(LIVENESS, 0, 4, Integer.MAX_VALUE));
        assertAnswer(EINVAL, device.ioEvent(LIVENESS, 0, 4, device.descriptor()));
        boolean eightBytes = host.version().before(KernelVersion.V7_2);
        assertAnswer(eightBytes ? 0 : EINVAL.negated(), device.ioEvent(DMA_SOURCE, 0, 8, event.descriptor()));
        RawDevice nvme = nvme();
        assertAnswer(EINVAL, nvme.ioEvent(NVME_TABLE + 64 * 16 + 12, 0, 4, event.descriptor()));
        assertAnswer(EINVAL, nvme.ioEvent(NVME_TABLE - 4, 0, 8, event.descriptor()));
        assertAnswer(0, nvme.ioEvent(0x1000, 0, 4, event.descriptor()));
    }

    @Test
    void ioEventFd_lastDescriptorClosed_removed() {
        assertAnswer(0, device.ioEvent(LIVENESS, 0, 4, event.descriptor()));
        assertAnswer(0, device.close());
        event.signal();
        assertEquals(1, event.take());
        assertAnswer(ENODEV, group.device(first.address()).ioEvent(LIVENESS, 0, 4, -1));
    }

    @Test
    @Scenario({"J34", "J35"})
    void deviceFeature_invalidFlags_einval() {
        int both = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET;
        assertAnswer(EFAULT, device.ioctl(VFIO_DEVICE_FEATURE, 0));
        assertAnswer(EINVAL, device.feature(VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, 7, 0));
        assertAnswer(EINVAL, device.feature(both | VFIO_DEVICE_FEATURE_MIGRATION));
        assertAnswer(EINVAL, device.feature(1 << 19 | VFIO_DEVICE_FEATURE_LOW_POWER_EXIT));
        assertAnswer(ENOTTY, device.feature(both | VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_MIGRATION));
        assertAnswer(ENOTTY, device.feature(VFIO_DEVICE_FEATURE_GET | 0xffff));
        int token = VFIO_DEVICE_FEATURE_PCI_VF_TOKEN;
        assertAnswer(ENOTTY, device.feature(VFIO_DEVICE_FEATURE_SET | token, WHOLE_TOKEN, 0));
        int sleep = VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY;
        assertAnswer(0, device.feature(VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET | sleep));
        assertAnswer(0, device.feature(VFIO_DEVICE_FEATURE_PROBE | sleep));
        assertAnswer(EINVAL, device.feature(VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET | sleep));
        assertAnswer(EINVAL, device.feature(VFIO_DEVICE_FEATURE_GET | sleep));
        assertAnswer(EINVAL, device.feature(sleep));
    }

    @Test
    void lowPowerEntry_untilExit_accessesStillWork() {
        int sleep = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY;
        int wake = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_EXIT;
        assertAnswer(0, device.feature(wake));
        assertAnswer(0, device.feature(sleep));
        assertAnswer(EINVAL, device.feature(sleep));
        // Each call wakes it for as long as it takes.
        edu.readRegister(LIVENESS);
        assertAnswer(0, device.feature(wake));
        assertAnswer(0, device.feature(wake));
        assertAnswer(0, device.feature(sleep));
        assertAnswer(0, device.close());
        RawDevice again = group.device(first.address());
        assertAnswer(0, again.feature(sleep));
        assertAnswer(0, again.feature(wake));
    }

    @Test
    void lowPowerEntryWithWakeup_access_signalsTheEvent() {
        int sleep = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP;
        assertAnswer(EINVAL, device.feature(sleep, 8, event.descriptor()));
        assertAnswer(EINVAL, device.feature(sleep, ENTRY, -1));
        assertAnswer(EBADF, device.feature(sleep, ENTRY, Integer.MAX_VALUE));
        assertAnswer(EINVAL, device.feature(sleep, ENTRY, device.descriptor()));
        assertAnswer(0, device.feature(sleep, ENTRY, event.descriptor()));
        wakeUntilTold(event);
        assertEquals(0, event.take(), "it is awake for good");
        assertAnswer(0, device.feature(sleep, ENTRY, event.descriptor()));
        wakeUntilTold(event);
    }

    /** The kernel takes the power some time after it was let, and until then no call wakes the device. */
    private void wakeUntilTold(Event told) {
        do {
            edu.readRegister(LIVENESS);
        } while (!told.isSignalledSoon());
        assertEquals(1, told.take());
    }

    @Test
    void lowPowerEntryWithWakeup_eventClosed_stillEntersLowPower() {
        int sleep = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP;
        assertAnswer(0, device.feature(sleep, ENTRY, event.descriptor()));
        assertAnswer(0, event.close());
        edu.readRegister(LIVENESS);
        assertAnswer(0, device.feature(VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_EXIT));
        Event other = new Event(process);
        assertAnswer(0, device.feature(sleep, ENTRY, other.descriptor()));
        assertAnswer(0, device.close());
        other.assertQuiet();
        RawDevice again = group.device(first.address());
        assertAnswer(0, again.feature(sleep, ENTRY, other.descriptor()));
    }

    @Test
    @Scenario("J36")
    void deviceIoctl_requestOfOtherFile_enotty() {
        // GET_API_VERSION, GROUP_GET_STATUS, QUERY_GFX_PLANE, GET_GFX_DMABUF, BIND_IOMMUFD, ATTACH_PT, DETACH_PT.
        for (int number : new int[] {0, 3, 14, 15, 18, 19, 20}) {
            int request = vfio_h.VFIO_GET_API_VERSION + number;
            assertAnswer(
                    ENOTTY,
                    device.ioctl(
                            request, IoEventFd.of(process.arena(), 0, 0, 0, 0).struct()));
        }
    }
}
