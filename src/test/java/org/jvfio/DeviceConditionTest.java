package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.jvfio.DeviceCondition.State;
import org.jvfio.VfioException.Kind;
import org.jvfio.emulator.EehState;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.ForwardingKernel;
import org.jvfio.uapi.vfio_h;

/** What is said of a device that responds or does not, on platforms that report the state of its PE or do not. */
class DeviceConditionTest {
    private static final Duration TIMEOUT = Duration.ofSeconds(10);

    private final TestHost host = new TestHost();

    private static TestHost withoutEeh() {
        return new TestHost(EmulatedMachine.power8().toBuilder().eeh(false).build());
    }

    @AfterEach
    void assertAllGivenBack() {
        host.assertAllGivenBack();
    }

    private static void assertState(State state, Device device) {
        DeviceCondition condition = device.condition();
        assertEquals(state, condition.state(), condition.toString());
    }

    @Test
    void condition_healthyDevice_responding() {
        for (TestHost each : new TestHost[] {host, withoutEeh(), new TestHost(EmulatedMachine.pseries())}) {
            try (Device device = Device.open(each.kernel(), each.anyDevice())) {
                assertState(State.RESPONDING, device);
                assertFalse(device.isFrozen());
            }
            each.assertAllGivenBack();
        }
    }

    @Test
    void condition_frozenPe_frozenWithItsState() {
        try (Device device = Device.open(host.kernel(), TestHost.EDU)) {
            host.freeze(device);
            assertState(State.FROZEN, device);
            assertEquals(Optional.of(PeState.STOPPED), device.condition().pe());
            assertTrue(device.isFrozen());
            device.container().eeh().orElseThrow().unfreezeIo();
            assertState(State.FROZEN, device);
            assertEquals(Optional.of(PeState.STOPPED_DMA), device.condition().pe());
            device.container().eeh().orElseThrow().unfreezeDma();
            assertState(State.RESPONDING, device);
        }
    }

    @Test
    void condition_peInReset_frozen() {
        try (Device device = Device.open(host.kernel(), TestHost.EDU)) {
            Eeh eeh = device.container().eeh().orElseThrow();
            eeh.hotReset();
            assertState(State.FROZEN, device);
            eeh.endReset();
        }
    }

    @Test
    void condition_frozenPeWithoutEeh_unknown() {
        TestHost without = withoutEeh();
        try (Device device = Device.open(without.kernel(), TestHost.EDU)) {
            without.freeze(device);
            assertState(State.UNKNOWN, device);
            assertTrue(device.condition().evidence().contains("configuration space reads all ones"));
            VfioException e = assertThrows(VfioException.class, device::isFrozen);
            assertFalse(e.getMessage().contains("Eeh"), e.getMessage());
        }
        without.assertAllGivenBack();
    }

    @Test
    void condition_oneOfTwoGroupsFrozen_frozenBySysfs() {
        try (Container container = Container.open(host.kernel())) {
            Device device = container.attach(TestHost.EDU).openDevice(TestHost.EDU);
            Device other = container.attach(TestHost.OTHER_EDU).openDevice(TestHost.OTHER_EDU);
            assertState(State.RESPONDING, device);
            host.freeze(device);
            assertState(State.FROZEN, device);
            assertEquals(Optional.of(PeState.STOPPED), device.condition().pe());
            assertTrue(device.isFrozen());
            assertState(State.RESPONDING, other);
            assertEquals(Optional.of(PeState.NORMAL), other.condition().pe());
            assertFalse(other.isFrozen());
        }
    }

    @Test
    void condition_oneOfTwoGroupsFrozenWithoutSysfs_neverAGuess() {
        Kernel kernel = new ForwardingKernel(host.kernel()) {
            @Override
            public String readFile(String path) throws IOException {
                if (path.contains("eeh_pe")) {
                    throw new AccessDeniedException(path);
                }
                return super.readFile(path);
            }
        };
        try (Container container = Container.open(kernel)) {
            Device device = container.attach(TestHost.EDU).openDevice(TestHost.EDU);
            Device other = container.attach(TestHost.OTHER_EDU).openDevice(TestHost.OTHER_EDU);
            host.freeze(device);
            assertState(State.UNKNOWN, device);
            assertEquals(Optional.empty(), device.condition().pe());
            assertTrue(device.condition().evidence().contains("a PE of the container's groups is frozen"));
            assertState(State.RESPONDING, other);
        }
    }

