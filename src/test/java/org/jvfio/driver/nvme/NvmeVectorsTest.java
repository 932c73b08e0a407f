package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.jvfio.VfioException;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.device.DeviceBus;
import org.jvfio.emulator.device.DeviceInterrupts;
import org.jvfio.emulator.device.ForwardingDevice;
import org.jvfio.emulator.nvme.EmulatedNvme;
import org.jvfio.emulator.nvme.NvmeFault.Commands;
import org.jvfio.emulator.nvme.NvmeFault.Effect;
import org.jvfio.emulator.nvme.NvmeFault.Occurrence;
import org.jvfio.emulator.nvme.NvmeFaults;

/**
 * How interrupt vectors are assigned to queues: one each where device and platform have as many, otherwise shared.
 */
@Timeout(60)
class NvmeVectorsTest {
    private static final int MOST = 2048;

    /** A controller with configurable interrupts. */
    private static final class Interrupting extends WatchedNvme {
        private static final int CREATE_COMPLETION_QUEUE = 0x05;
        private static final int INTERRUPTS_ENABLED = 1 << 1;
        private static final int NONE = -1;

        private final boolean line;
        private final List<Integer> vectors = new ArrayList<>();
        private int writes;

        Interrupting(boolean line, int messages, int vectors) {
            this(line, messages, vectors, NvmeFaults.NONE);
        }

        Interrupting(boolean line, int messages, int vectors, NvmeFaults faults) {
            super(EmulatedNvme.builder()
                    .msi(messages)
                    .msix(vectors)
                    .namespace(NvmeHost.BYTES)
                    .faults(faults)
                    .build());
            this.line = line;
        }

        @Override
        public DeviceInterrupts interrupts() {
            DeviceInterrupts has = super.interrupts();
            return new DeviceInterrupts(
                    line, has.messages(), has.vectors(), has.tableBar(), has.tableOffset(), has.pendingOffset());
        }

        @Override
        void written(long offset, long value) {
            writes++;
        }

        @Override
        void fetches(MemorySegment command) {
            if (command.get(ValueLayout.JAVA_BYTE, 0) == CREATE_COMPLETION_QUEUE) {
                int flags = command.get(INT, 44);
                vectors.add((flags & INTERRUPTS_ENABLED) == 0 ? NONE : flags >>> 16);
            }
        }
    }

    private static EmulatedMachine granting(int vectors) {
        return EmulatedMachine.power8().toBuilder().interruptVectors(vectors).build();
    }

    private static void readByEach(NvmeController nvme) {
        try (NvmeBuffer buffer = nvme.allocate(4096)) {
            NvmeNamespace disk = nvme.namespace(1);
            for (NvmeQueue queue : nvme.queues()) {
                for (int i = 0; i < 3; i++) {
                    NvmeRequest request = new NvmeRequest().read(disk, i, 1, buffer);
                    assertTrue(queue.submit(request));
                    // Unless the controller is polled, an interrupt completes it.
                    queue.await(request);
                    request.requireSuccess();
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        // The type, the vectors of the device (MSI, MSI-X), what the platform grants, pairs of queues; then the vectors
        // in use and those of the queues.
        "MSIX, 0, 65, 2048, 4, 5, 1 2 3 4",
        "MSIX, 8, 65, 2048, 2, 3, 1 2",
        "MSIX, 0, 65, 3, 4, 3, 1 2 1 2",
        "MSIX, 0, 65, 2, 4, 2, 1 1 1 1",
        "MSIX, 0, 65, 1, 3, 1, 0 0 0",
        "MSIX, 0, 4, 2048, 4, 4, 1 2 3 1",
        "MSIX, 0, 1, 2048, 2, 1, 0 0",
        "MSI, 32, 65, 2048, 4, 5, 1 2 3 4",
        "MSI, 8, 0, 2048, 3, 4, 1 2 3",
        "MSI, 4, 65, 2048, 4, 4, 1 2 3 1",
        "MSI, 2, 65, 2048, 3, 2, 1 1 1",
        "MSI, 1, 65, 2048, 4, 1, 0 0 0 0",
        "MSI, 32, 65, 3, 4, 3, 1 2 1 2",
        "MSI, 32, 65, 1, 2, 1, 0 0",
        "INTX, 8, 65, 2048, 2, 1, 0 0"
    })
    void open_fewerVectorsThanQueues_sharesThem(
            NvmeCompletion completion, int messages, int vectors, int granted, int pairs, int used, String ofQueues) {
        Interrupting drive = new Interrupting(true, messages, vectors);
        try (NvmeHost host = new NvmeHost(granting(granted), () -> drive);
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .queuePairs(pairs)
                        .completion(completion)
                        .build())) {
            assertEquals(used, nvme.vectors());
            assertEquals(Stream.of(ofQueues.split(" ")).map(Integer::valueOf).toList(), drive.vectors);
            readByEach(nvme);
        }
    }

    @Test
    void open_moreQueuesThanVectorsOfAnyDevice_sharesThem() {
        Interrupting drive = new Interrupting(true, 32, 65);
        try (NvmeHost host = new NvmeHost(granting(MOST), () -> drive);
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .queuePairs(64)
                        .queueDepth(4)
                        .completion(NvmeCompletion.MSI)
                        .build())) {
            assertEquals(64, nvme.queues().size());
            assertEquals(32, nvme.vectors());
            assertEquals(1, drive.vectors.get(31));
            readByEach(nvme);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "MSI  | true  | 0 | 65 | it has no MSI; it has INTx and MSI-X with 65 vectors",
                "MSIX | true  | 1 | 0  | it has no MSI-X; it has INTx and MSI with 1 vector",
                "INTX | false | 4 | 65 | it has no INTx; it has MSI with 4 vectors and MSI-X with 65 vectors",
                "MSI  | false | 0 | 0  | it has no MSI; it has no interrupts"
            })
    void open_missingInterruptType_throwsBeforeTouchingTheDrive(
            NvmeCompletion completion, boolean line, int messages, int vectors, String reason) {
        Interrupting drive = new Interrupting(line, messages, vectors);
        try (NvmeHost host = new NvmeHost(granting(MOST), () -> drive)) {
            int writes = drive.writes;
            VfioException e = assertThrows(
                    VfioException.class,
                    () -> host.open(NvmeOptions.builder().completion(completion).build()));
            assertEquals(reason, e.reason());
            assertEquals(writes, drive.writes);
            assertFalse(host.isBusMaster());
        }
    }

