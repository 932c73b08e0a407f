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
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_GET_INFO;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_PCI_HOT_RESET;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_RESET_DEACTIVATE;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_RESET_HOT;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.Edu;
import org.jvfio.contract.host.RawContainer;
import org.jvfio.contract.host.RawDevice;
import org.jvfio.contract.host.RawGroup;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_device_info;
import org.jvfio.uapi.vfio_pci_dependent_device;
import org.jvfio.uapi.vfio_pci_hot_reset;
import org.jvfio.uapi.vfio_pci_hot_reset_info;

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
        MemorySegment info = device.process().struct(vfio_device_info.layout());
        vfio_device_info.argsz(info, (int) vfio_device_info.sizeof());
        assertAnswer(0, device.ioctl(VFIO_DEVICE_GET_INFO, info));
        return (vfio_device_info.flags(info) & VFIO_DEVICE_FLAGS_RESET) != 0;
    }

    /** In an LPAR, devices are on a root bus, which cannot be reset. */
    private void assertHotReset(Errno expected, int... descriptors) {
        assertAnswer(host.isPowernv() ? expected : ENODEV, device.hotReset(descriptors));
    }

    @Test
    @Scenario("J28")
    void onlyADeviceThatCanBeResetIs() {
        assumeTrue(host.resetsReliably(), "the firmware fails resets after a while");
        assertEquals(host.isPowernv(), saysItResets(device));
        assertAnswer(host.isPowernv() ? 0 : EINVAL.negated(), device.reset());
    }

    @Test
    void anExpressDeviceResetsItselfAndKeepsItsCommandRegister() {
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
    void aBusSaysWhichDevicesAreResetWithIt() {
        MemorySegment info = process.struct(vfio_pci_hot_reset_info.layout());
        assertAnswer(EFAULT, device.ioctl(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, 0));
        assertAnswer(EINVAL, device.hotResetInfo(info, HEADER - 1));
        vfio_pci_hot_reset_info.flags(info, -1);
        assertAnswer(host.isPowernv() ? ENOSPC : ENODEV, device.hotResetInfo(info, HEADER));
        if (host.isPowernv()) {
            assertEquals(1, vfio_pci_hot_reset_info.count(info));
            assertEquals(0, vfio_pci_hot_reset_info.flags(info));
            MemorySegment list = process.struct(MemoryLayout.sequenceLayout(3, ValueLayout.JAVA_LONG));
            assertAnswer(0, device.hotResetInfo(list, HEADER + 8));
            assertEquals(1, vfio_pci_hot_reset_info.count(list));
            MemorySegment only = list.asSlice(HEADER, 8);
            assertEquals(first.group(), vfio_pci_dependent_device.group_id(only));
            assertEquals(
                    Integer.parseInt(first.address(), 0, 4, 16),
                    Short.toUnsignedInt(vfio_pci_dependent_device.segment(only)));
            assertEquals(
                    Integer.parseInt(first.address(), 5, 7, 16),
                    Byte.toUnsignedInt(vfio_pci_dependent_device.bus(only)));
            assertEquals(0, vfio_pci_dependent_device.devfn(only));
        }
    }

    @Test
    @Scenario("J30")
    void aBusIsResetWithTheGroupsOfAllItsDevices() {
        assertAnswer(EFAULT, device.ioctl(VFIO_DEVICE_PCI_HOT_RESET, 0));
        assertAnswer(EINVAL, device.hotReset());
        MemorySegment reset = process.struct(vfio_pci_hot_reset.layout());
        vfio_pci_hot_reset.argsz(reset, HEADER - 1);
        assertAnswer(EINVAL, device.ioctl(VFIO_DEVICE_PCI_HOT_RESET, reset));
        vfio_pci_hot_reset.argsz(reset, HEADER);
        vfio_pci_hot_reset.flags(reset, 1);
        vfio_pci_hot_reset.count(reset, 1);
        assertAnswer(EINVAL, device.ioctl(VFIO_DEVICE_PCI_HOT_RESET, reset));
        assertHotReset(EINVAL, group.descriptor(), group.descriptor());
        RawGroup other = process.openGroup(second.group());
        assertHotReset(EINVAL, other.descriptor());
    }

    @Test
    @Scenario("J31")
    void aGroupOfABusIsADescriptorOfIt() {
        assertHotReset(EINVAL, container.descriptor());
        assertHotReset(EINVAL, device.descriptor());
        assertHotReset(EBADF, -1);
    }

    @Test
    void aBusIsReset() {
        assumeTrue(host.resetsReliably(), "the firmware fails resets after a while");
        device.masterBus(true);
        assertAnswer(host.isPowernv() ? 0 : ENODEV.negated(), device.hotReset(group.descriptor()));
        Edu.mastering(device);
        assertEquals(PCI_COMMAND_MASTER, device.config().readShort(PCI_COMMAND) & PCI_COMMAND_MASTER);
        assertEquals(PCI_COMMAND_MEMORY, device.config().readShort(PCI_COMMAND) & PCI_COMMAND_MEMORY);
    }

    @Test
    void aResetOfThePeLeavesTheCommandRegisterToTheUser() {
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