    @Test
    void condition_allOnesAndPeNormal_gone() {
        try (Device device = Device.open(host.kernel(), TestHost.EDU)) {
            host.freeze(device);
            host.observed().answerRequest(vfio_h.VFIO_EEH_PE_OP, _ -> vfio_h.VFIO_EEH_PE_STATE_NORMAL);
            assertState(State.GONE, device);
            assertFalse(device.isFrozen());
            VfioException e =
                    assertThrows(VfioException.class, () -> device.bar(0).readInt(0));
            assertEquals(Kind.GONE, e.kind());
            host.observed().heal();
        }
    }

    @Test
    void condition_stoppedPeThatResponds_responding() {
        try (Device device = Device.open(host.kernel(), TestHost.EDU)) {
            host.observed().answerRequest(vfio_h.VFIO_EEH_PE_OP, _ -> vfio_h.VFIO_EEH_PE_STATE_STOPPED);
            assertState(State.RESPONDING, device);
            assertTrue(device.condition().evidence().contains("although EEH reports"));
            host.observed().heal();
        }
    }

    @Test
    void condition_peUnavailable_frozen() {
        try (Device device = Device.open(host.kernel(), TestHost.EDU)) {
            host.observed().answerRequest(vfio_h.VFIO_EEH_PE_OP, _ -> vfio_h.VFIO_EEH_PE_STATE_UNAVAIL);
            assertState(State.FROZEN, device);
            host.observed().heal();
        }
    }

    @Test
    void condition_memoryDisabled_disabled() {
        try (Device device = Device.open(host.kernel(), TestHost.EDU)) {
            device.configSpace().disable(PciCommand.MEMORY);
            assertState(State.DISABLED, device);
            assertFalse(device.isFrozen());
        }
    }

    @Test
    void condition_lowPower_asleep() {
        try (Device device = Device.open(host.kernel(), TestHost.EDU)) {
            device.enterLowPower();
            assertState(State.ASLEEP, device);
            device.exitLowPower();
            assertState(State.RESPONDING, device);
        }
    }

    /** Without opening the device, which would thaw its PE. */
    @Test
    void read_deviceThatNobodyHasOpen_theConditionAndNothingChanged() {
        assertEquals(
                State.RESPONDING,
                DeviceCondition.read(host.kernel(), TestHost.EDU).state());
        host.process().host().freezePe(0);
        DeviceCondition frozen = DeviceCondition.read(host.kernel(), TestHost.EDU);
        assertEquals(State.FROZEN, frozen.state());
        assertEquals(Optional.of(PeState.STOPPED), frozen.pe());
        assertTrue(frozen.evidence().contains("EEH: Frozen PHB#0-PE#fd detected"), frozen.evidence());
        assertEquals(EehState.STOPPED, host.group(0).state());
        Kernel normal = new ForwardingKernel(host.kernel()) {
            @Override
            public String readFile(String path) throws IOException {
                return path.endsWith("/eeh_pe_state") ? "0x00000078 0x00000000" : super.readFile(path);
            }
        };
        assertEquals(State.GONE, DeviceCondition.read(normal, TestHost.EDU).state());
        VfioException e = assertThrows(
                VfioException.class, () -> DeviceCondition.read(host.kernel(), PciAddress.parse("0009:01:00.0")));
        assertEquals(Kind.NOT_FOUND, e.kind());
        assertEquals(0, host.process().openDescriptors());
    }

    @Test
    void read_frozenPeWithoutEeh_unknown() {
        TestHost without = withoutEeh();
        without.process().host().freezePe(0);
        DeviceCondition condition = DeviceCondition.read(without.kernel(), TestHost.EDU);
        assertEquals(State.UNKNOWN, condition.state());
        assertTrue(condition.evidence().endsWith("does not report its PE: frozen or gone"), condition.evidence());
    }

