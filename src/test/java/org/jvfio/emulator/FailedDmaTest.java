package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.DmaWindow;
import org.jvfio.KernelLog;
import org.jvfio.PciAddress;
import org.jvfio.Region;
import org.jvfio.emulator.FailedDma.Direction;
import org.jvfio.emulator.FailedDma.Reason;

class FailedDmaTest {
    private static final String ADDRESS = "0000:01:00.0";
    private static final long PAGE = 1 << 16;

    private static EmulatedMachine machine(EmulatedMachine like) {
        return like.toBuilder()
                .withoutDevices()
                .device(ADDRESS, 0, DmaProbe::new)
                .build();
    }

    /** An open device with a container. */
    private static final class Probe implements AutoCloseable {
        private final EmulatedKernel kernel;
        private final Container container;
        private final Device device;
        private final Region bar;

        Probe(EmulatedMachine like) {
            kernel = EmulatedKernel.boot(machine(like));
            container = Container.open(kernel);
            device = container.attach(0).openDevice(PciAddress.parse(ADDRESS));
            device.enableBusMastering();
            bar = device.bar(0);
        }

        boolean transfer(long iova, long size, long command) {
            bar.writeLong(DmaProbe.ADDRESS, iova);
            bar.writeLong(DmaProbe.SIZE, size);
            bar.writeLong(DmaProbe.COMMAND, command);
            container.eeh().ifPresent(eeh -> {
                eeh.unfreezeIo();
                eeh.unfreezeDma();
            });
            return bar.readLong(DmaProbe.RESULT) == 1;
        }

        FailedDma failure(long iova, long size, long command) {
            assertFalse(transfer(iova, size, command));
            return kernel.host().failedDma().getLast();
        }

        @Override
        public void close() {
            container.close();
        }
    }

    private static void assertFailure(
            FailedDma actual, Direction direction, long iova, long size, long failedAt, Reason reason) {
        assertEquals(ADDRESS, actual.device());
        assertEquals(direction, actual.direction());
        assertEquals(iova, actual.busAddress());
        assertEquals(size, actual.size());
        assertEquals(failedAt, actual.failedAt());
        assertEquals(reason, actual.reason());
    }

    @Test
    void failedDma_neverMapped_noEntryWithoutHistory() {
        try (Probe probe = new Probe(EmulatedMachine.power9())) {
            assertEquals(List.of(), probe.kernel.host().failedDma());
            probe.container.defaultWindow().map(probe.container.allocate(PAGE), DmaDirection.BIDIRECTIONAL);
            FailedDma failed = probe.failure(0x7000_0000, 8, DmaProbe.READ);
            assertFailure(failed, Direction.READ, 0x7000_0000, 8, 0x7000_0000, Reason.NO_ENTRY);
            assertEquals(Optional.empty(), failed.unmapped());
            assertEquals(ADDRESS + " read 8 bytes from 0x70000000, where nothing is mapped", failed.toString());
        }
    }

    @Test
    void failedDma_afterUnmap_hasTheLastMapping() {
        try (Probe probe = new Probe(EmulatedMachine.power9())) {
            DmaMemory memory = probe.container.allocate(PAGE);
            DmaMapping mapping = probe.container.defaultWindow().map(memory, DmaDirection.BIDIRECTIONAL);
            long iova = mapping.iova();
            assertTrue(probe.transfer(iova, PAGE, DmaProbe.WRITE));
            mapping.close();
            FailedDma failed = probe.failure(iova + 0x1000, 4096, DmaProbe.WRITE);
            assertFailure(failed, Direction.WRITE, iova + 0x1000, 4096, iova + 0x1000, Reason.NO_ENTRY);
            FailedDma.Unmapped last = failed.unmapped().orElseThrow();
            assertEquals(iova, last.busAddress());
            assertEquals(PAGE, last.size());
            assertEquals(memory.segment().address(), last.userAddress());
            assertTrue(last.sinceBoot().compareTo(failed.sinceBoot()) <= 0);
            assertTrue(
                    failed.toString()
                            .matches(ADDRESS + " wrote 4096 bytes to 0x" + Long.toHexString(iova + 0x1000)
                                    + ", unmapped [0-9]+ ms before by process " + last.process()),
                    failed.toString());
        }
    }

    @Test
    void failedDma_windowRemoved_noWindowWithHistory() {
        try (Probe probe = new Probe(EmulatedMachine.power9())) {
            DmaWindow window = probe.container.defaultWindow();
            long iova = window.map(probe.container.allocate(PAGE), DmaDirection.BIDIRECTIONAL)
                    .iova();
            window.close();
            probe.device.enableBusMastering();
            FailedDma failed = probe.failure(iova, 8, DmaProbe.WRITE);
            assertFailure(failed, Direction.WRITE, iova, 8, iova, Reason.NO_WINDOW);
            assertTrue(failed.unmapped().isPresent());
        }
    }

