package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.jvfio.RecoveryResult.Means;
import org.jvfio.VfioException.Kind;
import org.jvfio.driver.edu.EduDevice;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.ForwardingKernel;
import org.jvfio.observe.sanitize.Finding;
import org.jvfio.uapi.vfio_eeh_pe_op;
import org.jvfio.uapi.vfio_h;

class DeviceRecoveryTest {
    private static final long UNMAPPED = 0x7000_0000;
    private static final Duration TIMEOUT = Duration.ofSeconds(10);
    private static final int RAISE_INTERRUPT = 0x60;
    private static final int ACKNOWLEDGE = 0x64;

    private final TestHost host = new TestHost();

    private static TestHost withoutEeh() {
        return new TestHost(EmulatedMachine.power8().toBuilder().eeh(false).build());
    }

    @AfterEach
    void assertAllGivenBack() {
        host.assertAllGivenBack();
    }

    /** Freezes it with a mapping and an interrupt, recovers it, and uses all of it again. */
    private static RecoveryResult recoverInUse(TestHost of, Device device, RecoveryOptions options)
            throws InterruptedException {
        DmaMapping mapping = device.container()
                .map(
                        device.container().allocate(1 << 16).range(),
                        DmaDirection.BIDIRECTIONAL,
                        DmaConstraints.ofMaskBits(28));
        EduDevice.of(device).readMemory(mapping.iova(), 0, 64, TIMEOUT);
        try (Interrupts interrupts = device.enableInterrupts(InterruptType.MSI, 1)) {
            of.freeze(device);
            RecoveryResult result = device.recover(options);
            assertTrue(device.condition().isResponding());
            assertTrue(device.configSpace().command().containsAll(List.of(PciCommand.MEMORY, PciCommand.BUS_MASTER)));
            device.bar(0).writeInt(RAISE_INTERRUPT, 1);
            assertTrue(interrupts.await(0, TIMEOUT), "an interrupt after the recovery");
            device.bar(0).writeInt(ACKNOWLEDGE, 1);
            EduDevice.of(device).writeMemory(mapping.iova(), 0, 64, TIMEOUT);
            return result;
        }
    }

    @Test
    void recover_frozenPe_usableWithMappingsAndInterrupts() throws InterruptedException {
        for (boolean fundamental : new boolean[] {false, true}) {
            List<String> told = new ArrayList<>();
            try (Device device = Device.open(host.kernel(), TestHost.EDU)) {
                RecoveryResult result = recoverInUse(
                        host,
                        device,
                        RecoveryOptions.DEFAULT.withFundamental(fundamental).withListener(step -> {
                            assertFalse(device.lock().isHeldByCurrentThread());
                            told.add(step
                                    + (step == RecoveryStep.REGISTERS_READABLE
                                            ? " 0x%08x".formatted(device.bar(0).readInt(0))
                                            : ""));
                        }));
                assertEquals(Means.PE_RESET, result.means());
                assertEquals(1, result.resets());
                assertEquals(DeviceCondition.State.FROZEN, result.before().state());
            }
            assertEquals(List.of("DIAGNOSED", "REGISTERS_READABLE 0xed000001", "RESET", "RESTORED"), told);
        }
    }

    @Test
    void recover_frozenPeOfAnLparWithEeh_usableWithMappingsAndInterrupts() throws InterruptedException {
        TestHost lpar =
                new TestHost(EmulatedMachine.pseries().toBuilder().eeh(true).build());
        try (Device device = Device.open(lpar.kernel(), lpar.anyDevice())) {
            RecoveryResult result = recoverInUse(lpar, device, RecoveryOptions.DEFAULT);
            assertEquals(Means.PE_RESET, result.means());
            assertEquals(DeviceCondition.State.FROZEN, result.before().state());
        }
        lpar.assertAllGivenBack();
    }

    @Test
    void recover_frozenPeWithoutEeh_usableWithMappingsAndInterrupts() throws InterruptedException {
        TestHost without = withoutEeh();
        try (Device device = Device.open(without.kernel(), TestHost.EDU)) {
            EventFd raise = device.bar(0).ioEventFd(RAISE_INTERRUPT, 4, 1);
            RecoveryResult result = recoverInUse(without, device, RecoveryOptions.DEFAULT);
            assertEquals(Means.REOPEN, result.means());
            raise.signal();
        }
        without.assertAllGivenBack();
    }

    @Test
    void recover_oneOfTwoGroups_otherDeviceGoesOn() throws InterruptedException {
        try (Container container = Container.open(host.kernel())) {
            Device device = container.attach(TestHost.EDU).openDevice(TestHost.EDU);
            Device other = container.attach(TestHost.OTHER_EDU).openDevice(TestHost.OTHER_EDU);
            other.enableBusMastering();
            assertEquals(
                    Means.REOPEN,
                    recoverInUse(host, device, RecoveryOptions.DEFAULT).means());
            assertTrue(other.configSpace().command().contains(PciCommand.BUS_MASTER));
        }
    }

