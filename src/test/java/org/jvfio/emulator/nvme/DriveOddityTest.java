package org.jvfio.emulator.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.jvfio.emulator.nvme.ControllerHost.AQA;
import static org.jvfio.emulator.nvme.ControllerHost.CC;
import static org.jvfio.emulator.nvme.ControllerHost.CSTS;
import static org.jvfio.emulator.nvme.ControllerHost.ENABLED;
import static org.jvfio.emulator.nvme.ControllerHost.FATAL;
import static org.jvfio.emulator.nvme.ControllerHost.PAGE;
import static org.jvfio.emulator.nvme.ControllerHost.READY;
import static org.jvfio.emulator.nvme.ControllerHost.assertStatus;
import static org.jvfio.emulator.nvme.ControllerHost.assertSuccess;
import static org.jvfio.fixture.nvme.Opcodes.IDENTIFY;

import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.jvfio.fixture.nvme.NvmeEntry;
import org.jvfio.fixture.nvme.NvmeHostQueue;

/** How a controller misbehaves, as raw commands see it. */
class DriveOddityTest {
    private static final int FLUSH = 0x00;
    private static final int WRITE_ZEROES = 0x08;
    private static final int DATASET_MANAGEMENT = 0x09;
    private static final int SET_FEATURES = 0x09;
    private static final int DEALLOCATE = 1 << 2;
    private static final int NOT_READY = 0x82;
    private static final long MEMORY_BYTES = 8 << 20;
    private static final int RANGE_BYTES = 16;

    private static ControllerHost host(DriveOddity first, DriveOddity... more) {
        return new ControllerHost(EmulatedNvme.builder().oddities(EnumSet.of(first, more)));
    }

    @Test
    void readyCheck_early_hangsForGood() {
        ControllerHost host = host(DriveOddity.HANGS_ON_EARLY_READY_CHECK).enabled();
        host.register(CC, 0);
        host.pass(Duration.ofMillis(999));
        assertEquals(READY, host.register(CSTS));
        host.pass(Duration.ofSeconds(10));
        host.device().reset();
        assertEquals(READY, host.register(CSTS));
    }

    @Test
    void readyCheck_afterASecond_notReadyAndEnabledAgain() {
        ControllerHost host = host(DriveOddity.HANGS_ON_EARLY_READY_CHECK).enabled();
        host.register(CC, 0);
        host.pass(Duration.ofMillis(1001));
        assertEquals(0, host.register(CSTS));
        host.enabled();
    }

    @Test
    void enable_adminQueueOfPartOfAPage_fatal() {
        ControllerHost host = host(DriveOddity.NEEDS_WHOLE_ADMIN_QUEUE);
        host.setAdminQueues();
        host.register(CC, ENABLED);
        assertEquals(FATAL, host.register(CSTS));
        host.register(CC, 0);
        host.register(AQA, 63 << 16 | 63);
        host.register(CC, ENABLED);
        assertEquals(READY, host.register(CSTS));
    }

    @Test
    void identify_list_invalidField() {
        ControllerHost host = host(DriveOddity.NO_IDENTIFY_LISTS).enabled();
        assertStatus(2, host.admin(NvmeEntry.of(IDENTIFY).prp(host.pages(1), 0).dword(10, 2)));
        host.identify(1, 0);
        host.identify(0, 1);
    }

    @Test
    void identify_listOfConfusedController_controllerData() {
        ControllerHost host = host(DriveOddity.CONFUSES_IDENTIFY_LISTS).enabled();
        assertEquals(host.dword(host.identify(1, 0)), host.dword(host.identify(2, 0)));
    }

    /** A list at the end of memory: 16 bytes of it are there, and the controller reads 4096. */
    @Test
    void deallocate_listAtTheEndOfMemory_overRead() {
        for (boolean overReads : new boolean[] {false, true}) {
            ControllerHost host =
                    overReads ? host(DriveOddity.OVER_READS_RANGES) : new ControllerHost(EmulatedNvme.builder());
            host.enabled();
            NvmeHostQueue queue = host.createQueues(1, 4);
            long list = ControllerHost.nowhere() - MEMORY_BYTES - RANGE_BYTES;
            host.dword(list + 4, 8);
            host.qword(list + 8, 0);
            assertStatus(
                    overReads ? 4 : 0,
                    queue.execute(NvmeEntry.of(DATASET_MANAGEMENT)
                            .namespace(1)
                            .prp(list, 0)
                            .dword(11, DEALLOCATE)));
        }
    }

    @Test
    void messages_silentMsi_onlyOfMsix() {
        for (boolean msi : new boolean[] {true, false}) {
            ControllerHost host =
                    new ControllerHost(EmulatedNvme.builder().msi(4).oddities(EnumSet.of(DriveOddity.SILENT_MSI)));
            if (msi) {
                host.withMsi();
            }
            host.enabled();
            host.takeMessages();
            NvmeHostQueue queue = host.createQueues(1, 4, 1, true);
            host.takeMessages();
            assertSuccess(queue.execute(NvmeEntry.of(FLUSH).namespace(1)));
            assertEquals(msi ? List.of() : List.of(1), host.takeMessages());
        }
    }