    @Test
    void failedDma_oneByteTooLong_namesTheFirstByte() {
        try (Probe probe = new Probe(EmulatedMachine.power9())) {
            long iova = probe.container
                    .defaultWindow()
                    .map(probe.container.allocate(PAGE), DmaDirection.BIDIRECTIONAL)
                    .iova();
            FailedDma failed = probe.failure(iova, PAGE + 1, DmaProbe.WRITE);
            assertFailure(failed, Direction.WRITE, iova, PAGE + 1, iova + PAGE, Reason.NO_ENTRY);
            assertTrue(failed.toString().contains(", failing at 0x" + Long.toHexString(iova + PAGE) + ", "));
        }
    }

    /** Two mappings, one after the other; whether a DMA one byte past the end of the first one fails. */
    private static boolean isOverrunCaught(boolean randomized) {
        try (Probe probe = new Probe(EmulatedMachine.power9())) {
            DmaWindow window = probe.container.defaultWindow();
            if (randomized) {
                window.randomizeAddresses(1);
            }
            long iova = window.map(probe.container.allocate(PAGE), DmaDirection.BIDIRECTIONAL)
                    .iova();
            window.map(probe.container.allocate(PAGE), DmaDirection.BIDIRECTIONAL);
            assertTrue(probe.transfer(iova, PAGE, DmaProbe.WRITE));
            return !probe.transfer(iova, PAGE + 1, DmaProbe.WRITE);
        }
    }

    /** Whatever the seed: a DMA one byte past the end, or one byte before the beginning, of any mapping. */
    @Test
    void randomizeAddresses_anySeedAndMapping_bytesBesideAreCaught() {
        for (int seed = 0; seed < 10; seed++) {
            try (Probe probe = new Probe(EmulatedMachine.power9())) {
                DmaWindow window = probe.container.defaultWindow();
                window.randomizeAddresses(seed);
                List<Long> iovas = new ArrayList<>();
                for (int each = 0; each < 12; each++) {
                    iovas.add(window.map(probe.container.allocate(PAGE), DmaDirection.BIDIRECTIONAL)
                            .iova());
                }
                for (long iova : iovas) {
                    assertTrue(probe.transfer(iova, PAGE, DmaProbe.WRITE));
                    assertFalse(probe.transfer(iova, PAGE + 1, DmaProbe.WRITE), "past the end");
                    assertFalse(probe.transfer(iova - 1, 1, DmaProbe.READ), "before the beginning");
                }
                assertNotEquals(iovas, iovas.stream().sorted().toList(), "random addresses");
            }
        }
    }

    @Test
    void randomizeAddresses_dmaOneByteTooLong_caught() {
        assertTrue(isOverrunCaught(true));
        assertFalse(isOverrunCaught(false), "the lowest addresses are neighbours");
    }

    @Test
    void failedDma_wrongDirection_noPermission() {
        try (Probe probe = new Probe(EmulatedMachine.power9())) {
            long iova = probe.container
                    .defaultWindow()
                    .map(probe.container.allocate(PAGE), DmaDirection.TO_DEVICE)
                    .iova();
            assertTrue(probe.transfer(iova, 8, DmaProbe.READ));
            assertFailure(probe.failure(iova, 8, DmaProbe.WRITE), Direction.WRITE, iova, 8, iova, Reason.NO_PERMISSION);
        }
    }

    @Test
    void failedDma_busMasteringOff_recordedAndPeNormal() {
        try (Probe probe = new Probe(EmulatedMachine.power9())) {
            probe.device.disableBusMastering();
            FailedDma failed = probe.failure(0x1000, 8, DmaProbe.READ);
            assertFailure(failed, Direction.READ, 0x1000, 8, 0x1000, Reason.BUS_MASTERING_OFF);
            assertEquals(EehState.NORMAL, probe.kernel.host().group(0).state());
        }
    }

    @Test
    void failedDma_memoryFreedWhileMapped_recordedAndTransferred() {
        EmulatedKernel kernel = EmulatedKernel.boot(machine(EmulatedMachine.power9()));
        try (Container container = Container.open(kernel)) {
            Device device = container.attach(0).openDevice(PciAddress.parse(ADDRESS));
            device.enableBusMastering();
            DmaMemory memory = container.allocate(PAGE);
            long iova = container
                    .defaultWindow()
                    .map(memory, DmaDirection.BIDIRECTIONAL)
                    .iova();
            assertEquals(0, kernel.munmap(memory.segment().address(), PAGE));
            Region bar = device.bar(0);
            bar.writeLong(DmaProbe.ADDRESS, iova);
            bar.writeLong(DmaProbe.SIZE, 8);
            bar.writeLong(DmaProbe.COMMAND, DmaProbe.WRITE);
            assertEquals(1, bar.readLong(DmaProbe.RESULT));
            assertFailure(kernel.host().failedDma().getLast(), Direction.WRITE, iova, 8, iova, Reason.MEMORY_FREED);
        }
    }

