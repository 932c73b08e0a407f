package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;
import org.jvfio.emulator.nvme.CommandLimits;
import org.jvfio.emulator.nvme.CommandSet;
import org.jvfio.emulator.nvme.EmulatedNvme;
import org.jvfio.emulator.nvme.NamespaceOptions;
import org.jvfio.emulator.nvme.NvmeFault.Commands;
import org.jvfio.emulator.nvme.NvmeFault.Effect;
import org.jvfio.emulator.nvme.NvmeFault.Occurrence;
import org.jvfio.emulator.nvme.NvmeFaults;

/** A controller that rejects commands: those that may succeed later are retried, and others have one meaning. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class NvmeRetriesTest {
    private static final int DELETE_SUBMISSION_QUEUE = 0x00;
    private static final int CREATE_SUBMISSION_QUEUE = 0x01;
    private static final int GET_LOG_PAGE = 0x02;
    private static final int DELETE_COMPLETION_QUEUE = 0x04;
    private static final int CREATE_COMPLETION_QUEUE = 0x05;
    private static final int IDENTIFY = 0x06;
    private static final int SET_FEATURES = 0x09;

    /** The numbers of Identify commands: that of opening, and those of {@link NvmeController#namespace} after it. */
    private static final int OF_CONTROLLER = 1;

    private static final int OF_DESCRIPTORS = 2;
    private static final int OF_NAMESPACE = 3;
    private static final int OF_COMMAND_SET = 4;

    private static final int VERSION = 0x08;
    private static final long BYTES = 4 << 20;
    private static final Effect TRANSIENT = new Effect.Status(0, 0x06, true);
    private static final Effect PERMANENT = new Effect.Status(0, 0x06, false);
    private static final Effect NOT_READY = new Effect.Status(0, 0x82, true);

    private static NvmeFaults rejected(NvmeFaults faults, Effect effect, int opcode, int first, int count) {
        NvmeFaults all = faults;
        for (int number = first; number < first + count; number++) {
            all = all.with(Commands.admin(opcode), new Occurrence.Nth(number), effect);
        }
        return all;
    }

    private static NvmeFaults rejected(Effect effect, int opcode, int first, int count) {
        return rejected(NvmeFaults.NONE, effect, opcode, first, count);
    }

    /** Each admin command of the driver, rejected twice, which is the default number of retries. */
    @ParameterizedTest
    @CsvSource({
        IDENTIFY + "," + OF_CONTROLLER,
        IDENTIFY + "," + OF_DESCRIPTORS,
        IDENTIFY + "," + OF_NAMESPACE,
        IDENTIFY + "," + OF_COMMAND_SET,
        SET_FEATURES + ",1",
        SET_FEATURES + ",2",
        CREATE_COMPLETION_QUEUE + ",1",
        CREATE_SUBMISSION_QUEUE + ",1",
        GET_LOG_PAGE + ",1",
        DELETE_SUBMISSION_QUEUE + ",1",
        DELETE_COMPLETION_QUEUE + ",1"
    })
    void use_adminCommandRejectedTwice_works(int opcode, int number) {
        try (NvmeHost host = new NvmeHost(rejected(TRANSIENT, opcode, number, 2));
                NvmeController nvme = host.open()) {
            assertEquals(1, nvme.queues().size());
            nvme.namespace(1).flush();
            assertTrue(nvme.health().temperatureKelvin() > 0);
            assertEquals(List.of(1), nvme.namespaceIds());
        }
    }

    @Test
    void open_identifyRejectedTooOften_throws() {
        try (NvmeHost host = new NvmeHost(rejected(TRANSIENT, IDENTIFY, OF_CONTROLLER, 3))) {
            VfioException e = assertThrows(VfioException.class, host::open);
            assertEquals("the controller returned Internal Error (SCT 0h, SC 06h)", e.reason());
            host.open().close();
        }
    }

    @Test
    void open_identifyRejectedForever_throwsAtOnce() {
        try (NvmeHost host = new NvmeHost(rejected(PERMANENT, IDENTIFY, OF_CONTROLLER, 1))) {
            assertThrows(VfioException.class, host::open);
        }
    }

    /** Opening the controller submitted each once; Set Features twice, for the events too. */
    @ParameterizedTest
    @CsvSource({SET_FEATURES + ",3", CREATE_COMPLETION_QUEUE + ",2", CREATE_SUBMISSION_QUEUE + ",2"})
    void reset_adminCommandRejectedOnce_ready(int opcode, int number) {
        try (NvmeHost host = new NvmeHost(rejected(TRANSIENT, opcode, number, 1));
                NvmeController nvme = host.open()) {
            nvme.lifecycle().reset(Kind.TIMEOUT, "the test resets it");
            assertEquals(NvmeState.READY, nvme.state());
            nvme.namespace(1).flush();
        }
    }

    /** Not counted as a retry: a namespace may be not ready for half a minute. */
    @Test
    void namespace_identifyNotReady_retriedForAsLongAsTheOptionsSay() {
        NvmeFaults notReady = rejected(NOT_READY, IDENTIFY, OF_NAMESPACE, 5);
        try (NvmeHost host = new NvmeHost(notReady);
                NvmeController nvme = host.open(NvmeOptions.builder().retries(0).build())) {
            nvme.namespace(1).flush();
        }
        try (NvmeHost host = new NvmeHost(notReady);
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .notReadyTimeout(Duration.ofMillis(1))
                        .build())) {
            VfioException e = assertThrows(VfioException.class, () -> nvme.namespace(1));
            assertEquals(Kind.BUSY, e.kind());
            assertTrue(e.getMessage().contains("namespace 1"), e.getMessage());
        }
    }

    /** A drive that tells when it has got the third Identify of a namespace that is not ready. */
    private static final class NotReady extends WatchedNvme {
        private final CountDownLatch identified = new CountDownLatch(OF_NAMESPACE + 2);

        private NotReady() {
            super(EmulatedNvme.builder()
                    .namespace(BYTES)
                    .faults(rejected(NOT_READY, IDENTIFY, OF_NAMESPACE, 1000))
                    .build());
        }

        @Override
        void fetches(MemorySegment command) {
            if (command.get(ValueLayout.JAVA_BYTE, 0) == IDENTIFY) {
                identified.countDown();
            }
        }
    }

    @Test
    void close_adminCommandWaitsForARetry_fails() throws InterruptedException {
        NotReady drive = new NotReady();
        try (NvmeHost host = new NvmeHost(() -> drive)) {
            NvmeController nvme = host.open(
                    NvmeOptions.builder().notReadyTimeout(Duration.ofDays(1)).build());
            CompletableFuture<NvmeNamespace> waiting = CompletableFuture.supplyAsync(() -> nvme.namespace(1));
            drive.identified.await();
            nvme.close();
            CompletionException e = assertThrows(CompletionException.class, waiting::join);
            assertTrue(e.getCause() instanceof IllegalStateException, e.toString());
        }
    }

    /** The second event would not be reported if the log page of the first were not read in the end. */
    @Test
    void events_logPageReadRejectedTwice_readAgain() throws InterruptedException {
        LinkedBlockingQueue<NvmeEvent> events = new LinkedBlockingQueue<>();
        NvmeFaults faults = rejected(TRANSIENT, GET_LOG_PAGE, 1, 2)
                .with(Commands.anyIo(), new Occurrence.Nth(1), new Effect.Temperature(400))
                .with(Commands.anyIo(), new Occurrence.Nth(2), new Effect.Temperature(300))
                .with(Commands.anyIo(), new Occurrence.Nth(3), new Effect.Temperature(400));
        try (NvmeHost host = new NvmeHost(faults);
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .commandTimeout(Duration.ofSeconds(10))
                        .events(events::add)
                        .build())) {
            NvmeNamespace disk = nvme.namespace(1);
            disk.flush();
            assertEquals(new NvmeEvent(1, 1, 2), events.poll(30, TimeUnit.SECONDS));
            disk.flush();
            disk.flush();
            assertEquals(new NvmeEvent(1, 1, 2), events.poll(30, TimeUnit.SECONDS));
        }
    }

    private static EmulatedNvme.Builder other(CommandSet set) {
        return EmulatedNvme.builder()
                .namespace(NamespaceOptions.ofMemory(BYTES).commandSet(set).build());
    }

    @ParameterizedTest
    @CsvSource({"ZONED, Zoned Namespace Command Set", "KEY_VALUE, Key Value Command Set"})
    void namespace_descriptorsRejectedOnce_refusedByName(CommandSet set, String name) {
        NvmeFaults faults = rejected(TRANSIENT, IDENTIFY, OF_DESCRIPTORS, 1);
        try (NvmeHost host = new NvmeHost(other(set).faults(faults)::build);
                NvmeController nvme = host.open()) {
            VfioException e = assertThrows(VfioException.class, () -> nvme.namespace(1));
            assertEquals(Kind.UNSUPPORTED, e.kind());
            assertTrue(e.reason().contains(name), e.reason());
        }
    }

    /** It might be of another command set: nothing may be written to it. */
    @ParameterizedTest
    @CsvSource({"0x06, Internal Error", "0x04, Data Transfer Error", "0x0b, not active, though the controller lists it"
    })
    void namespace_descriptorsRejected_refused(int code, String reason) {
        NvmeFaults faults = rejected(new Effect.Status(0, code, false), IDENTIFY, OF_DESCRIPTORS, 1);
        try (NvmeHost host = new NvmeHost(other(CommandSet.ZONED).faults(faults)::build);
                NvmeController nvme = host.open()) {
            VfioException e = assertThrows(VfioException.class, () -> nvme.namespace(1));
            assertTrue(e.getMessage().contains("namespace 1"), e.getMessage());
            assertTrue(e.reason().contains(reason), e.reason());
        }
    }

    @Test
    void namespace_limitsRejected_keptOrRefused() {
        EmulatedNvme.Builder drive =
                EmulatedNvme.builder().namespace(BYTES).commandLimits(new CommandLimits(1, 2, 1, 5, 5));
        try (NvmeHost host = new NvmeHost(drive.faults(rejected(TRANSIENT, IDENTIFY, OF_COMMAND_SET, 1))::build);
                NvmeController nvme = host.open()) {
            NamespaceLimits limits = nvme.namespace(1).limits();
            assertEquals(16, limits.verifyBlocks());
            assertEquals(32, limits.writeZeroesBlocks());
            assertEquals(5, limits.deallocateBlocks());
        }
        try (NvmeHost host = new NvmeHost(drive.faults(rejected(PERMANENT, IDENTIFY, OF_COMMAND_SET, 1))::build);
                NvmeController nvme = host.open()) {
            VfioException e = assertThrows(VfioException.class, () -> nvme.namespace(1));
            assertTrue(e.getMessage().contains("namespace 1"), e.getMessage());
            assertTrue(e.reason().contains("Internal Error"), e.reason());
        }
    }

    private static EmulatedNvme.Builder three() {
        EmulatedNvme.Builder drive = EmulatedNvme.builder();
        for (int id : new int[] {2, 3, 250}) {
            drive.namespace(NamespaceOptions.ofMemory(BYTES).id(id).build());
        }
        return drive;
    }

    @ParameterizedTest
    @ValueSource(ints = {0x01, 0x02, 0x06, 0x0b})
    void namespaceIds_listRejected_identifiesEach(int code) {
        // The first Identify command is that of the controller.
        NvmeFaults faults = rejected(new Effect.Status(0, code, false), IDENTIFY, 2, 1);
        try (NvmeHost host = new NvmeHost(three().faults(faults)::build);
                NvmeController nvme = host.open()) {
            assertEquals(List.of(2, 3, 250), nvme.namespaceIds());
            assertEquals(NvmeState.READY, nvme.state());
        }
    }

    /** After the list and NN, those of namespaces 1 to 3: what the controller does not say is not taken for absent. */
    @ParameterizedTest
    @CsvSource({"0x06, 1 2 3 250", "0x82, 1 2 3 250", "0x0b, 250", "0x02, 250"})
    void namespaceIds_listAndSomeNamespacesRejected_othersFound(int code, String expected) {
        NvmeFaults faults =
                rejected(rejected(PERMANENT, IDENTIFY, 2, 1), new Effect.Status(0, code, false), IDENTIFY, 4, 3);
        try (NvmeHost host = new NvmeHost(three().faults(faults)::build);
                NvmeController nvme = host.open()) {
            List<String> ids = nvme.namespaceIds().stream().map(String::valueOf).toList();
            assertEquals(expected, String.join(" ", ids));
        }
    }

    @Test
    void namespaceIds_allRejected_throws() {
        try (NvmeHost host = new NvmeHost(rejected(PERMANENT, IDENTIFY, 2, 18));
                NvmeController nvme = host.open()) {
            VfioException e = assertThrows(VfioException.class, nvme::namespaceIds);
            assertTrue(e.reason().contains("Internal Error (SCT 0h, SC 06h, DNR)"), e.getMessage());
            assertEquals(Kind.DEVICE_ERROR, e.kind());
            assertEquals(List.of(1), nvme.namespaceIds());
        }
    }

    @Test
    void namespace_inactiveAndNoList_hintsAtTheDrivesHealth() {
        try (NvmeHost host = new NvmeHost(rejected(PERMANENT, IDENTIFY, 4, 20));
                NvmeController nvme = host.open()) {
            VfioException e = assertThrows(VfioException.class, () -> nvme.namespace(9));
            assertEquals(Kind.NOT_FOUND, e.kind());
            assertEquals("it is not active", e.reason());
            assertEquals("check the drive's health", e.hint());
        }
    }

    /** A controller that implements an older version of the specification; records the values of CNS. */
    private static final class Old extends WatchedNvme {
        private final int version;
        private final Set<Integer> structures = new TreeSet<>();

        private Old(int version) {
            super(three().commandSets(1).build());
            this.version = version;
        }

        @Override
        public long read(int bar, long offset, int size) {
            return offset == VERSION ? version : super.read(bar, offset, size);
        }

        @Override
        void fetches(MemorySegment command) {
            if (command.get(ValueLayout.JAVA_BYTE, 0) == IDENTIFY) {
                structures.add((int) command.get(ValueLayout.JAVA_BYTE, 40));
            }
        }
    }

    /** Those that it does not know would read as others: CNS has one bit in version 1.0, and two in 1.1. */
    @ParameterizedTest
    @CsvSource({"0x10000, 0 1", "0x10100, 0 1 2", "0x10200, 0 1 2 6"})
    void namespace_oldController_identifiesWhatItKnows(int version, String expected) {
        Old drive = new Old(version);
        try (NvmeHost host = new NvmeHost(() -> drive);
                NvmeController nvme = host.open()) {
            assertEquals(List.of(2, 3, 250), nvme.namespaceIds());
            nvme.namespace(3).flush();
        }
        List<String> structures = new ArrayList<>();
        drive.structures.forEach(each -> structures.add(String.valueOf(each)));
        assertEquals(expected, String.join(" ", structures));
    }
}
