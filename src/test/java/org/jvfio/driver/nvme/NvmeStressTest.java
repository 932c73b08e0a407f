package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.jvfio.VfioException;
import org.jvfio.emulator.nvme.EmulatedNvme;
import org.jvfio.emulator.nvme.NvmeFault.Commands;
import org.jvfio.emulator.nvme.NvmeFault.Effect;
import org.jvfio.emulator.nvme.NvmeFault.Occurrence;
import org.jvfio.emulator.nvme.NvmeFaults;

/**
 * Many threads on a controller that delays commands and sometimes stalls until it is reset. Runs for a second for each
 * kind of completion, or for the seconds in the system property {@code jvfio.stress.seconds}.
 */
class NvmeStressTest {
    private static final long SECONDS = Long.getLong("jvfio.stress.seconds", 1);
    private static final int THREADS = 8;
    private static final int QUEUES = 4;
    private static final int LANES = 4;
    private static final long PAUSE_NANOS = 20_000;
    private static final int GET_LOG_PAGE = 0x02;
    private static final int IDENTIFY = 0x06;
    private static final int ABORT = 0x08;
    private static final int HOT = 400;

    /**
     * Some commands are delayed or lost, the driver's own among them; sometimes a queue stalls until the controller is
     * reset.
     */
    private static final NvmeFaults LATE = NvmeFaults.seeded(1)
            .with(
                    Commands.anyIo(),
                    new Occurrence.Randomly(1.0 / 16),
                    new Effect.Delay(Duration.ZERO, Duration.ofMillis(1)))
            .with(Commands.anyIo(), new Occurrence.Nth(50), new Effect.Stalled())
            .with(Commands.anyIo(), new Occurrence.Every(700), new Effect.Stalled())
            .with(Commands.anyIo(), new Occurrence.Every(1100), new Effect.Lost(true))
            .with(Commands.anyIo(), new Occurrence.Every(97), new Effect.LostInterrupt())
            .with(Commands.anyIo(), new Occurrence.Every(30), new Effect.Temperature(HOT))
            .with(
                    Commands.anyAdmin(),
                    new Occurrence.Randomly(1.0 / 8),
                    new Effect.Delay(Duration.ZERO, Duration.ofMillis(1)))
            .with(Commands.anyAdmin(), new Occurrence.Every(13), new Effect.LostInterrupt())
            .with(Commands.admin(ABORT), new Occurrence.Every(3), new Effect.Lost(true))
            .with(Commands.admin(IDENTIFY), new Occurrence.Every(19), new Effect.Status(0, 0x06, true))
            .with(Commands.admin(GET_LOG_PAGE), new Occurrence.Nth(10), new Effect.Lost(false))
            .with(Commands.admin(GET_LOG_PAGE), new Occurrence.Every(500), new Effect.Lost(false));

    /** Counters of all threads. */
    private static final class Tally {
        private final StressLane.Tally lanes = new StressLane.Tally();
        private final AtomicLong events = new AtomicLong();
        private final AtomicLong described = new AtomicLong();
        private final AtomicLong refused = new AtomicLong();
    }

    @ParameterizedTest
    @EnumSource(NvmeCompletion.class)
    void submit_manyThreadsAndResets_completesEachRequestOnce(NvmeCompletion completion) throws Exception {
        Tally tally = new Tally();
        // Two MSI vectors: the queues share one.
        try (NvmeHost host = new NvmeHost(() -> EmulatedNvme.builder()
                .msi(2)
                .namespace(NvmeHost.BYTES)
                .faults(LATE)
                .build())) {
            try (NvmeController nvme = host.open(NvmeOptions.builder()
                    .queuePairs(QUEUES)
                    .queueDepth(8)
                    .completion(completion)
                    .commandTimeout(Duration.ofMillis(50))
                    .adminTimeout(Duration.ofSeconds(2))
                    .events(event -> tally.events.incrementAndGet())
                    .build())) {
                assertEquals(QUEUES, nvme.queues().size());
                runAllThreads(nvme, tally);
                nvme.lifecycle().requireUsable();
                assertEquals(NvmeState.READY, nvme.state());
                assertTrue(nvme.resets() > 0 && nvme.aborts() > 0, "commands were late");
                assertTrue(tally.lanes.compared.get() > 0, "data was read");
                assertEquals(tally.lanes.submitted.get(), tally.lanes.completed.get());
                assertTrue(tally.events.get() > 0, "events were told");
                System.out.printf(
                        "%s: %d commands, %d succeeded, %d compared; %d admin commands, %d failed; "
                                + "%d events, %d aborts, %d resets%n",
                        completion,
                        tally.lanes.submitted.get(),
                        tally.lanes.succeeded.get(),
                        tally.lanes.compared.get(),
                        tally.described.get(),
                        tally.refused.get(),
                        tally.events.get(),
                        nvme.aborts(),
                        nvme.resets());
            }
        }
    }

    private static void runAllThreads(NvmeController nvme, Tally tally) throws Exception {
        NvmeNamespace disk = nvme.namespace(1);
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS);
        List<Callable<Void>> threads = new ArrayList<>();
        for (int number = 0; number < THREADS; number++) {
            int thread = number;
            threads.add(() -> {
                runUntil(deadline, disk, thread, tally);
                return null;
            });
        }
        threads.add(() -> {
            describeUntil(deadline, nvme, tally);
            return null;
        });
        try (ExecutorService executor = Executors.newFixedThreadPool(threads.size())) {
            for (Future<Void> thread : executor.invokeAll(threads)) {
                thread.get();
            }
        }
    }

    /** A thread that shares its queue with another one, and sometimes makes blocking calls. */
    private static void runUntil(long deadline, NvmeNamespace disk, int thread, Tally tally) {
        NvmeController nvme = disk.controller();
        NvmeQueue queue = nvme.queue(thread % QUEUES);
        boolean polls = nvme.options().completion() == NvmeCompletion.POLLED;
        try (NvmeBuffer buffer = nvme.allocate(LANES * StressLane.BUFFER_BYTES)) {
            List<StressLane> lanes = new ArrayList<>();
            for (int lane = 0; lane < LANES; lane++) {
                NvmeBuffer part = buffer.slice(lane * StressLane.BUFFER_BYTES, StressLane.BUFFER_BYTES);
                lanes.add(new StressLane(disk, part, thread * LANES + lane, tally.lanes));
            }
            while (System.nanoTime() - deadline < 0 || lanes.stream().anyMatch(StressLane::isInFlight)) {
                if (System.nanoTime() - deadline < 0) {
                    lanes.forEach(lane -> lane.begin(queue));
                }
                if (polls) {
                    queue.poll();
                }
                lanes.forEach(StressLane::end);
                if (!polls) {
                    LockSupport.parkNanos(PAUSE_NANOS);
                }
            }
        }
    }

    /** A thread that executes admin commands until some of them have failed; they may be retried. */
    private static void describeUntil(long deadline, NvmeController nvme, Tally tally) {
        while (System.nanoTime() - deadline < 0 || tally.described.get() == 0 || tally.refused.get() == 0) {
            try {
                assertTrue(nvme.health().temperatureKelvin() > 0);
                assertEquals(List.of(1), nvme.namespaceIds());
                assertEquals(NvmeHost.BYTES, nvme.namespace(1).bytes());
                tally.described.incrementAndGet();
            } catch (VfioException e) {
                assertTrue(e.hint().startsWith("try again"), e::getMessage);
                tally.refused.incrementAndGet();
            }
            LockSupport.parkNanos(PAUSE_NANOS);
        }
    }
}