    @Test
    void kernelLog_failedDmaOnPower9_freezeAndDiagnosticData() {
        try (Probe probe = new Probe(EmulatedMachine.power9());
                KernelLog log = KernelLog.open(probe.kernel)) {
            assertFalse(log.read().isEmpty());
            probe.failure(0x7000_0000, 8, DmaProbe.READ);
            List<String> lines = log.read();
            int start = lines.indexOf(
                    "DMA failed: " + probe.kernel.host().failedDma().getLast());
            assertEquals(
                    List.of(
                            "EEH: Frozen PHB#0-PE#1fd detected",
                            "EEH: PE location: N/A, PHB location: N/A",
                            "PHB4 PHB#0 Diag-data (Version: 1)",
                            "brdgCtl:    00000002",
                            "RootSts:    00000040 00402000 e0820008 00100107 00000000",
                            "PhbSts:     0000001c00000000 0000001c00000000",
                            "Lem:        0000000000000080 0000000000000000 0000000000000080",
                            "PhbErr:     0000020000000000 0000020000000000 2148000098000240 a008400000000000",
                            "RxeTceErr:  6000000000000000 2000000000000000 40000000000001fd 0000000000000000",
                            "PE[1fd] A/B: 8000b03800000000 8000000000000000"),
                    lines.subList(start + 1, start + 11));
        }
    }

    @Test
    void kernelLog_lparWithoutEeh_failedDmaOnly() {
        try (Probe probe = new Probe(EmulatedMachine.pseries())) {
            probe.failure(0x3000_0000, 8, DmaProbe.READ);
            List<String> lines = probe.kernel.host().log();
            assertTrue(lines.getLast().startsWith("DMA failed: " + ADDRESS + " read 8 bytes"), lines.getLast());
            assertTrue(lines.stream().noneMatch(line -> line.startsWith("EEH: Frozen")));
        }
    }

    @Test
    void failedDma_floodOfRefusedTransfers_boundedWithTenLines() {
        try (Probe probe = new Probe(EmulatedMachine.power9())) {
            probe.device.disableBusMastering();
            for (int each = 0; each < DmaLog.CAPACITY + 10; each++) {
                probe.bar.writeLong(DmaProbe.COMMAND, DmaProbe.READ);
            }
            assertEquals(DmaLog.CAPACITY, probe.kernel.host().failedDma().size());
            long lines = probe.kernel.host().log().stream()
                    .filter(line -> line.startsWith("DMA failed: "))
                    .count();
            assertTrue(lines >= 10 && lines < 100, lines + " lines");
        }
    }

    @Test
    void unmapHistory_fullRing_keepsTheNewest() {
        UnmapHistory history = new UnmapHistory();
        assertEquals(Optional.empty(), history.find(0));
        for (int each = 0; each <= UnmapHistory.CAPACITY; each++) {
            history.add(each * PAGE, PAGE, each, each, 2);
        }
        assertEquals(Optional.empty(), history.find(0));
        assertEquals(1, history.find(2 * PAGE - 1).orElseThrow().userAddress());
        history.add(PAGE, PAGE, 7, 0, 2);
        assertEquals(7, history.find(PAGE).orElseThrow().userAddress());
    }

    @Test
    void deviceFailures_exceptionInAccess_thrownAndRecorded() {
        Probe closed;
        try (Probe probe = new Probe(EmulatedMachine.power9())) {
            closed = probe;
            assertThrows(
                    UnsupportedOperationException.class, () -> probe.bar.writeLong(DmaProbe.COMMAND, DmaProbe.FAIL));
            DeviceFailure failure = probe.kernel.host().deviceFailures().getFirst();
            assertEquals(ADDRESS, failure.device());
            assertEquals("write", failure.during());
            assertTrue(failure.cause() instanceof UnsupportedOperationException);
        }
        closed.kernel.exit();
    }

    /** The exception goes to the uncaught exception handler too, which would print it. */
    @Test
    void exit_unreadFailureOfScheduledAction_thrownOnce() throws InterruptedException {
        BlockingQueue<Throwable> uncaught = new LinkedBlockingQueue<>();
        Thread.UncaughtExceptionHandler before = Thread.getDefaultUncaughtExceptionHandler();
        Thread.setDefaultUncaughtExceptionHandler((_, thrown) -> uncaught.add(thrown));
        try {
            Probe probe = new Probe(EmulatedMachine.power9());
            EmulatedHost host = probe.kernel.host();
            probe.bar.writeLong(DmaProbe.COMMAND, DmaProbe.FAIL_LATER);
            assertTrue(uncaught.poll(30, TimeUnit.SECONDS) instanceof AssertionError);
            assertTrue(host.log().stream().anyMatch(line -> line.contains("device model failed in after")));
            probe.close();
            EmulatedKernel other = probe.kernel.newProcess();
            probe.kernel.exit();
            IllegalStateException thrown = assertThrows(IllegalStateException.class, other::exit);
            assertTrue(thrown.getCause() instanceof AssertionError);
            assertTrue(
                    String.valueOf(thrown.getMessage()).contains("at 0000:01:00.0 failed in after"),
                    thrown.getMessage());
            assertEquals(1, host.deviceFailures().size());
        } finally {
            Thread.setDefaultUncaughtExceptionHandler(before);
        }
    }
}
