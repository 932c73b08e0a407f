package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.EACCES;
import static org.jvfio.kernel.Errno.EBUSY;
import static org.jvfio.kernel.Errno.EINVAL;
import static org.jvfio.kernel.Errno.ENODEV;
import static org.jvfio.kernel.Errno.ENOENT;
import static org.jvfio.kernel.Errno.EPERM;
import static org.jvfio.uapi.vfio_h.O_RDWR;
import static org.jvfio.uapi.vfio_h.VFIO_EEH;
import static org.jvfio.uapi.vfio_h.VFIO_GROUP_FLAGS_VIABLE;
import static org.jvfio.uapi.vfio_h.VFIO_SPAPR_TCE_IOMMU;
import static org.jvfio.uapi.vfio_h.VFIO_SPAPR_TCE_v2_IOMMU;

import java.io.IOException;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.EmulatedContractHost;
import org.jvfio.contract.host.Hosts;
import org.jvfio.contract.host.RawContainer;
import org.jvfio.contract.host.RawDevice;
import org.jvfio.contract.host.RawGroup;
import org.jvfio.contract.host.VfioProcess;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.HostDriver;
import org.jvfio.emulator.KernelVersion;

/** Hosts that are not ready for VFIO, each in its way. */
@EmulatorTest
class UnpreparedHostTest {

    private static VfioProcess processOn(EmulatedMachine.Builder machine) {
        return EmulatedContractHost.process(EmulatedKernel.boot(machine.build()));
    }

    @Test
    void open_vfioNotLoaded_enoent() {
        VfioProcess process = processOn(Hosts.POWER8.toBuilder().vfioModule(false));
        assertAnswer(ENOENT, process.open("/dev/vfio/vfio", O_RDWR));
        assertAnswer(ENOENT, process.open("/dev/vfio/0", O_RDWR));
    }

    @Test
    @Scenario("A3")
    void setIommu_spaprModuleNotLoaded_enodev() {
        VfioProcess process = processOn(Hosts.POWER8.toBuilder().spaprModule(false));
        RawContainer container = process.openContainer();
        assertAnswer(0, container.checkExtension(VFIO_SPAPR_TCE_IOMMU));
        assertAnswer(0, container.checkExtension(VFIO_SPAPR_TCE_v2_IOMMU));
        assertAnswer(0, container.checkExtension(VFIO_EEH));
        assertAnswer(0, process.openGroup(0).setContainer(container));
        assertAnswer(ENODEV, container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU));
    }

    @Test
    void openGroup_noPermission_eacces() {
        VfioProcess process = processOn(Hosts.POWER8.toBuilder().groupsAccessible(false));
        process.openContainer();
        assertAnswer(EACCES, process.open("/dev/vfio/0", O_RDWR));
    }

    @Test
    void openGroup_deviceNotBound_enoent() {
        VfioProcess process = processOn(
                Hosts.POWER8.toBuilder().withoutDevices().device("0000:01:00.0", 0, Hosts::edu, HostDriver.NONE));
        assertAnswer(ENOENT, process.open("/dev/vfio/0", O_RDWR));
    }

    @Test
    void groupGetStatus_deviceWithoutDriver_viable() {
        VfioProcess process =
                processOn(Hosts.POWER8.toBuilder().device("0000:01:00.1", 0, Hosts::edu, HostDriver.NONE));
        RawGroup group = process.openGroup(0);
        assertEquals(VFIO_GROUP_FLAGS_VIABLE, group.flags());
        RawContainer container = process.openContainer();
        assertAnswer(0, group.setContainer(container));
        assertAnswer(0, container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU));
        assertAnswer(ENODEV, group.getDevice("0000:01:00.1"));
    }

    @Test
    @Scenario({"A19", "A20"})
    void setContainer_hostDriverInGroup_eperm() {
        VfioProcess process =
                processOn(Hosts.POWER8.toBuilder().device("0000:01:00.1", 0, Hosts::edu, HostDriver.OTHER));
        RawGroup group = process.openGroup(0);
        assertEquals(0, group.flags());
        assertAnswer(EPERM, group.setContainer(process.openContainer()));
        assertAnswer(EINVAL, group.unsetContainer());
    }

    @Test
    @Scenario({"A2", "A6", "I14"})
    void eehPeOp_eehOff_enodev() {
        VfioProcess process = processOn(Hosts.POWER8.toBuilder().eeh(false));
        RawGroup group = process.openGroup(0);
        RawContainer container = process.openContainer();
        assertAnswer(0, container.checkExtension(VFIO_EEH));
        assertAnswer(0, group.setContainer(container));
        assertAnswer(ENODEV, container.setIommu(VFIO_EEH));
        assertAnswer(0, container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU));
        assertAnswer(ENODEV, container.eeh(0));
    }

    @Test
    @Scenario("A34")
    void bind_groupInContainer_ebusy() {
        VfioProcess process =
                processOn(Hosts.POWER8.toBuilder().device("0000:01:00.1", 0, Hosts::edu, HostDriver.NONE));
        RawGroup group = process.openGroup(0);
        assertAnswer(0, group.setContainer(process.openContainer()));
        assertAnswer(EBUSY, process.store("/sys/bus/pci/drivers/host/bind", "0000:01:00.1"));
        assertAnswer(0, group.unsetContainer());
        assertAnswer(0, process.store("/sys/bus/pci/drivers/host/bind", "0000:01:00.1"));
        assertEquals(0, group.flags());
    }

    @Test
    @Scenario("K5")
    void bind_linux519_einval() throws IOException {
        VfioProcess process = processOn(Hosts.POWER8.toBuilder().kernel(KernelVersion.V5_19));
        String device = "/sys/bus/pci/devices/0000:01:00.0";
        assertFalse(process.kernel().list(device).contains("driver"));
        assertEquals("vfio-pci\n", process.kernel().readFile(device + "/driver_override"));
        assertAnswer(EINVAL, process.store("/sys/bus/pci/drivers/vfio-pci/bind", "0000:01:00.0"));
        assertAnswer(ENOENT, process.open("/dev/vfio/0", O_RDWR));
        assertAnswer(0, process.store(device + "/driver_override", "\n"));
        assertAnswer(0, process.store("/sys/bus/pci/drivers/host/bind", "0000:01:00.0"));
    }

    @Test
    @Scenario("K6")
    void unbind_openDevice_waitsForClose() throws InterruptedException {
        VfioProcess process = processOn(Hosts.POWER8.toBuilder());
        RawGroup group = process.openGroup(0);
        RawContainer container = process.openContainer();
        assertAnswer(0, group.setContainer(container));
        assertAnswer(0, container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU));
        RawDevice device = group.device("0000:01:00.0");
        AtomicLong answer = new AtomicLong(-1);
        Thread unbinding = Thread.ofPlatform()
                .start(() -> answer.set(process.store("/sys/bus/pci/drivers/vfio-pci/unbind", "0000:01:00.0")));
        while (unbinding.getState() != Thread.State.WAITING) {
            Thread.onSpinWait();
        }
        assertEquals(-1, answer.get());
        assertAnswer(0, device.close());
        unbinding.join();
        assertAnswer(0, answer.get());
        assertAnswer(ENODEV, group.getDevice("0000:01:00.0"));
        assertAnswer(ENODEV, group.setContainer(container));
    }
}
