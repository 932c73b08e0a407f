package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.jvfio.DmaWindow;
import org.jvfio.InterruptType;
import org.jvfio.PageSize;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.nvme.DriveOddity;
import org.jvfio.emulator.nvme.DrivePreset;
import org.jvfio.emulator.nvme.EmulatedNvme;
import org.jvfio.emulator.nvme.NvmeFault.Commands;
import org.jvfio.emulator.nvme.NvmeFault.Effect;
import org.jvfio.emulator.nvme.NvmeFault.Occurrence;
import org.jvfio.emulator.nvme.NvmeFaults;
import org.jvfio.fixture.Parallel;
import org.jvfio.observe.sanitize.Finding;

/** Each row of the table: its drive does not work when it is driven without the quirk, and works with it. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class NvmeQuirksTest {
    private static final int BLOCK = 512;
    private static final Duration TIMEOUT = Duration.ofMillis(300);
    private static final int FLUSHES = 4;

    /** The time between two checks of the driver for completions without an interrupt. */
    private static final long CHECK_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

    /** What a drive that needs a quirk does. */
    private static DriveOddity oddity(NvmeQuirk quirk) {
        return switch (quirk) {
            case READY_CHECK_DELAY -> DriveOddity.HANGS_ON_EARLY_READY_CHECK;
            case NO_NAMESPACE_LIST -> DriveOddity.CONFUSES_IDENTIFY_LISTS;
            case BROKEN_MSI -> DriveOddity.SILENT_MSI;
            case NO_WRITE_ZEROES -> DriveOddity.IGNORES_WRITE_ZEROES;
            case DMA_48_BITS -> DriveOddity.DMA_48_BITS;
            case QUEUE_CREATION_DELAY -> DriveOddity.SLOW_QUEUE_CREATION;
        };
    }

    private static EmulatedNvme drive(NvmeQuirks.Row row) {
        EnumSet<DriveOddity> oddities = EnumSet.noneOf(DriveOddity.class);
        row.quirks().forEach(quirk -> oddities.add(oddity(quirk)));
        return drive(row, oddities);
    }

    private static EmulatedNvme drive(NvmeQuirks.Row row, Set<DriveOddity> oddities) {
        return EmulatedNvme.builder()
                .pciId(row.vendorId(), row.deviceId())
                .model(row.model().orElse("a drive"))
                .msi(4)
                .oddities(oddities)
                .readyTimeout(Duration.ofMillis(500))
                .namespace(NvmeHost.BYTES)
                .build();
    }

    /** Uses a drive so that each of its quirks matters; fails if one is not coped with. */
    private static void use(NvmeQuirks.Row row, NvmeOptions options) {
        try (NvmeHost host = new NvmeHost(EmulatedMachine.power8(), () -> drive(row))) {
            NvmeOptions.Builder how = options.toBuilder();
            if (row.quirks().contains(NvmeQuirk.BROKEN_MSI)) {
                how.completion(NvmeCompletion.MSI);
            }
            if (row.quirks().contains(NvmeQuirk.DMA_48_BITS)) {
                refuseHighWindow(host, how);
            }
            try (NvmeController nvme = host.open(how.build())) {
                assertEquals(row.quirks().contains(NvmeQuirk.BROKEN_MSI), nvme.hasSilentInterrupts());
                if (row.quirks().contains(NvmeQuirk.BROKEN_MSI)) {
                    assertTrue(shortestFlushes(nvme) < CHECK_NANOS, row::toString);
                }
                assertEquals(List.of(1), nvme.namespaceIds());
                zero(nvme);
                if (row.quirks().contains(NvmeQuirk.READY_CHECK_DELAY)) {
                    nvme.lifecycle().reset(Kind.TIMEOUT, "the test resets it");
                    assertDoesNotThrow(nvme.lifecycle()::requireUsable);
                }
            }
        }
    }

    /** The time in nanoseconds that some flushes take, the shortest one of many: a busy computer may delay some. */
    private static long shortestFlushes(NvmeController nvme) {
        long shortest = Long.MAX_VALUE;
        for (int tries = 0; tries < 20; tries++) {
            shortest = Math.min(shortest, flushes(nvme));
        }
        return shortest;
    }

    private static long flushes(NvmeController nvme) {
        long start = System.nanoTime();
        for (int command = 0; command < FLUSHES; command++) {
            nvme.namespace(1).flush();
        }
        return System.nanoTime() - start;
    }

    private static void refuseHighWindow(NvmeHost host, NvmeOptions.Builder how) {
        DmaWindow window = host.device().container().createWindow(PageSize.SIZE_64K, 1L << 30, 1);
        assertTrue(window.range().start() >>> 48 != 0);
        VfioException e = assertThrows(
                VfioException.class, () -> host.open(how.window(window).build()));
        assertEquals(Kind.UNSUPPORTED, e.kind(), e.getMessage());
        how.window(host.device().container().defaultWindow());
    }

    /** Writes zeroes in the way that the driver says works. */
    private static void zero(NvmeController nvme) {
        NvmeNamespace disk = nvme.namespace(1);
        try (NvmeBuffer buffer = nvme.allocate(BLOCK)) {
            buffer.segment().fill((byte) 0x5a);
            disk.write(0, 1, buffer);
            try {
                disk.writeZeroes(0, 1);
            } catch (VfioException e) {
                assertEquals(Kind.UNSUPPORTED, e.kind());
                buffer.segment().fill((byte) 0);
                disk.write(0, 1, buffer);
            }
            buffer.segment().fill((byte) 0x77);
            disk.read(0, 1, buffer);
            assertEquals(0, buffer.segment().get(ValueLayout.JAVA_BYTE, BLOCK - 1));
        }
    }

    @Test
    void rows_drivenAsTheTableSays_work() {
        Parallel.check(NvmeQuirks.rows().stream()
                .map(row -> (Executable) () -> use(row, NvmeOptions.DEFAULT))
                .toList());
    }

    /** Each quirk of a row matters, also beside the row's others, and its drive fails in the way that it avoids. */
    @Test
    void rows_drivenWithoutOneQuirk_failAsItSays() {
        List<Executable> checks = new ArrayList<>();
        for (NvmeQuirks.Row row : NvmeQuirks.rows()) {
            for (NvmeQuirk missing : row.quirks()) {
                checks.add(() -> assertFails(row, missing));
            }
        }
        Parallel.check(checks);
    }

    private static void assertFails(NvmeQuirks.Row row, NvmeQuirk missing) throws InterruptedException {
        EnumSet<NvmeQuirk> others = EnumSet.copyOf(row.quirks());
        others.remove(missing);
        NvmeOptions options = NvmeOptions.builder()
                .quirks(others)
                .commandTimeout(TIMEOUT)
                .retries(0)
                .build();
        try (NvmeHost host = new NvmeHost(EmulatedMachine.power8(), () -> drive(row))) {
            switch (missing) {
                case READY_CHECK_DELAY -> assertHangsInReset(row, host, options);
                case NO_NAMESPACE_LIST -> assertHasOtherNamespaces(row, host, options);
                case BROKEN_MSI -> {
                    assertNeverInterrupts(row, host);
                    assertWaitsForTheWatchdog(row, host, options);
                }
                case NO_WRITE_ZEROES -> assertKeepsData(row, host, options);
                case DMA_48_BITS -> assertLosesHighAddresses(row, host, options);
                case QUEUE_CREATION_DELAY -> assertLosesFirstCommand(row, host, options);
            }
        }
    }

    private static void assertHangsInReset(NvmeQuirks.Row row, NvmeHost host, NvmeOptions options) {
        try (NvmeController nvme = host.open(options)) {
            nvme.lifecycle().reset(Kind.TIMEOUT, "the test resets it");
            VfioException e = assertThrows(VfioException.class, nvme.lifecycle()::requireUsable, row::toString);
            assertTrue(e.reason().contains("did not stop"), e::getMessage);
        }
    }

    private static void assertHasOtherNamespaces(NvmeQuirks.Row row, NvmeHost host, NvmeOptions options) {
        try (NvmeController nvme = host.open(options)) {
            List<Integer> found;
            try {
                found = nvme.namespaceIds();
            } catch (VfioException invalid) {
                assertEquals(Kind.DEVICE_ERROR, invalid.kind(), invalid::getMessage);
                return;
            }
            assertNotEquals(List.of(1), found, row::toString);
        }
    }

    /** A driver that waits for the interrupt waits in vain, and for every command: the drive has completed it. */
    private static void assertNeverInterrupts(NvmeQuirks.Row row, NvmeHost host) throws InterruptedException {
        try (SleepingDriver driver = new SleepingDriver(host.device(), InterruptType.MSI)) {
            for (int command = 0; command < 2; command++) {
                assertFalse(driver.identifies(TIMEOUT), row::toString);
                assertTrue(driver.hasCompletion(), row::toString);
            }
        }
        try (NvmeHost sound = new NvmeHost(() -> drive(row, Set.of()));
                SleepingDriver driver = new SleepingDriver(sound.device(), InterruptType.MSI)) {
            assertTrue(driver.identifies(Duration.ofSeconds(20)), "without the oddity the interrupt comes");
        }
    }

    /**
     * Where only MSI is left, Linux without the quirk waits 30 s for each command, and boots in 20 minutes (commit
     * d5887dc6b6c0). This driver checks more often, and finds out by itself after three checks; what is lost is
     * the time of the commands until then: each waits for a check, whatever it must be done by.
     */
    private static void assertWaitsForTheWatchdog(NvmeQuirks.Row row, NvmeHost host, NvmeOptions options) {
        NvmeOptions.Builder how = options.toBuilder().completion(NvmeCompletion.MSI);
        try (NvmeController nvme = host.open(how.build())) {
            assertFalse(nvme.hasSilentInterrupts(), row::toString);
            // The first check may be near, and another one may find two.
            assertTrue(flushes(nvme) > (FLUSHES - 2) * CHECK_NANOS * 9 / 10, row::toString);
            flushUntilSilent(nvme);
        }
    }

    /** Several commands may be found by one check of the watchdog. */
    private static void flushUntilSilent(NvmeController nvme) {
        for (int command = 0; command < 100 && !nvme.hasSilentInterrupts(); command++) {
            nvme.namespace(1).flush();
        }
        assertTrue(nvme.hasSilentInterrupts(), "it has found out");
    }

    private static void assertKeepsData(NvmeQuirks.Row row, NvmeHost host, NvmeOptions options) {
        try (NvmeController nvme = host.open(options);
                NvmeBuffer buffer = nvme.allocate(BLOCK)) {
            NvmeNamespace disk = nvme.namespace(1);
            buffer.segment().fill((byte) 0x5a);
            disk.write(0, 1, buffer);
            disk.writeZeroes(0, 1);
            disk.read(0, 1, buffer);
            assertEquals(0x5a, buffer.segment().get(ValueLayout.JAVA_BYTE, BLOCK - 1), row::toString);
        }
    }

    private static void assertLosesHighAddresses(NvmeQuirks.Row row, NvmeHost host, NvmeOptions options) {
        NvmeOptions.Builder how = options.toBuilder()
                .adminTimeout(TIMEOUT)
                .window(host.device().container().createWindow(PageSize.SIZE_64K, 1L << 30, 1));
        VfioException e = assertThrows(VfioException.class, () -> host.open(how.build()), row::toString);
        assertNotEquals(Kind.UNSUPPORTED, e.kind(), e::getMessage);
        host.expect(Finding.Kind.UNMAPPED_DMA, "0000:01:00.0 read 64 bytes from 0x0, ", "open");
    }

    /** On a busy computer a driver may be late enough by chance, so there are some tries. */
    private static void assertLosesFirstCommand(NvmeQuirks.Row row, NvmeHost host, NvmeOptions options) {
        for (int tries = 0; tries < 20; tries++) {
            try (NvmeController nvme = host.open(options)) {
                nvme.namespace(1).flush();
            } catch (VfioException lost) {
                assertEquals(Kind.TIMEOUT, lost.kind(), lost::getMessage);
                return;
            }
        }
        fail("no command was lost: " + row);
    }

    @Test
    void rows_all_haveASourceAndAreFound() {
        for (NvmeQuirks.Row row : NvmeQuirks.rows()) {
            assertFalse(row.source().isEmpty()
                    || row.name().isEmpty()
                    || row.quirks().isEmpty());
            assertEquals(
                    row.quirks(),
                    NvmeQuirks.of(row.vendorId(), row.deviceId(), row.model().orElse("any")),
                    row::toString);
        }
        assertEquals(Set.of(), NvmeQuirks.of(0x1b36, 0x0010, "QEMU NVMe Ctrl"));
        assertEquals(Set.of(), NvmeQuirks.of(0x144d, 0xa808, "Samsung SSD 970 EVO Plus 1TB"));
    }

    private static NvmeHost host(DrivePreset preset) {
        return new NvmeHost(() -> preset.builder()
                .readyTimeout(Duration.ofMillis(500))
                .namespace(NvmeHost.BYTES)
                .build());
    }

    /** What the driver copes with for every drive. */
    @ParameterizedTest
    @EnumSource(
            value = DrivePreset.class,
            names = {"PHISON_E12", "AZURE", "INTEL_P3520", "QEMU"})
    void preset_withoutARow_works(DrivePreset preset) {
        try (NvmeHost host = host(preset);
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .quirks(Set.of())
                        .commandTimeout(TIMEOUT)
                        .build())) {
            assertEquals(List.of(1), nvme.namespaceIds());
            NvmeNamespace disk = nvme.namespace(1);
            for (int command = 0; command < 200; command++) {
                disk.deallocate(8L * command, 8);
            }
            assertEquals(0, nvme.recoveries() + nvme.resets());
        }
    }

    /** A drive whose registers read all ones for 250 ms after each reset of its function. */
    private static NvmeHost lateHost(NvmeFaults faults) {
        return new NvmeHost(() -> EmulatedNvme.builder()
                .oddities(Set.of(DriveOddity.LATE_REGISTERS))
                .readyTimeout(Duration.ofMillis(500))
                .namespace(NvmeHost.BYTES)
                .faults(faults)
                .build());
    }

    @Test
    void open_lateRegisters_waitsForThem() {
        try (NvmeHost host = lateHost(NvmeFaults.NONE);
                NvmeController nvme = host.open()) {
            nvme.namespace(1).flush();
        }
    }

    /** The second time the driver itself resets the function, as the controller does not stop. */
    @Test
    void open_lateRegistersAfterOwnReset_waitsForThem() {
        try (NvmeHost host = lateHost(NvmeFaults.NONE.withStuck(NvmeFaults.Transition.DISABLE))) {
            for (int opens = 0; opens < 2; opens++) {
                NvmeController nvme = host.open();
                nvme.namespace(1).flush();
                assertThrows(VfioException.class, nvme::close);
            }
        }
    }

    @Test
    void freeze_lateRegisters_recovered() {
        try (NvmeHost host = lateHost(NvmeFaults.NONE);
                NvmeController nvme = host.open()) {
            NvmeNamespace disk = nvme.namespace(1);
            host.process().host().freezePe(0);
            disk.flush();
            assertEquals(1, nvme.recoveries());
            assertEquals(NvmeState.READY, nvme.state());
        }
    }

    /** The watchdog finds registers that read all ones, on a device that responds otherwise. */
    @Test
    void functionReset_lateRegisters_startedAgain() {
        try (NvmeHost host = lateHost(NvmeFaults.NONE);
                NvmeController nvme = host.open()) {
            NvmeNamespace disk = nvme.namespace(1);
            host.device().reset();
            disk.flush();
            assertEquals(1, nvme.resets());
            assertEquals(NvmeState.READY, nvme.state());
        }
    }

    /** The halves of CAP are two reads, of which the first may be the last to read all ones. */
    @Test
    void open_registersWakeBetweenTwoReads_readAgain() {
        AtomicInteger silentReads = new AtomicInteger(1);
        WatchedNvme drive = new WatchedNvme() {
            @Override
            public long read(int bar, long offset, int size) {
                return offset == 0 && silentReads.getAndDecrement() > 0 ? 0xffff_ffffL : super.read(bar, offset, size);
            }
        };
        try (NvmeHost host = new NvmeHost(() -> drive);
                NvmeController nvme =
                        host.open(NvmeOptions.builder().queueDepth(4096).build())) {
            assertEquals(2047, nvme.queue(0).capacity(), "as CAP.MQES allows");
        }
    }

    /** What parks such a thread returns at once. */
    @ParameterizedTest
    @EnumSource(
            value = DrivePreset.class,
            names = {"VIRTUALBOX", "HGST_SN100"})
    void open_interruptedThread_waitsAsLong(DrivePreset preset) {
        try (NvmeHost host = host(preset)) {
            Thread.currentThread().interrupt();
            try (NvmeController nvme = host.open()) {
                CompletableFuture<Void> flushed = nvme.namespace(1).flushAsync();
                assertTrue(Thread.interrupted());
                flushed.orTimeout(TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
                while (!flushed.isDone()) {
                    nvme.queues().getFirst().poll();
                }
                flushed.join();
                Thread.currentThread().interrupt();
            }
            assertTrue(Thread.interrupted());
        }
    }

    /** Polling finds what interrupts do not announce; a warning reports it once. */
    @ParameterizedTest
    @EnumSource(
            value = NvmeCompletion.class,
            names = {"MSIX", "MSI", "INTX"})
    void interrupts_neverCome_driverPolls(NvmeCompletion completion) {
        try (NvmeHost host = new NvmeHost(() -> DrivePreset.SILENT
                        .builder()
                        .msi(4)
                        .namespace(NvmeHost.BYTES)
                        .build());
                NvmeController nvme =
                        host.open(NvmeOptions.builder().completion(completion).build())) {
            NvmeNamespace disk = nvme.namespace(1);
            flushUntilSilent(nvme);
            long start = System.nanoTime();
            for (int command = 0; command < 50; command++) {
                CompletableFuture<Void> flushed = disk.flushAsync();
                flushed.join();
            }
            assertTrue(System.nanoTime() - start < TimeUnit.MILLISECONDS.toNanos(50 * 45), "it polls often");
            assertEquals(0, nvme.aborts() + nvme.resets());
        }
    }

    /** Ten flushes, each submitted by the callback of the one before: no thread waits, and a 1 ms tick takes 10 ms. */
    @Test
    void interrupts_neverComeForCallbacks_polledOften() {
        try (NvmeHost host = host(DrivePreset.SILENT);
                NvmeController nvme = host.open(
                        NvmeOptions.builder().completion(NvmeCompletion.MSIX).build())) {
            NvmeNamespace disk = nvme.namespace(1);
            flushUntilSilent(nvme);
            long shortest = Long.MAX_VALUE;
            for (int tries = 0; tries < 500 && shortest > TimeUnit.MILLISECONDS.toNanos(5); tries++) {
                long start = System.nanoTime();
                CompletableFuture<Void> chain = disk.flushAsync();
                for (int command = 1; command < 10; command++) {
                    chain = chain.thenCompose(_ -> disk.flushAsync());
                }
                chain.join();
                shortest = Math.min(shortest, System.nanoTime() - start);
            }
            assertTrue(shortest < TimeUnit.MILLISECONDS.toNanos(5), shortest + " ns");
        }
    }

    @Test
    void interrupts_thatCome_notSilent() {
        try (NvmeHost host = new NvmeHost();
                NvmeController nvme = host.open(
                        NvmeOptions.builder().completion(NvmeCompletion.MSIX).build())) {
            for (int command = 0; command < 20; command++) {
                nvme.namespace(1).flush();
            }
            assertFalse(nvme.hasSilentInterrupts());
        }
    }

    @Test
    void open_degradedDrive_identityAndLogsOnly() {
        try (NvmeHost host = host(DrivePreset.DEGRADED);
                NvmeController nvme = host.open(
                        NvmeOptions.builder().completion(NvmeCompletion.MSIX).build())) {
            assertEquals(List.of(), nvme.queues());
            assertEquals("jvfio", nvme.identity().serial());
            assertTrue(nvme.health().temperatureKelvin() > 0);
            assertEquals(List.of(1), nvme.namespaceIds());
            VfioException e = assertThrows(VfioException.class, () -> nvme.namespace(1));
            assertEquals(Kind.UNSUPPORTED, e.kind());
            assertTrue(e.reason().contains("no I/O queues"), e.getMessage());
            assertTrue(e.reason().contains("Internal Error"), e.getMessage());
            nvme.lifecycle().reset(Kind.TIMEOUT, "the test resets it");
            assertEquals(NvmeState.READY, nvme.state());
        }
    }

    /** A second of Namespace Not Ready, with a Command Retry Delay of 100 ms: ten tries, not thousands. */
    @Test
    void read_namespaceNotReady_retriedAfterTheDelayOfTheController() {
        try (NvmeHost host = host(DrivePreset.SLOW_START);
                NvmeController nvme = host.open();
                NvmeBuffer buffer = nvme.allocate(BLOCK)) {
            assertEquals(new RetryDelays(1, 0, 0), nvme.lifecycle().retryDelays());
            long start = System.nanoTime();
            nvme.namespace(1).read(0, 1, buffer);
            assertTrue(System.nanoTime() - start > TimeUnit.MILLISECONDS.toNanos(100));
        }
    }

    @Test
    void read_namespaceNotReadyForTooLong_busy() {
        try (NvmeHost host = host(DrivePreset.SLOW_START);
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .notReadyTimeout(Duration.ofMillis(150))
                        .retries(0)
                        .build())) {
            VfioException e =
                    assertThrows(VfioException.class, () -> nvme.namespace(1).flush());
            assertEquals(Kind.BUSY, e.kind());
            assertTrue(e.reason().contains("Namespace Not Ready"), e.getMessage());
        }
    }

    @Test
    void close_transferWaitsForARetry_fails() {
        try (NvmeHost host = host(DrivePreset.SLOW_START)) {
            NvmeController nvme = host.open();
            CompletableFuture<Void> waiting = nvme.namespace(1).flushAsync();
            nvme.close();
            assertTrue(waiting.isCompletedExceptionally());
        }
    }

    /** Three failures in a row, with a back-off of 1, 2 and 4 ms where the controller names no delay. */
    @Test
    void read_failsThreeTimes_retriedWithBackOff() {
        NvmeFaults failing = NvmeFaults.NONE;
        for (int number = 1; number <= 3; number++) {
            failing = failing.with(Commands.anyIo(), new Occurrence.Nth(number), new Effect.Status(0, 0x06, true));
        }
        try (NvmeHost host = new NvmeHost(failing);
                NvmeController nvme = host.open(NvmeOptions.builder().retries(3).build())) {
            NvmeNamespace disk = nvme.namespace(1);
            long start = System.nanoTime();
            disk.flush();
            assertTrue(System.nanoTime() - start >= TimeUnit.MILLISECONDS.toNanos(7));
        }
    }

    @Test
    void delays_ofStatus_controllersOrBackOff() {
        RetryDelays delays = new RetryDelays(3, 0, 1);
        long milli = TimeUnit.MILLISECONDS.toNanos(1);
        assertEquals(300 * milli, delays.nanos(1, 5));
        assertEquals(100 * milli, delays.nanos(3, 0));
        assertEquals(1 * milli, delays.nanos(2, 0));
        assertEquals(8 * milli, delays.nanos(0, 3));
        assertEquals(500 * milli, delays.nanos(0, 1000));
    }
}
