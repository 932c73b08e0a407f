package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.RecoveryOptions;
import org.jvfio.RecoveryResult.Means;
import org.jvfio.RecoveryStep;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.PeError;
import org.jvfio.emulator.nvme.EmulatedNvme;
import org.jvfio.emulator.nvme.NvmeFault.Commands;
import org.jvfio.emulator.nvme.NvmeFault.Effect;
import org.jvfio.emulator.nvme.NvmeFault.Occurrence;
import org.jvfio.emulator.nvme.NvmeFaults;
import org.jvfio.observe.sanitize.Finding;

/** One freeze of the PE at a time: what becomes of the commands in flight, and of those who wait for them. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class FreezeRecoveryTest {
    private static final int GROUP = 0;
    private static final int GET_LOG_PAGE = 0x02;
    private static final int BLOCK = 512;
    private static final NvmeFaults LOST_FIRST =
            NvmeFaults.NONE.with(Commands.anyIo(), new Occurrence.Nth(1), new Effect.Lost(false));

    private static void strike(NvmeHost host, PeError error) {
        host.process().host().strike(GROUP, error);
    }

    private static void awaitRecoveries(NvmeController nvme, int count) {
        while (nvme.recoveries() < count) {
            Thread.onSpinWait();
        }
    }

    private static void fill(NvmeBuffer buffer, int value) {
        buffer.segment().fill((byte) value);
    }

    /** The first command is lost, so that it is in flight at the freeze; submitted again it succeeds. */
    @ParameterizedTest
    @EnumSource(NvmeCompletion.class)
    void freeze_writeInFlight_writtenAfterTheRecovery(NvmeCompletion completion) {
        try (NvmeHost host = new NvmeHost(() -> EmulatedNvme.builder()
                        .msi(2)
                        .namespace(NvmeHost.BYTES)
                        .faults(LOST_FIRST)
                        .build());
                NvmeController nvme =
                        host.open(NvmeOptions.builder().completion(completion).build());
                NvmeBuffer buffer = nvme.allocate(BLOCK)) {
            NvmeNamespace disk = nvme.namespace(1);
            fill(buffer, 0x5a);
            AtomicInteger calls = new AtomicInteger();
            NvmeRequest request = new NvmeRequest().write(disk, 7, 1, buffer).onDone(_ -> calls.incrementAndGet());
            assertTrue(nvme.queue(0).submit(request));
            strike(host, PeError.AT_ONCE);
            nvme.queue(0).await(request);
            request.requireSuccess();
            fill(buffer, 0);
            disk.read(7, 1, buffer);
            assertEquals(0x5a, buffer.segment().get(ValueLayout.JAVA_BYTE, BLOCK - 1));
            NvmeRecovery done = nvme.lastRecovery().orElseThrow();
            assertEquals(Means.PE_RESET, done.means());
            assertEquals(1, done.resets());
            assertEquals(1, done.resubmitted());
            assertEquals(0, done.failed() + done.completed());
            assertEquals(1, nvme.recoveries());
            assertEquals(0, nvme.resets());
            // The thread that completes a request wakes those that wait for it, and calls back then.
            long end = System.nanoTime() + Duration.ofSeconds(10).toNanos();
            while (calls.get() == 0 && System.nanoTime() < end) {
                Thread.onSpinWait();
            }
            assertEquals(1, calls.get());
        }
    }

    /** The first command of each kind is lost, so that one of each is in flight at the freeze. */
    @Test
    void freeze_eachCommandInFlight_submittedAgain() {
        NvmeFaults lost = NvmeFaults.NONE;
        for (Operation operation : Operation.values()) {
            lost = lost.with(Commands.io(operation.opcode()), new Occurrence.Nth(1), new Effect.Lost(false));
        }
        try (NvmeHost host = new NvmeHost(lost);
                NvmeController nvme = host.open();
                NvmeBuffer buffer = nvme.allocate(3 * BLOCK)) {
            NvmeNamespace disk = nvme.namespace(1);
            List<NvmeRequest> requests = List.of(
                    new NvmeRequest().flush(disk),
                    new NvmeRequest().write(disk, 0, 1, buffer.slice(0, BLOCK)),
                    new NvmeRequest().read(disk, 1, 1, buffer.slice(BLOCK, BLOCK)),
                    new NvmeRequest().compare(disk, 2, 1, buffer.slice(2 * BLOCK, BLOCK)),
                    new NvmeRequest().writeZeroes(disk, 3, 1),
                    new NvmeRequest().deallocate(disk, 4, 1),
                    new NvmeRequest().verify(disk, 5, 1),
                    new NvmeRequest().copy(disk, 6, 1, 7));
            assertEquals(Operation.values().length, requests.size());
            for (NvmeRequest request : requests) {
                assertTrue(nvme.queue(0).submit(request));
            }
            strike(host, PeError.AT_ONCE);
            for (NvmeRequest request : requests) {
                nvme.queue(0).await(request);
                request.requireSuccess();
            }
            assertEquals(requests.size(), nvme.lastRecovery().orElseThrow().resubmitted());
        }
    }

    /** A command that had completed before the freeze is not executed again. */
    @Test
    void freeze_completionNotPolledYet_statusKept() {
        NvmeFaults failing =
                NvmeFaults.NONE.with(Commands.anyIo(), new Occurrence.Nth(1), new Effect.Status(2, 0x81, false));
        try (NvmeHost host = new NvmeHost(failing);
                NvmeController nvme = host.open()) {
            NvmeRequest request = new NvmeRequest().flush(nvme.namespace(1));
            assertTrue(nvme.queue(0).submit(request));
            strike(host, PeError.AT_ONCE);
            awaitRecoveries(nvme, 1);
            nvme.queue(0).await(request);
            assertEquals(new NvmeStatus(2, 0x81, true), request.status());
            assertEquals(1, nvme.lastRecovery().orElseThrow().completed());
        }
    }

    @Test
    void freeze_logReadInFlight_executedAgain() {
        AtomicInteger reads = new AtomicInteger();
        CountDownLatch fetched = new CountDownLatch(1);
        WatchedNvme drive =
                new WatchedNvme(EmulatedNvme.builder()
                        .namespace(NvmeHost.BYTES)
                        .faults(NvmeFaults.NONE.with(
                                Commands.admin(GET_LOG_PAGE), new Occurrence.Nth(1), new Effect.Lost(false)))
                        .build()) {
                    @Override
                    void fetches(MemorySegment command) {
                        if (command.get(ValueLayout.JAVA_BYTE, 0) == GET_LOG_PAGE) {
                            reads.incrementAndGet();
                            fetched.countDown();
                        }
                    }
                };
        try (NvmeHost host = new NvmeHost(() -> drive);
                NvmeController nvme = host.open()) {
            CompletableFuture<NvmeHealth> waiting = CompletableFuture.supplyAsync(nvme::health);
            awaitQuietly(fetched);
            strike(host, PeError.AT_ONCE);
            assertTrue(waiting.join().temperatureKelvin() > 0);
            assertEquals(2, reads.get());
            assertEquals(1, nvme.recoveries());
        }
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            assertTrue(latch.await(30, TimeUnit.SECONDS));
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The same command is in flight at each freeze, because it is always lost. */
    @Test
    void freeze_commandInFlightAtEachFreeze_failsAfterItsRetries() {
        NvmeFaults lost = NvmeFaults.NONE.with(Commands.io(0x02), Occurrence.always(), new Effect.Lost(false));
        try (NvmeHost host = new NvmeHost(lost);
                NvmeController nvme = host.open(NvmeOptions.builder().retries(2).build());
                NvmeBuffer buffer = nvme.allocate(BLOCK)) {
            NvmeRequest request = new NvmeRequest().read(nvme.namespace(1), 0, 1, buffer);
            assertTrue(nvme.queue(0).submit(request));
            for (int freeze = 1; freeze <= 3; freeze++) {
                assertTrue(!request.isDone());
                strike(host, PeError.AT_ONCE);
                awaitRecoveries(nvme, freeze);
            }
            nvme.queue(0).await(request);
            assertEquals(NvmeStatus.ABORTED_BY_HOST, request.status());
            VfioException e = assertThrows(VfioException.class, request::requireSuccess);
            assertEquals(Kind.FROZEN, e.kind());
            assertTrue(e.reason().startsWith("the PE was frozen while the command was in flight"), e.getMessage());
            assertEquals("try again", e.hint());
            assertEquals(1, nvme.lastRecovery().orElseThrow().failed());
            nvme.namespace(1).flush();
        }
    }

    /** The read itself freezes the PE: its buffer is unmapped while it is in flight, which a program must not do. */
    @Test
    void freeze_bufferNoLongerMapped_failsAndTheOtherSucceeds() {
        NvmeFaults late = NvmeFaults.NONE.withLatency(Duration.ofMillis(500), Duration.ofMillis(500));
        try (NvmeHost host = new NvmeHost(late);
                NvmeController nvme = host.open();
                NvmeBuffer other = nvme.allocate(BLOCK)) {
            NvmeNamespace disk = nvme.namespace(1);
            DmaMapping mapping = host.device()
                    .container()
                    .defaultWindow()
                    .map(host.device().container().allocate(1 << 16), DmaDirection.BIDIRECTIONAL);
            NvmeRequest bad = new NvmeRequest().read(disk, 0, 1, NvmeBuffer.of(mapping));
            NvmeRequest good = new NvmeRequest().write(disk, 1, 1, other);
            assertTrue(nvme.queue(0).submit(bad));
            assertTrue(nvme.queue(0).submit(good));
            host.expect(
                    Finding.Kind.STALE_DMA,
                    "0000:01:00.0 wrote 512 bytes to 0x%x, which was unmapped before".formatted(mapping.iova()),
                    "freeze_bufferNoLongerMapped_failsAndTheOtherSucceeds");
            mapping.close();
            nvme.queue(0).await(bad);
            assertEquals(
                    Kind.FROZEN,
                    assertThrows(VfioException.class, bad::requireSuccess).kind());
            nvme.queue(0).await(good);
            good.requireSuccess();
            assertEquals(1, nvme.recoveries());
            mapping.memory().close();
        }
    }

    @Test
    void freeze_withoutRecovery_failsAllAndSaysFrozen() {
        try (NvmeHost host = new NvmeHost(LOST_FIRST)) {
            NvmeController nvme =
                    host.open(NvmeOptions.builder().withoutRecovery().build());
            NvmeNamespace disk = nvme.namespace(1);
            CompletableFuture<Void> waiting = disk.flushAsync();
            strike(host, PeError.AT_ONCE);
            CompletionException e = assertThrows(CompletionException.class, waiting::join);
            assertEquals(
                    Kind.FROZEN,
                    assertInstanceOf(VfioException.class, e.getCause()).kind());
            assertEquals(NvmeState.FAILED, nvme.state());
            assertEquals(0, nvme.recoveries());
            nvme.close();
        }
    }

    /** Gives up clearly, in bounded time; all that wait are woken. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void freeze_peDisabledForGood_failsAllAndSaysGone(boolean eeh) {
        EmulatedMachine machine =
                EmulatedMachine.power8().toBuilder().eeh(eeh).freezes(true).build();
        try (NvmeHost host = new NvmeHost(
                machine,
                () -> EmulatedNvme.builder()
                        .namespace(NvmeHost.BYTES)
                        .faults(LOST_FIRST)
                        .build())) {
            NvmeController nvme = host.open(NvmeOptions.builder()
                    .recovery(RecoveryOptions.DEFAULT.withTimeout(Duration.ofSeconds(1)))
                    .build());
            NvmeNamespace disk = nvme.namespace(1);
            CompletableFuture<Void> lost = disk.flushAsync();
            long start = System.nanoTime();
            host.process().host().disablePe(GROUP);
            CompletionException e = assertThrows(CompletionException.class, lost::join);
            VfioException cause = assertInstanceOf(VfioException.class, e.getCause());
            assertEquals(Kind.GONE, cause.kind(), cause.getMessage());
            assertEquals(NvmeState.FAILED, nvme.state());
            assertEquals(
                    Kind.GONE, assertThrows(VfioException.class, disk::flush).kind());
            assertTrue(System.nanoTime() - start < TimeUnit.SECONDS.toNanos(20));
            nvme.close();
        }
    }

    @Test
    void close_peFrozen_endsSoonAndFailsWhatIsInFlight() {
        try (NvmeHost host = new NvmeHost(LOST_FIRST)) {
            // A watchdog that does not see the freeze before the controller is closed.
            NvmeController nvme =
                    host.open(NvmeOptions.builder().withoutRecovery().build());
            NvmeRequest request = new NvmeRequest().flush(nvme.namespace(1));
            assertTrue(nvme.queue(0).submit(request));
            long start = System.nanoTime();
            strike(host, PeError.AT_ONCE);
            try {
                nvme.close();
            } catch (VfioException e) {
                assertEquals(Kind.FROZEN, e.kind());
            }
            assertTrue(System.nanoTime() - start < TimeUnit.SECONDS.toNanos(5), "it waits for no timeout");
            assertTrue(request.isDone());
            assertEquals(NvmeState.CLOSED, nvme.state());
        }
    }

    @Test
    void recovery_listener_toldEachStep() {
        List<RecoveryStep> told = Collections.synchronizedList(new ArrayList<>());
        try (NvmeHost host = new NvmeHost();
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .recovery(RecoveryOptions.DEFAULT.withListener(told::add))
                        .build())) {
            strike(host, PeError.AT_ONCE);
            awaitRecoveries(nvme, 1);
            assertEquals(List.of(RecoveryStep.values()), told);
        }
    }

    /** The controller is started again although its PE freezes once more meanwhile. */
    @Test
    void recovery_frozenAgainMeanwhile_recoveredAgain() {
        AtomicBoolean armed = new AtomicBoolean();
        try (NvmeHost host = new NvmeHost(LOST_FIRST)) {
            try (NvmeController nvme = host.open(NvmeOptions.builder()
                    .recovery(RecoveryOptions.DEFAULT.withListener(step -> {
                        if (step == RecoveryStep.RESTORED && armed.compareAndSet(true, false)) {
                            strike(host, PeError.STORE);
                        }
                    }))
                    .build())) {
                armed.set(true);
                NvmeRequest request = new NvmeRequest().flush(nvme.namespace(1));
                assertTrue(nvme.queue(0).submit(request));
                strike(host, PeError.AT_ONCE);
                nvme.queue(0).await(request);
                request.requireSuccess();
                assertEquals(1, nvme.recoveries());
                assertEquals(2, nvme.lastRecovery().orElseThrow().resets());
            }
        }
    }

    /** What is not known to be repeatable fails at once. */
    @Test
    void end_commandThatIsNotRepeatable_failed() {
        CommandSlots slots = new CommandSlots(4);
        NvmeRequest admin = new NvmeRequest().admin("test", 0x80, 0, 0, 0);
        admin.acquire();
        slots.allocate(admin);
        EndedCommands ended = new EndedCommands(null);
        slots.end(ended, CommandFailure.ofReset(Kind.FROZEN, "frozen"), 5);
        assertEquals(admin, ended.first());
        assertEquals(1, ended.failedCount());
        assertEquals(0, slots.inFlight());
        assertNull(slots.get(admin.identifier));
        assertEquals(NvmeStatus.ABORTED_BY_HOST, admin.status());
    }
}