    /** An NVMe controller fetches a command from where nothing is mapped. */
    private static void freezeByCommand(Device device) {
        Region bar = device.bar(0).unchecked();
        bar.writeInt(0x24, 0x00010001);
        bar.writeLong(0x28, UNMAPPED);
        bar.writeLong(0x30, UNMAPPED);
        bar.writeInt(0x14, 0x00460001);
        while (bar.readInt(0x1c) == 0) {
            Thread.onSpinWait();
        }
        bar.writeInt(0x1000, 1);
        while (bar.readInt(0) != -1) {
            Thread.onSpinWait();
        }
    }

    /** 16 bits of the configuration space of the device itself, which vfio-pci virtualizes. */
    private static int ownRegister(TestHost of, int register) {
        int file = of.process().open("/sys/bus/pci/devices/" + TestHost.NVME + "/config", vfio_h.O_RDONLY);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment value = arena.allocate(ValueLayout.JAVA_SHORT);
            assertEquals(Short.BYTES, of.process().pread(file, value, register));
            return value.get(ValueLayout.JAVA_SHORT, 0);
        } finally {
            of.process().close(file);
        }
    }

    /** Settings of the driver that neither the kernel nor firmware knows. */
    @Test
    void recover_settingsInConfigurationSpace_restored() {
        for (TestHost each : List.of(host, withoutEeh())) {
            try (Device device = Device.open(each.kernel(), TestHost.NVME)) {
                int express = device.configSpace()
                        .capability(PciCapability.Express.class)
                        .orElseThrow()
                        .offset();
                Region config = device.config();
                int atFirst = config.readShort(express + vfio_h.PCI_EXP_DEVCTL);
                short control = (short) (atFirst
                        ^ (vfio_h.PCI_EXP_DEVCTL_RELAX_EN
                                | vfio_h.PCI_EXP_DEVCTL_CERE
                                | vfio_h.PCI_EXP_DEVCTL_READRQ_1024B));
                config.writeShort(express + vfio_h.PCI_EXP_DEVCTL, control);
                config.writeByte(express + vfio_h.PCI_EXP_DEVCTL2, (byte) 5);
                config.writeByte(vfio_h.PCI_CACHE_LINE_SIZE, (byte) 0x20);
                device.enableBusMastering();
                freezeByCommand(device);
                RecoveryResult result = device.recover();
                assertTrue(result.resets() > 0);
                assertEquals(control, config.readShort(express + vfio_h.PCI_EXP_DEVCTL));
                assertEquals(
                        control & vfio_h.PCI_EXP_DEVCTL_READRQ,
                        ownRegister(each, express + vfio_h.PCI_EXP_DEVCTL) & vfio_h.PCI_EXP_DEVCTL_READRQ,
                        "in the device itself");
                assertEquals(5, config.readByte(express + vfio_h.PCI_EXP_DEVCTL2));
                assertEquals(0x20, config.readByte(vfio_h.PCI_CACHE_LINE_SIZE));
                assertEquals(0, config.readByte(vfio_h.PCI_LATENCY_TIMER), "never written");
            }
            each.expect(
                    Finding.Kind.UNMAPPED_DMA, TestHost.NVME + " read 64 bytes from 0x70000000, ", "freezeByCommand");
            each.assertAllGivenBack();
        }
    }

    @Test
    void recover_respondingDevice_leftAlone() {
        try (Device device = Device.open(host.kernel(), TestHost.EDU)) {
            List<RecoveryStep> told = new ArrayList<>();
            assertEquals(
                    Means.NONE,
                    device.recover(RecoveryOptions.DEFAULT.withListener(told::add))
                            .means());
            assertEquals(List.of(), told);
        }
    }

    @Test
    void recover_memoryDisabledByAReset_commandRegisterRestored() {
        try (Device device = Device.open(host.kernel(), TestHost.EDU)) {
            device.enableBusMastering();
            device.config().writeShort(vfio_h.PCI_COMMAND, (short) 0);
            assertEquals(Means.COMMAND_REGISTER, device.recover().means());
            assertTrue(device.configSpace().command().containsAll(List.of(PciCommand.MEMORY, PciCommand.BUS_MASTER)));
        }
    }

    @Test
    void recover_peThatStaysFrozen_goneAfterTheLastReset() {
        try (Device device = Device.open(host.kernel(), TestHost.EDU)) {
            Interrupts interrupts = device.enableInterrupts(InterruptType.MSI, 1);
            host.freeze(device);
            host.observed().answerRequest(vfio_h.VFIO_EEH_PE_OP, op -> switch (vfio_eeh_pe_op.op(op)) {
                case vfio_h.VFIO_EEH_PE_GET_STATE -> vfio_h.VFIO_EEH_PE_STATE_STOPPED;
                case vfio_h.VFIO_EEH_PE_RESET_HOT -> Errno.EIO.negated();
                default -> 0;
            });
            VfioException e =
                    assertThrows(VfioException.class, () -> device.recover(RecoveryOptions.DEFAULT.withMaxResets(2)));
            assertEquals(Kind.GONE, e.kind());
            assertTrue(e.reason().startsWith("it does not respond after 2 resets"), e.getMessage());
            assertEquals(1, e.getSuppressed().length);
            host.observed().heal();
            interrupts.close();
        }
    }

    @Test
    void recover_peThatStaysUnavailable_goneAfterTheTimeout() {
        try (Device device = Device.open(host.kernel(), TestHost.EDU)) {
            host.freeze(device);
            host.observed().answerRequest(vfio_h.VFIO_EEH_PE_OP, _ -> vfio_h.VFIO_EEH_PE_STATE_UNAVAIL);
            VfioException e = assertThrows(
                    VfioException.class,
                    () -> device.recover(RecoveryOptions.DEFAULT.withTimeout(Duration.ofMillis(50))));
            assertEquals(Kind.GONE, e.kind());
            assertTrue(e.reason().contains("stayed unavailable"), e.getMessage());
            host.observed().heal();
        }
    }

    @Test
    void recover_cannotBeOpenedAgain_goneAndClosable() {
        TestHost without = withoutEeh();
        try (Device device = Device.open(without.kernel(), TestHost.EDU)) {
            device.enableInterrupts(InterruptType.MSI, 1);
            device.bar(0).ioEventFd(RAISE_INTERRUPT, 4, 1);
            without.freeze(device);
            without.observed().failRequest(vfio_h.VFIO_GROUP_GET_DEVICE_FD, Errno.ENODEV.negated());
            VfioException e =
                    assertThrows(VfioException.class, () -> device.recover(RecoveryOptions.DEFAULT.withMaxResets(2)));
            assertEquals(Kind.GONE, e.kind());
            assertTrue(e.reason().contains("it could not be opened again"), e.getMessage());
            without.observed().heal();
        }
        without.assertAllGivenBack();
    }

    /** The number of a descriptor is gone whatever its close answers: the device is opened again, and not by two. */
    @Test
    void recover_closeOfTheDescriptorFails_openedAgainOnce() {
        TestHost without = withoutEeh();
        Kernel failing = new ForwardingKernel(without.kernel()) {
            private int device = -1;

            @Override
            public int ioctl(int fd, int request, MemorySegment argument) {
                int answer = super.ioctl(fd, request, argument);
                if (request == vfio_h.VFIO_GROUP_GET_DEVICE_FD && device < 0) {
                    device = answer;
                }
                return answer;
            }

            @Override
            public int close(int fd) {
                int answer = super.close(fd);
                if (fd != device) {
                    return answer;
                }
                device = 0;
                return Errno.EIO.negated();
            }
        };
        try (Device device = Device.open(failing, TestHost.EDU)) {
            without.freeze(device);
            RecoveryResult result = device.recover();
            assertEquals(Means.REOPEN, result.means());
            assertEquals(2, result.resets(), "a step that fails is repeated");
            assertTrue(EduDevice.of(device).isAlive());
        }
        without.assertAllGivenBack();
    }

    @Test
    void recover_byAListenerOfARecovery_busy() {
        try (Device device = Device.open(host.kernel(), TestHost.EDU)) {
            host.freeze(device);
            VfioException e = assertThrows(
                    VfioException.class,
                    () -> device.recover(RecoveryOptions.DEFAULT.withListener(_ -> device.recover())));
            assertEquals(Kind.BUSY, e.kind());
            device.recover();
        }
    }

    @Test
    void reset_frozenInAContainerOfTwoGroups_fails() {
        try (Container container = Container.open(host.kernel())) {
            Device device = container.attach(TestHost.EDU).openDevice(TestHost.EDU);
            Device other = container.attach(TestHost.OTHER_EDU).openDevice(TestHost.OTHER_EDU);
            host.freeze(device);
            assertEquals(
                    Kind.FROZEN,
                    assertThrows(VfioException.class, device::hotReset).kind());
            other.hotReset();
            assertTrue(EduDevice.of(other).isAlive());
        }
    }

    @Test
    void reset_deviceThatStaysFrozen_fails() {
        for (TestHost each : new TestHost[] {host, withoutEeh()}) {
            try (Device device = Device.open(each.kernel(), TestHost.EDU)) {
                each.freeze(device);
                if (device.isResettable()) {
                    VfioException e = assertThrows(VfioException.class, device::reset);
                    assertEquals(Kind.FROZEN, e.kind());
                }
                VfioException e = assertThrows(VfioException.class, device::hotReset);
                assertTrue(List.of(Kind.FROZEN, Kind.UNSUPPORTED).contains(e.kind()), e.getMessage());
                device.recover();
                assertTrue(EduDevice.of(device).isAlive());
            }
            each.assertAllGivenBack();
        }
    }

    @Test
    void options_outOfRange_illegalArgument() {
        assertThrows(IllegalArgumentException.class, () -> RecoveryOptions.DEFAULT.withTimeout(Duration.ZERO));
        assertThrows(IllegalArgumentException.class, () -> RecoveryOptions.DEFAULT.withMaxResets(0));
    }
}
