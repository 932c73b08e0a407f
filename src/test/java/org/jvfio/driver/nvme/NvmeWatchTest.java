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
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.jvfio.PciCommand;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;
import org.jvfio.emulator.nvme.EmulatedNvme;
import org.jvfio.emulator.nvme.NvmeFault.Commands;
import org.jvfio.emulator.nvme.NvmeFault.Effect;
import org.jvfio.emulator.nvme.NvmeFault.Occurrence;
import org.jvfio.emulator.nvme.NvmeFaults;

/** The watchdog thread: nothing blocks it, and a controller does not outlive it. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class NvmeWatchTest {
    private static final int STATUS = 0x1c;
    private static final int GET_LOG_PAGE = 0x02;
    private static final int IDENTIFY = 0x06;
    private static final int ABORT = 0x08;
    private static final int SET_FEATURES = 0x09;
    private static final Effect.Status INVALID_FIELD = new Effect.Status(0, 0x02, false);

    /** A drive whose registers and commands are counted. */
    private static final class Counted extends WatchedNvme {
        private final AtomicInteger[] commands = new AtomicInteger[256];
        private final AtomicInteger looks = new AtomicInteger();
        private final List<Integer> looksAtAborts = new ArrayList<>();
        private volatile boolean failsToRead;

        Counted(NvmeFaults faults) {
            super(EmulatedNvme.builder()
                    .namespace(NvmeHost.BYTES)
                    .readyTimeout(Duration.ofMillis(500))
                    .faults(faults)
                    .build());
            for (int opcode = 0; opcode < commands.length; opcode++) {
                commands[opcode] = new AtomicInteger();
            }
        }

        @Override
        void fetches(MemorySegment command) {
            int opcode = Byte.toUnsignedInt(command.get(ValueLayout.JAVA_BYTE, 0));
            commands[opcode].incrementAndGet();
            if (opcode == ABORT) {
                looksAtAborts.add(looks.get());
            }
        }

        @Override
        public long read(int bar, long offset, int size) {
            if (offset == STATUS) {
                looks.incrementAndGet();
                if (failsToRead) {
                    throw new StackOverflowError("of the emulated drive");
                }
            }
            return super.read(bar, offset, size);
        }

        void awaitCommands(int opcode, int count) {
            while (commands[opcode].get() < count) {
                Thread.onSpinWait();
            }
        }
    }

    private static NvmeFaults hot() {
        return NvmeFaults.NONE.with(Commands.anyIo(), new Occurrence.Nth(1), new Effect.Temperature(400));
    }

    private static NvmeFaults lost(NvmeFaults faults, int opcode, int number) {
        return faults.with(Commands.admin(opcode), new Occurrence.Nth(number), new Effect.Lost(false));
    }

    @Test
    void event_namespaceDetached_hasItsIdentifier() throws InterruptedException {
        LinkedBlockingQueue<NvmeEvent> events = new LinkedBlockingQueue<>();
        NvmeFaults faults =
                NvmeFaults.NONE.with(Commands.anyIo(), new Occurrence.Nth(1), new Effect.Attachment(2, false));
        try (NvmeHost host = new NvmeHost(() -> EmulatedNvme.builder()
                        .namespace(NvmeHost.BYTES)
                        .namespace(NvmeHost.BYTES)
                        .faults(faults)
                        .build());
                NvmeController nvme =
                        host.open(NvmeOptions.builder().events(events::add).build())) {
            assertEquals(List.of(1, 2), nvme.namespaceIds());
            nvme.namespace(1).flush();
            assertEquals(new NvmeEvent(2, 0, 4, List.of(2)), events.poll(30, TimeUnit.SECONDS));
            assertEquals(List.of(1), nvme.namespaceIds());
        }
    }

    /** The program's admin command is lost and holds the data buffer when an event's log page has to be read. */
    @Test
    void watchdog_lostAdminCommandAndEvent_resetsController() throws InterruptedException {
        LinkedBlockingQueue<NvmeEvent> events = new LinkedBlockingQueue<>();
        // The first Identify command is that of the controller, the next three are about its namespace.
        Counted drive = new Counted(lost(hot(), IDENTIFY, 5));
        try (NvmeHost host = new NvmeHost(() -> drive);
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .adminTimeout(Duration.ofMillis(500))
                        .events(events::add)
                        .build())) {
            NvmeNamespace disk = nvme.namespace(1);
            CompletableFuture<NvmeNamespace> waiting = CompletableFuture.supplyAsync(() -> nvme.namespace(1));
            drive.awaitCommands(IDENTIFY, 5);
            disk.flush();
            CompletionException e = assertThrows(CompletionException.class, waiting::join);
            assertTrue(String.valueOf(e.getMessage()).contains("an admin command timed out"), e.toString());
            assertEquals(1, nvme.resets());
            assertEquals(new NvmeEvent(1, 1, 2), events.poll(30, TimeUnit.SECONDS));
            disk.flush();
            nvme.namespace(1);
        }
    }

    /** Reading the log page of an event blocks nothing else. */
    @Test
    void events_logPageReadLost_resetsController() throws InterruptedException {
        LinkedBlockingQueue<NvmeEvent> events = new LinkedBlockingQueue<>();
        NvmeFaults faults = lost(hot(), GET_LOG_PAGE, 1)
                .with(Commands.anyIo(), new Occurrence.Nth(2), new Effect.Lost(true))
                .with(Commands.anyIo(), new Occurrence.Nth(3), new Effect.Temperature(300))
                .with(Commands.anyIo(), new Occurrence.Nth(4), new Effect.Temperature(400));
        Counted drive = new Counted(faults);
        try (NvmeHost host = new NvmeHost(() -> drive);
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .retries(0)
                        .commandTimeout(Duration.ofMillis(100))
                        .adminTimeout(Duration.ofSeconds(4))
                        .events(events::add)
                        .build())) {
            NvmeNamespace disk = nvme.namespace(1);
            disk.flush();
            drive.awaitCommands(GET_LOG_PAGE, 1);
            VfioException e = assertThrows(VfioException.class, disk::flush);
            assertTrue(e.reason().contains("was aborted"), e.getMessage());
            assertEquals(0, nvme.resets());
            assertEquals(new NvmeEvent(1, 1, 2), events.poll(30, TimeUnit.SECONDS));
            assertEquals(1, nvme.resets());
            disk.flush();
            disk.flush();
            assertEquals(new NvmeEvent(1, 1, 2), events.poll(30, TimeUnit.SECONDS));
        }
    }

    @Test
    void events_logPageReadRejected_reportsEvent() throws InterruptedException {
        LinkedBlockingQueue<NvmeEvent> events = new LinkedBlockingQueue<>();
        NvmeFaults faults = hot().with(Commands.admin(GET_LOG_PAGE), new Occurrence.Nth(1), INVALID_FIELD);
        try (NvmeHost host = new NvmeHost(faults);
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .commandTimeout(Duration.ofMillis(40))
                        .events(events::add)
                        .build())) {
            NvmeNamespace disk = nvme.namespace(1);
            disk.flush();
            assertEquals(new NvmeEvent(1, 1, 2), events.poll(30, TimeUnit.SECONDS));
            disk.flush();
            nvme.health();
            assertEquals(NvmeState.READY, nvme.state());
            assertEquals(0, nvme.resets());
        }
    }

    /** The second Set Features is that of opening, the fourth that of a reset. */
    @ParameterizedTest
    @ValueSource(ints = {2, 4})
    void open_eventSelectionRejected_opens(int refused) {
        NvmeFaults faults = NvmeFaults.NONE
                .with(Commands.admin(SET_FEATURES), new Occurrence.Nth(refused), INVALID_FIELD)
                .with(Commands.anyIo(), new Occurrence.Nth(1), new Effect.Lost(false));
        try (NvmeHost host = new NvmeHost(faults);
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .commandTimeout(Duration.ofMillis(50))
                        .build())) {
            nvme.namespace(1).flush();
            assertEquals(NvmeState.READY, nvme.state());
            assertEquals(1, nvme.resets());
        }
    }

    @Test
    void reset_eventSelectionLost_disablesController() {
        // Number of Queues, then the events, each time: the events are lost in the first reset and in the second.
        NvmeFaults faults = lost(lost(NvmeFaults.NONE, SET_FEATURES, 4), SET_FEATURES, 6)
                .with(Commands.anyIo(), new Occurrence.Nth(1), new Effect.Lost(false));
        try (NvmeHost host = new NvmeHost(faults)) {
            NvmeController nvme = host.open(NvmeOptions.builder()
                    .commandTimeout(Duration.ofMillis(50))
                    .adminTimeout(Duration.ofMillis(100))
                    .build());
            NvmeNamespace disk = nvme.namespace(1);
            VfioException e = assertThrows(VfioException.class, disk::flush);
            assertTrue(e.reason().contains("did not complete the command within 100 ms"), e.getMessage());
            assertEquals(Kind.TIMEOUT, e.kind());
            assertEquals(NvmeState.FAILED, nvme.state());
            assertFalse(host.device().configSpace().command().contains(PciCommand.BUS_MASTER));
            assertThrows(VfioException.class, disk::flush);
            nvme.close();
        }
    }

    @Test
    void watchdog_threadEnds_disablesController() {
        Counted drive =
                new Counted(NvmeFaults.NONE.with(Commands.anyIo(), new Occurrence.Nth(1), new Effect.Lost(false)));
        try (NvmeHost host = new NvmeHost(() -> drive)) {
            NvmeController nvme = host.open(
                    NvmeOptions.builder().commandTimeout(Duration.ofMillis(40)).build());
            NvmeNamespace disk = nvme.namespace(1);
            drive.failsToRead = true;
            VfioException e = assertThrows(VfioException.class, disk::flush);
            assertTrue(e.reason().contains("its watchdog thread has ended"), e.getMessage());
            assertEquals(NvmeState.FAILED, nvme.state());
            drive.failsToRead = false;
            nvme.close();
        }
    }

    /** Commands that time out together are aborted together, not one in each check. */
    @Test
    void timeout_manyCommands_abortsAllInOneCheck() {
        int count = 40;
        NvmeFaults faults = NvmeFaults.NONE.with(Commands.anyIo(), Occurrence.always(), new Effect.Lost(true));
        Counted drive = new Counted(faults);
        try (NvmeHost host = new NvmeHost(() -> drive);
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .commandTimeout(Duration.ofMillis(400))
                        .build());
                NvmeBuffer buffer = nvme.allocate(4096)) {
            NvmeNamespace disk = nvme.namespace(1);
            NvmeQueue queue = nvme.queue(0);
            List<NvmeRequest> requests = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                NvmeRequest request = new NvmeRequest().read(disk, 0, 1, buffer);
                requests.add(request);
                assertTrue(queue.enqueue(request));
            }
            queue.ring();
            for (NvmeRequest request : requests) {
                queue.await(request);
                VfioException e = assertThrows(VfioException.class, request::requireSuccess);
                assertTrue(e.reason().contains("was aborted"), e.getMessage());
            }
            assertEquals(count, nvme.aborts());
            assertEquals(0, nvme.resets());
            int looks = drive.looksAtAborts.getLast() - drive.looksAtAborts.getFirst();
            assertTrue(looks < count - 1, "it looked " + looks + " times while it aborted");
        }
    }
}