    @Test
    void interrupts_silent_none() {
        ControllerHost host = host(DriveOddity.SILENT_INTERRUPTS).withLine().enabled();
        NvmeHostQueue queue = host.createQueues(1, 4, 0, true);
        assertSuccess(queue.execute(NvmeEntry.of(FLUSH).namespace(1)));
        assertEquals(List.of(), host.takeMessages());
        assertEquals(false, host.line());
    }

    @Test
    void registers_lateAfterReset_allOnesAndDeaf() {
        ControllerHost host = host(DriveOddity.LATE_REGISTERS);
        assertEquals(-1, host.register(CC));
        host.register(CC, ENABLED);
        host.pass(Duration.ofMillis(249));
        assertEquals(-1, host.register(CSTS));
        host.pass(Duration.ofMillis(2));
        assertEquals(0, host.register(CC));
        host.enabled();
        host.device().reset();
        assertEquals(-1, host.register(CSTS));
    }

    @Test
    void writeZeroes_ignored_keepsData() {
        ControllerHost host = host(DriveOddity.IGNORES_WRITE_ZEROES).enabled();
        NvmeHostQueue queue = host.createQueues(1, 4);
        long data = host.pages(1);
        host.pattern(data, PAGE, 5);
        assertSuccess(queue.execute(NvmeEntry.of(0x01).namespace(1).prp(data, 0).blocks(0, 8)));
        assertSuccess(queue.execute(NvmeEntry.of(WRITE_ZEROES).namespace(1).blocks(0, 8)));
        long read = host.pages(1);
        assertSuccess(queue.execute(NvmeEntry.of(0x02).namespace(1).prp(read, 0).blocks(0, 8)));
        host.assertPattern(read, PAGE, 5);
    }

    /** The memory of the test is above 1 &lt;&lt; 48, so that its addresses are cut. */
    @Test
    void dma_above48Bits_elsewhere() {
        ControllerHost host = host(DriveOddity.DMA_48_BITS).enabled();
        host.admin().submit(NvmeEntry.of(IDENTIFY).prp(host.pages(1), 0).dword(10, 1));
        assertEquals(FATAL, host.register(CSTS));
    }

    @Test
    void queue_usedRightAfterCreation_stalls() {
        ControllerHost host = host(DriveOddity.SLOW_QUEUE_CREATION).enabled();
        NvmeHostQueue late = host.createQueues(1, 4);
        NvmeHostQueue early = host.createQueues(2, 4);
        early.submit(NvmeEntry.of(FLUSH).namespace(1));
        host.pass(Duration.ofMillis(51));
        assertSuccess(late.execute(NvmeEntry.of(FLUSH).namespace(1)));
        early.submit(NvmeEntry.of(FLUSH).namespace(1));
        assertNull(early.poll());
    }

    @Test
    void numberOfQueues_degraded_internalError() {
        ControllerHost host = host(DriveOddity.REFUSES_QUEUES).enabled();
        assertStatus(6, host.admin(NvmeEntry.of(SET_FEATURES).dword(10, 7)));
    }

    @Test
    void commands_notReadyAtFirst_statusAndDelayIfEnabled() {
        ControllerHost host = host(DriveOddity.NOT_READY_AT_FIRST).enabled();
        assertEquals(1, host.dword(host.identify(1, 0) + 128) & 0xffff);
        NvmeHostQueue queue = host.createQueues(1, 4);
        NvmeEntry flush = NvmeEntry.of(FLUSH).namespace(1);
        assertEquals(NOT_READY, queue.execute(flush).status() & 0x1fff);
        long behavior = host.pages(1);
        host.dword(behavior, 1);
        assertSuccess(host.admin(NvmeEntry.of(SET_FEATURES).prp(behavior, 0).dword(10, 0x16)));
        assertEquals(1 << 11 | NOT_READY, queue.execute(flush).status() & 0x1fff);
        host.pass(Duration.ofMillis(1001));
        assertSuccess(queue.execute(flush));
    }

    @ParameterizedTest
    @EnumSource(DrivePreset.class)
    void preset_labelAndBuilder_sameDrive(DrivePreset preset) {
        assertEquals(Optional.of(preset), DrivePreset.of(preset.label()));
        EmulatedNvme drive = preset.builder().build();
        assertTrue(drive.identity().vendor() > 0);
    }

    @Test
    void pciId_none_illegalArgument() {
        assertThrows(
                IllegalArgumentException.class, () -> EmulatedNvme.builder().pciId(0xffff, 1));
        assertThrows(
                IllegalArgumentException.class, () -> EmulatedNvme.builder().pciId(1 << 16, 1));
    }
}