    @Test
    void condition_deviceClosed_illegalState() {
        Device device = Device.open(host.kernel(), TestHost.EDU);
        device.close();
        assertThrows(IllegalStateException.class, device::condition);
    }

    @Test
    void readInt_frozenPe_failsWithoutALock() throws InterruptedException {
        try (Device device = Device.open(host.kernel(), TestHost.EDU)) {
            host.freeze(device);
            Region bar = device.bar(0);
            Thread reader = new Thread(() -> {
                VfioException e = assertThrows(VfioException.class, () -> bar.readInt(0));
                assertEquals(Kind.FROZEN, e.kind());
            });
            device.lock().lock();
            try {
                reader.start();
                assertTrue(reader.join(TIMEOUT));
            } finally {
                device.lock().unlock();
            }
            assertEquals(-1, bar.unchecked().readInt(0));
            assertEquals(
                    -1, bar.unchecked().withOrder(java.nio.ByteOrder.BIG_ENDIAN).readInt(0));
        }
    }

    /** A register that may read all ones costs two more calls then: of the PE and of configuration space. */
    @Test
    void readInt_ofAHealthyDevice_oneCallUnlessAllOnes() {
        try (Device device = Device.open(host.kernel(), TestHost.EDU)) {
            Region bar = device.bar(0);
            int before = host.observed().calls();
            assertEquals(0xed000001, bar.readInt(0));
            assertEquals(1, host.observed().calls() - before);
            bar.writeInt(0x04, 0);
            before = host.observed().calls();
            assertEquals(-1, bar.readInt(0x04));
            assertEquals(3, host.observed().calls() - before);
        }
    }

    @Test
    void inject_everyErrorTheFirmwareHas_freezesThePe() {
        try (Device device = Device.open(host.kernel(), TestHost.EDU)) {
            Eeh eeh = device.container().eeh().orElseThrow();
            eeh.inject(EehError.of(EehError.Width.BITS_32, EehError.Function.LOAD_MEMORY_DATA));
            VfioException e =
                    assertThrows(VfioException.class, () -> device.bar(0).readInt(0));
            assertEquals(Kind.FROZEN, e.kind());
            eeh.enable();
            assertState(State.RESPONDING, device);
            eeh.disable();
        }
    }

    @Test
    void inject_errorThatTheFirmwareLacks_unsupported() {
        try (Device device = Device.open(host.kernel(), TestHost.EDU)) {
            Eeh eeh = device.container().eeh().orElseThrow();
            VfioException e = assertThrows(
                    VfioException.class,
                    () -> eeh.inject(EehError.of(EehError.Width.BITS_64, EehError.Function.LOAD_IO_DATA)));
            assertEquals(Kind.UNSUPPORTED, e.kind());
            assertEquals(Errno.EIO, e.errno().orElseThrow());
            assertTrue(e.getMessage().contains("type 1, func 3"), e.getMessage());
        }
    }

    @Test
    void unfreezeIo_refusedWithAHealthyPe_unsupported() {
        try (Device device = Device.open(host.kernel(), TestHost.EDU)) {
            Eeh eeh = device.container().eeh().orElseThrow();
            host.observed().failRequest(vfio_h.VFIO_EEH_PE_OP, Errno.EIO.negated());
            assertEquals(
                    Kind.FROZEN,
                    assertThrows(VfioException.class, eeh::unfreezeIo).kind());
            host.observed().heal();
            host.observed()
                    .answerRequest(
                            vfio_h.VFIO_EEH_PE_OP,
                            op -> org.jvfio.uapi.vfio_eeh_pe_op.op(op) == vfio_h.VFIO_EEH_PE_GET_STATE
                                    ? vfio_h.VFIO_EEH_PE_STATE_NORMAL
                                    : Errno.EIO.negated());
            assertEquals(
                    Kind.UNSUPPORTED,
                    assertThrows(VfioException.class, eeh::unfreezeIo).kind());
            host.observed().heal();
        }
    }
}
