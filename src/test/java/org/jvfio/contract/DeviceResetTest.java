package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.EBADF;
import static org.jvfio.kernel.Errno.EFAULT;
import static org.jvfio.kernel.Errno.EINVAL;
import static org.jvfio.kernel.Errno.ENODEV;
import static org.jvfio.kernel.Errno.ENOSPC;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND_MASTER;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND_MEMORY;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FLAGS_RESET;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_PCI_HOT_RESET;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_RESET_DEACTIVATE;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_RESET_HOT;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.Edu;
import org.jvfio.contract.host.RawContainer;
import org.jvfio.contract.host.RawDevice;
import org.jvfio.contract.host.RawGroup;
import org.jvfio.ioctl.GetHotResetInfo;
import org.jvfio.ioctl.PciHotReset;
import org.jvfio.kernel.Errno;

/** Resets of a device and of its bus. */
@ContractTest
class DeviceResetTest extends Contract {
    private static final long NVME_CONFIGURATION = 0x14;
    private static final int ENTRY_SIZES = 0x00460000;
    private static final int HEADER = 12;

    private final RawGroup group = openGroup();
    private final RawContainer container;
    private final RawDevice device;

    DeviceResetTest(ContractHost host) {
        super(host);
        container = v2(group);
        device = group.device(first.address());
    }

    private static boolean saysItResets(RawDevice device) {
        return (device.info().flags() & VFIO_DEVICE_FLAGS_RESET) != 0;
    }

    /** In an LPAR, devices are on a root bus, which cannot be reset. */
    private void assertHotReset(Errno expected, int... descriptors) {
        assertAnswer(host.isPowernv() ? expected : ENODEV, device.hotReset(descriptors));
    }

    @Test
    @Scenario("J28")
    void deviceReset_bySupport_zeroOrEinval() {
        assumeTrue(host.resetsReliably(), "the firmware fails resets after a while");
        assertEquals(host.isPowernv(), saysItResets(device));
        assertAnswer(host.isPowernv() ? 0 : EINVAL.negated(), device.reset());
    }

    @Test
    void deviceReset_expressDevice_keepsCommandRegister() {
        RawDevice nvme = nvme();
        assertEquals(true, saysItResets(nvme));
        nvme.masterBus(true);
        MemorySegment configuration = process.struct(ValueLayout.JAVA_INT);
        configuration.set(ValueLayout.JAVA_INT, 0, ENTRY_SIZES);
        assertAnswer(Integer.BYTES, nvme.pwrite(configuration, NVME_CONFIGURATION));
        configuration.fill((byte) 0);
        assertAnswer(Integer.BYTES, nvme.pread(configuration, NVME_CONFIGURATION));
        assertEquals(ENTRY_SIZES, configuration.get(ValueLayout.JAVA_INT, 0));
        assertAnswer(0, nvme.reset());
        assertAnswer(Integer.BYTES, nvme.pread(configuration, NVME_CONFIGURATION));
        assertEquals(0, configuration.get(ValueLayout.JAVA_INT, 0));
        assertEquals(PCI_COMMAND_MASTER, nvme.config().readShort(PCI_COMMAND) & PCI_COMMAND_MASTER);
    }

    @Test
    @Scenario("J29")
    void hotResetInfo_singleDevice_listsIt() {
        GetHotResetInfo info = GetHotResetInfo.of(process.arena(), 0);
        assertAnswer(EFAULT, device.ioctl(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, 0));
        assertAnswer(EINVAL, device.call(info.argsz(HEADER - 1)));
        assertAnswer(
                host.isPowernv() ? ENOSPC : ENODEV,
                device.call(info.argsz(HEADER).flags(-1)));
        if (host.isPowernv()) {
            assertEquals(1, info.count());
            assertEquals(0, info.flags());
            GetHotResetInfo list = GetHotResetInfo.of(process.arena(), 1);
            assertAnswer(0, device.call(list));
            assertEquals(1, list.count());
            assertEquals(first.group(), list.group(0));
            assertEquals(Integer.parseInt(first.address(), 0, 4, 16), list.domain(0));
            assertEquals(Integer.parseInt(first.address(), 5, 7, 16), list.bus(0));
            assertEquals(0, list.devfn(0));
        }
    }

    @Test
    @Scenario("J30")
    void hotReset_wrongGroups_einval() {
        assertAnswer(EFAULT, device.ioctl(VFIO_DEVICE_PCI_HOT_RESET, 0));
        assertAnswer(EINVAL, device.hotReset());
        assertAnswer(EINVAL, device.call(PciHotReset.of(process.arena()).argsz(HEADER - 1)));
        assertAnswer(
                EINVAL, device.call(PciHotReset.of(process.arena()).flags(1).count(1)));
        assertHotReset(EINVAL, group.descriptor(), group.descriptor());
        RawGroup other = process.openGroup(second.group());
        assertHotReset(EINVAL, other.descriptor());
    }

    @Test
    @Scenario("J31")
    void hotReset_descriptorOfOtherFile_einval() {
        assertHotReset(EINVAL, container.descriptor());
        assertHotReset(EINVAL, device.descriptor());
        assertHotReset(EBADF, -1);
    }

    @Test
    void hotReset_ownGroup_resets() {
        assumeTrue(host.resetsReliably(), "the firmware fails resets after a while");
        device.masterBus(true);
        assertAnswer(host.isPowernv() ? 0 : ENODEV.negated(), device.hotReset(group.descriptor()));
        Edu.mastering(device);
        assertEquals(PCI_COMMAND_MASTER, device.config().readShort(PCI_COMMAND) & PCI_COMMAND_MASTER);
        assertEquals(PCI_COMMAND_MEMORY, device.config().readShort(PCI_COMMAND) & PCI_COMMAND_MEMORY);
    }

    @Test
    void eehReset_busMasterOn_busMasterIsOff() {
        assumeTrue(host.resetsReliably(), "the firmware fails resets after a while");
        device.masterBus(true);
        int answer = host.hasEeh() ? 0 : ENODEV.negated();
        assertAnswer(answer, container.eeh(VFIO_EEH_PE_RESET_HOT));
        assertAnswer(answer, container.eeh(VFIO_EEH_PE_RESET_DEACTIVATE));
        int bits = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
        assertEquals(host.hasEeh() ? PCI_COMMAND_MEMORY : bits, device.config().readShort(PCI_COMMAND) & bits);
        device.masterBus(true);
        assertEquals(bits, device.config().readShort(PCI_COMMAND) & bits);
        Edu.mastering(device);
    }
}
