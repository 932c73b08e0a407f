package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.jvfio.driver.edu.EduDevice;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

class EehTest {

    private final TestHost host = new TestHost();

    @AfterEach
    void assertAllGivenBack() {
        host.assertAllGivenBack();
    }

    @Test
    void parse_textsOfSysfs_theState() {
        assertEquals(Optional.of(PeState.NORMAL), PeState.parse("0x00000078 0x00000000\n"));
        assertEquals(Optional.of(PeState.STOPPED), PeState.parse("0x00000000 0x00000001"));
        assertEquals(Optional.of(PeState.STOPPED_DMA), PeState.parse("0x00000028 0x00000000"));
        assertEquals(Optional.of(PeState.RESET), PeState.parse("0x00000004 0x00000000"));
        assertEquals(Optional.of(PeState.UNAVAILABLE), PeState.parse("0x00000001 0x00000000"));
        assertEquals(Optional.of(PeState.UNAVAILABLE), PeState.parse("0x00000010 0x00000000"));
        for (String text : List.of("", "state", "0x", "-1", "0x123456789")) {
            assertEquals(Optional.empty(), PeState.parse(text), text);
        }
    }

    @Test
    void unfreeze_ioThenDma_isNormal() {
        try (Container container = Container.open(host.kernel())) {
            Device device = container.attach(0).openDevice(TestHost.EDU);
            Eeh eeh = container.eeh().orElseThrow();
            assertEquals(PeState.NORMAL, eeh.state());
            host.freeze(device);
            assertEquals(PeState.STOPPED, eeh.state());
            assertEquals(-1, device.bar(0).unchecked().readInt(0));
            eeh.unfreezeIo();
            assertEquals(PeState.STOPPED_DMA, eeh.state());
            eeh.unfreezeDma();
            assertEquals(PeState.NORMAL, eeh.state());
        }
    }

    @Test
    void reset_untilEndReset_configIsHeld() {
        try (Container container = Container.open(host.kernel())) {
            Device device = container.attach(0).openDevice(TestHost.EDU);
            Eeh eeh = container.eeh().orElseThrow();
            for (Runnable reset : List.<Runnable>of(eeh::hotReset, eeh::fundamentalReset)) {
                host.freeze(device);
                reset.run();
                assertEquals(PeState.STOPPED, eeh.state());
                VfioException e = assertThrows(VfioException.class, device::enableBusMastering);
                assertEquals(VfioException.Kind.GONE, e.kind());
                eeh.endReset();
                eeh.configure();
                assertEquals(PeState.NORMAL, eeh.state());
                assertTrue(EduDevice.of(device).isAlive());
            }
        }
    }

    @Test
    void enable_frozenPe_isNormal() {
        try (Container container = Container.open(host.kernel())) {
            Device device = container.attach(0).openDevice(TestHost.EDU);
            host.freeze(device);
            container.eeh().orElseThrow().enable();
            assertEquals(PeState.NORMAL, container.eeh().orElseThrow().state());
        }
    }

    @Test
    void containerClose_frozenPe_givesAllBack() {
        Container container = Container.open(host.kernel());
        Device device = container.attach(0).openDevice(TestHost.EDU);
        container.defaultWindow().map(container.allocate(1), DmaDirection.TO_DEVICE);
        host.freeze(device);
        freezeIsSeenBy(device);
        container.close();
    }

    private static void freezeIsSeenBy(Device device) {
        VfioException e = assertThrows(VfioException.class, device::enableBusMastering);
        assertEquals(VfioException.Kind.FROZEN, e.kind());
        assertEquals(
                "PE frozen: 0000:01:00.0 read 8 bytes from 0x70000000, where nothing is mapped (EEH state 2)",
                e.reason());
    }

    @Test
    void eeh_platformWithoutEeh_empty() {
        TestHost without =
                new TestHost(EmulatedMachine.power8().toBuilder().eeh(false).build());
        try (Container container = Container.open(without.kernel())) {
            container.attach(0);
            assertEquals(Optional.empty(), container.eeh());
        }
    }

    @Test
    void state_severalGroups_isRefused() {
        try (Container container = Container.open(host.kernel())) {
            container.attach(0);
            Eeh eeh = container.eeh().orElseThrow();
            assertEquals("EEH of IOMMU group 0", eeh.toString());
            container.attach(1);
            assertThrows(VfioException.class, container::eeh);
            assertThrows(VfioException.class, eeh::state);
        }
    }

    @Test
    void operation_kernelRefuses_namesTheCall() {
        try (Container container = Container.open(host.kernel())) {
            container.attach(0);
            Eeh eeh = container.eeh().orElseThrow();
            host.observed().failRequest(vfio_h.VFIO_EEH_PE_OP, Errno.EIO.negated());
            VfioException e = assertThrows(VfioException.class, eeh::hotReset);
            assertEquals("VFIO_EEH_PE_OP(VFIO_EEH_PE_RESET_HOT)", e.call().orElseThrow());
            host.observed().failRequest(vfio_h.VFIO_EEH_PE_OP, 3);
            e = assertThrows(VfioException.class, eeh::state);
            assertTrue(e.getMessage().contains("GET_STATE) = 3]"), e.getMessage());
            host.observed().heal();
        }
    }
}
