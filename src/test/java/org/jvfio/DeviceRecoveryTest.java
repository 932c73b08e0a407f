package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.jvfio.RecoveryResult.Means;
import org.jvfio.VfioException.Kind;
import org.jvfio.driver.edu.EduDevice;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.Errno;
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

    private static void freeze(Device device) {
        EduDevice edu = EduDevice.of(device);
        assertThrows(VfioException.class, () -> edu.readMemory(UNMAPPED, 0, 8, TIMEOUT));
    }

    /** Freezes it with a mapping and an interrupt, recovers it, and uses all of it again. */
    private static RecoveryResult recoverInUse(Device device, RecoveryOptions options) throws InterruptedException {
        DmaMapping mapping = device.container()
                .map(
                        device.container().allocate(1 << 16).range(),
                        DmaDirection.BIDIRECTIONAL,
                        DmaConstraints.ofMaskBits(28));
        EduDevice.of(device).readMemory(mapping.iova(), 0, 64, TIMEOUT);
        try (Interrupts interrupts = device.enableInterrupts(InterruptType.MSI, 1)) {
            freeze(device);
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
            host.assertAllGivenBack();
        }
    }

    @Test
    void recover_frozenPeWithoutEeh_usableWithMappingsAndInterrupts() throws InterruptedException {
        TestHost without = withoutEeh();
        try (Device device = Device.open(without.kernel(), TestHost.EDU)) {
            EventFd raise = device.bar(0).ioEventFd(RAISE_INTERRUPT, 4, 1);
            RecoveryResult result = recoverInUse(device, RecoveryOptions.DEFAULT);
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
                    Means.REOPEN, recoverInUse(device, RecoveryOptions.DEFAULT).means());
            assertTrue(other.configSpace().command().contains(PciCommand.BUS_MASTER));
        }
        host.assertAllGivenBack();
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
            freeze(device);
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
        host.assertAllGivenBack();
    }

    @Test
    void recover_peThatStaysUnavailable_goneAfterTheTimeout() {
        try (Device device = Device.open(host.kernel(), TestHost.EDU)) {
            freeze(device);
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
            freeze(device);
            without.observed().failRequest(vfio_h.VFIO_GROUP_GET_DEVICE_FD, Errno.ENODEV.negated());
            VfioException e =
                    assertThrows(VfioException.class, () -> device.recover(RecoveryOptions.DEFAULT.withMaxResets(2)));
            assertEquals(Kind.GONE, e.kind());
            assertTrue(e.reason().contains("it could not be opened again"), e.getMessage());
            without.observed().heal();
        }
        without.assertAllGivenBack();
    }

    @Test
    void recover_byAListenerOfARecovery_busy() {
        try (Device device = Device.open(host.kernel(), TestHost.EDU)) {
            freeze(device);
            VfioException e = assertThrows(
                    VfioException.class,
                    () -> device.recover(RecoveryOptions.DEFAULT.withListener(_ -> device.recover())));
            assertEquals(Kind.BUSY, e.kind());
            device.recover();
        }
    }

    @Test
    void reset_deviceThatStaysFrozen_fails() {
        for (TestHost each : new TestHost[] {host, withoutEeh()}) {
            try (Device device = Device.open(each.kernel(), TestHost.EDU)) {
                freeze(device);
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