    @Test
    void open_polled_enablesNoInterrupts() {
        Interrupting drive = new Interrupting(true, 8, 65);
        try (NvmeHost host = new NvmeHost(granting(MOST), () -> drive);
                NvmeController nvme =
                        host.open(NvmeOptions.builder().queuePairs(2).build())) {
            assertEquals(0, nvme.vectors());
            assertEquals(List.of(Interrupting.NONE, Interrupting.NONE), drive.vectors);
            readByEach(nvme);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 4})
    void reset_messageInterrupts_stillComplete(int messages) {
        NvmeFaults lost = NvmeFaults.NONE.with(Commands.anyIo(), new Occurrence.Nth(2), new Effect.Lost(false));
        try (NvmeHost host = new NvmeHost(granting(MOST), () -> new Interrupting(true, messages, 0, lost));
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .completion(NvmeCompletion.MSI)
                        .commandTimeout(Duration.ofMillis(100))
                        .build())) {
            NvmeNamespace disk = nvme.namespace(1);
            try (NvmeBuffer buffer = nvme.allocate(4096)) {
                disk.read(0, 1, buffer);
                disk.read(0, 1, buffer);
                assertEquals(1, nvme.resets());
            }
            readByEach(nvme);
        }
    }

    @ParameterizedTest
    @EnumSource(value = NvmeCompletion.class, mode = EnumSource.Mode.EXCLUDE, names = "POLLED")
    void watchdog_lostInterrupt_completesBeforeTimeout(NvmeCompletion completion) throws InterruptedException {
        NvmeFaults quiet = NvmeFaults.NONE.with(Commands.anyIo(), Occurrence.always(), new Effect.LostInterrupt());
        try (NvmeHost host = new NvmeHost(granting(MOST), () -> new Interrupting(true, 4, 65, quiet));
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .queuePairs(2)
                        .completion(completion)
                        .commandTimeout(Duration.ofDays(1))
                        .build());
                NvmeBuffer buffer = nvme.allocate(4096)) {
            for (NvmeQueue queue : nvme.queues()) {
                awaitUnpolled(queue, new NvmeRequest().read(nvme.namespace(1), 0, 1, buffer));
            }
            assertEquals(0, nvme.aborts());
            assertEquals(0, nvme.resets());
        }
    }

    /** A drive that sends no message of one vector. */
    private static final class Mute extends ForwardingDevice {
        private final int mute;

        Mute(int mute) {
            super(NvmeHost.drive());
            this.mute = mute;
        }

        @Override
        protected DeviceBus bus(DeviceBus hostBus) {
            return new ForwardingBus(hostBus) {
                @Override
                public void sendMessage(int vector) {
                    if (vector != mute) {
                        super.sendMessage(vector);
                    }
                }
            };
        }
    }

    /** The vector of queue 1 fires between any two commands of queue 2, whose vector never does. */
    @ParameterizedTest
    @CsvSource({
        // Pairs of queues, vectors that the platform grants; then the queues that are polled.
        "2, 2048, 2",
        "4, 3, 2 4"
    })
    void watchdog_oneVectorNeverFires_pollsItsQueuesAlone(int pairs, int granted, String polled) {
        try (NvmeHost host = new NvmeHost(granting(granted), () -> new Mute(2));
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .queuePairs(pairs)
                        .completion(NvmeCompletion.MSIX)
                        .commandTimeout(Duration.ofSeconds(20))
                        .build())) {
            NvmeNamespace disk = nvme.namespace(1);
            NvmeRequest request = new NvmeRequest().flush(disk);
            for (int round = 0; round < 20 && !nvme.hasSilentInterrupts(); round++) {
                for (NvmeQueue queue : nvme.queues().subList(0, 2)) {
                    assertTrue(queue.submit(request));
                    queue.await(request);
                }
            }
            assertTrue(nvme.hasSilentInterrupts());
            assertEquals(
                    Stream.of(polled.split(" ")).map(Integer::valueOf).toList(),
                    nvme.queues().stream()
                            .filter(NvmeQueue::isPolled)
                            .map(NvmeQueue::number)
                            .toList());
            readByEach(nvme);
        }
    }

    /** Submits a command and does not poll for it. */
    private static void awaitUnpolled(NvmeQueue queue, NvmeRequest request) throws InterruptedException {
        assertTrue(queue.submit(request));
        while (!request.isDone()) {
            Thread.sleep(1);
        }
        request.requireSuccess();
    }

    @Test
    void watchdog_noThreadPolls_completesOnTimeout() throws InterruptedException {
        try (NvmeHost host = new NvmeHost();
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .commandTimeout(Duration.ofMillis(100))
                        .build());
                NvmeBuffer buffer = nvme.allocate(4096)) {
            awaitUnpolled(nvme.queue(0), new NvmeRequest().read(nvme.namespace(1), 0, 1, buffer));
            assertEquals(0, nvme.aborts());
            assertEquals(0, nvme.resets());
        }
    }
}
