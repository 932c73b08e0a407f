package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.jvfio.RecoveryOptions;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.PeError;
import org.jvfio.emulator.nvme.EmulatedNvme;
import org.jvfio.emulator.nvme.NvmeFault.Commands;
import org.jvfio.emulator.nvme.NvmeFault.Effect;
import org.jvfio.emulator.nvme.NvmeFault.Occurrence;
import org.jvfio.emulator.nvme.NvmeFaults;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.ForwardingKernel;
import org.jvfio.uapi.vfio_eeh_pe_op;
import org.jvfio.uapi.vfio_h;

/**
 * Random freezes of the PE in the middle of random load. The system property {@code jvfio.stress.freezes} is the number
 * of freezes on a machine with EEH; on one without, there is a fifth of them.
 */
@Timeout(value = 3600, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class FreezeStressTest {
    private static final int FREEZES = Integer.getInteger("jvfio.stress.freezes", 30);
    private static final int THREADS = 4;
    private static final int QUEUES = 2;
    private static final int LANES = 4;
    private static final int GROUP = 0;
    private static final long PAUSE_NANOS = 20_000;
    private static final long COMMANDS_BETWEEN = 20;
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final Duration TIMEOUT = Duration.ofSeconds(4);

    private static final PeError[] WITH_EEH = PeError.values();
    /** Without EEH the state of the PE is not reported, so frozen DMA alone cannot be told. */
    private static final PeError[] WITHOUT_EEH = Arrays.stream(PeError.values())
            .filter(each -> each != PeError.DMA_ONLY)
            .toArray(PeError[]::new);

    /** Some commands take their time, so that there are always some in flight. */
    private static final NvmeFaults LATE = NvmeFaults.seeded(1)
            .with(
                    Commands.anyIo(),
                    new Occurrence.Randomly(1.0 / 4),
                    new Effect.Delay(Duration.ZERO, Duration.ofMillis(2)));

    private static EmulatedNvme drive() {
        return EmulatedNvme.builder()
                .namespace(NvmeHost.BYTES)
                .readyTimeout(Duration.ofMillis(500))
                .faults(LATE)
                .build();
    }

    private static EmulatedMachine lparWithoutEeh() {
        return EmulatedMachine.pseries().toBuilder().eeh(false).freezes(true).build();
    }

    /** A kernel that hides from its user that the PE is frozen. */
    private static final class BlindKernel extends ForwardingKernel {
        private static final long CONFIG = (long) vfio_h.VFIO_PCI_CONFIG_REGION_INDEX << 40;
        private static final int STATUS = 0x1c;

        BlindKernel(Kernel behind) {
            super(behind);
        }

        @Override
        public long pread(int descriptor, MemorySegment buffer, long offset) {
            long answer = super.pread(descriptor, buffer, offset);
            if (answer == Integer.BYTES && buffer.get(WatchedNvme.INT, 0) == -1) {
                if (offset == STATUS) {
                    buffer.set(WatchedNvme.INT, 0, 1);
                } else if (offset >= CONFIG) {
                    buffer.set(WatchedNvme.INT, 0, NvmeController.CLASS_CODE << 8);
                }
            }
            return answer;
        }

        @Override
        public int ioctl(int descriptor, int request, MemorySegment argument) {
            boolean isState =
                    request == vfio_h.VFIO_EEH_PE_OP && vfio_eeh_pe_op.op(argument) == vfio_h.VFIO_EEH_PE_GET_STATE;
            return isState ? 0 : super.ioctl(descriptor, request, argument);
        }
    }

    /** Loads a drive, freezes its PE again and again, and checks all data and that each command completes once. */
    private static void run(NvmeHost host, NvmeCompletion completion, PeError[] errors, int freezes, Duration timeout)
            throws Exception {
        StressLane.Tally tally = new StressLane.Tally();
        AtomicBoolean ends = new AtomicBoolean();
        try (NvmeController nvme = host.open(NvmeOptions.builder()
                        .queuePairs(QUEUES)
                        .queueDepth(16)
                        .completion(completion)
                        .retries(freezes)
                        .commandTimeout(timeout)
                        .adminTimeout(timeout)
                        .recovery(RecoveryOptions.DEFAULT.withMaxResets(20))
                        .build());
                ExecutorService executor = Executors.newFixedThreadPool(THREADS)) {
            NvmeNamespace disk = nvme.namespace(1);
            List<Future<?>> load = new ArrayList<>();
            for (int number = 0; number < THREADS; number++) {
                int thread = number;
                load.add(executor.submit(() -> load(ends, disk, thread, tally)));
            }
            try {
                report(host, completion, freeze(host, nvme, errors, freezes, tally), tally);
            } finally {
                ends.set(true);
            }
            for (Future<?> each : load) {
                each.get();
            }
            assertEquals(NvmeState.READY, nvme.state());
            assertEquals(tally.submitted.get(), tally.completed.get(), "completions of all commands");
            assertEquals(tally.completed.get(), tally.succeeded.get(), "commands that succeeded");
            assertTrue(tally.compared.get() > 0, "data was read");
            assertEquals(0, nvme.resets());
        }
    }

    /** Lanes of a thread that shares its queue with another one. */
    private static void load(AtomicBoolean ends, NvmeNamespace disk, int thread, StressLane.Tally tally) {
        NvmeController nvme = disk.controller();
        NvmeQueue queue = nvme.queue(thread % QUEUES);
        boolean polls = nvme.options().completion() == NvmeCompletion.POLLED;
        try (NvmeBuffer buffer = nvme.allocate(LANES * StressLane.BUFFER_BYTES)) {
            List<StressLane> lanes = new ArrayList<>();
            for (int lane = 0; lane < LANES; lane++) {
                NvmeBuffer part = buffer.slice(lane * StressLane.BUFFER_BYTES, StressLane.BUFFER_BYTES);
                lanes.add(new StressLane(disk, part, thread * LANES + lane, tally));
            }
            while (!ends.get() || lanes.stream().anyMatch(StressLane::isInFlight)) {
                if (!ends.get()) {
                    lanes.forEach(lane -> lane.begin(queue));
                }
                if (polls) {
                    queue.poll();
                }
                lanes.forEach(StressLane::end);
                LockSupport.parkNanos(PAUSE_NANOS);
            }
        }
    }

    /** Freezes the PE, and waits each time until the load goes on; returns how long that took in nanoseconds. */
    private static long[] freeze(
            NvmeHost host, NvmeController nvme, PeError[] errors, int freezes, StressLane.Tally tally) {
        Random random = new Random(freezes);
        long[] took = new long[freezes];
        int resubmitted = 0;
        for (int number = 0; number < freezes; number++) {
            awaitCommands(nvme, tally, COMMANDS_BETWEEN);
            LockSupport.parkNanos(random.nextInt(2_000_000));
            PeError error = errors[random.nextInt(errors.length)];
            int before = nvme.recoveries();
            long start = System.nanoTime();
            host.process().host().strike(GROUP, error);
            while (nvme.recoveries() == before) {
                assertTrue(
                        nvme.state() != NvmeState.FAILED && System.nanoTime() - start < PATIENCE.toNanos(),
                        () -> "no recovery from freeze by " + error + "; the controller is " + nvme.state());
                LockSupport.parkNanos(PAUSE_NANOS);
            }
            resubmitted += nvme.lastRecovery().orElseThrow().resubmitted();
            awaitCommands(nvme, tally, 1);
            took[number] = System.nanoTime() - start;
        }
        assertTrue(resubmitted > 0, "commands were in flight at the freezes");
        return took;
    }

    private static void awaitCommands(NvmeController nvme, StressLane.Tally tally, long count) {
        long wanted = tally.completed.get() + count;
        long start = System.nanoTime();
        while (tally.completed.get() < wanted) {
            assertTrue(
                    System.nanoTime() - start < PATIENCE.toNanos(),
                    () -> "no command completes; the controller is " + nvme.state());
            LockSupport.parkNanos(PAUSE_NANOS);
        }
    }

    private static void report(NvmeHost host, NvmeCompletion completion, long[] took, StressLane.Tally tally) {
        Arrays.sort(took);
        System.out.printf(
                "%s, %s: %d freezes, %d commands; from freeze to the next completion: median %.1f ms, worst %.1f ms%n",
                host.device().container().eeh().isPresent() ? "EEH" : "no EEH",
                completion,
                took.length,
                tally.submitted.get(),
                took[took.length / 2] / (double) TimeUnit.MILLISECONDS.toNanos(1),
                took[took.length - 1] / (double) TimeUnit.MILLISECONDS.toNanos(1));
    }

    @ParameterizedTest
    @EnumSource(
            value = NvmeCompletion.class,
            names = {"POLLED", "MSIX", "INTX"})
    void freeze_randomLoad_eachCommandCompletesOnceWithItsData(NvmeCompletion completion) throws Exception {
        try (NvmeHost host = new NvmeHost(EmulatedMachine.power8(), FreezeStressTest::drive)) {
            run(host, completion, WITH_EEH, Math.ceilDiv(FREEZES, 3), TIMEOUT);
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = NvmeCompletion.class,
            names = {"POLLED", "MSIX"})
    void freeze_lparWithoutEeh_eachCommandCompletesOnceWithItsData(NvmeCompletion completion) throws Exception {
        try (NvmeHost host = new NvmeHost(lparWithoutEeh(), FreezeStressTest::drive)) {
            run(host, completion, WITHOUT_EEH, Math.ceilDiv(FREEZES, 10), TIMEOUT);
        }
    }

    /** The checks above fail where the driver cannot see a freeze. */
    @Test
    void freeze_hiddenFromTheDriver_checksFail() {
        try (NvmeHost host = new NvmeHost(EmulatedMachine.power8(), FreezeStressTest::drive, BlindKernel::new)) {
            PeError[] errors = {PeError.AT_ONCE};
            Throwable failure = assertThrows(
                    AssertionError.class, () -> run(host, NvmeCompletion.POLLED, errors, 1, Duration.ofMillis(100)));
            assertTrue(String.valueOf(failure.getMessage()).startsWith("no recovery from freeze"), failure.toString());
        }
    }
}
