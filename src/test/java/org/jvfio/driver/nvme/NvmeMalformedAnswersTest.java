package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.jvfio.PeState;
import org.jvfio.VfioException;
import org.jvfio.emulator.nvme.EmulatedNvme;
import org.jvfio.emulator.nvme.NvmeFault.Commands;
import org.jvfio.emulator.nvme.NvmeFault.Effect;
import org.jvfio.emulator.nvme.NvmeFault.Occurrence;
import org.jvfio.emulator.nvme.NvmeFaults;
import org.jvfio.fixture.Parallel;

/** A controller with invalid answers harms neither the program nor its memory: it is disabled, with a reason. */
@Timeout(120)
class NvmeMalformedAnswersTest {
    private static final int SEEDS = Integer.getInteger("jvfio.malformed.seeds", 12);
    private static final int BLOCKS = 64;
    private static final int READ = 0x02;
    private static final int GET_LOG_PAGE = 0x02;
    private static final int IDENTIFY = 0x06;
    private static final int BLOCK = 512;
    private static final int CSTS = 0x1c;
    private static final int READY = 1;
    private static final byte UNTOUCHED = 0x5a;

    /** Where the invalid values are. */
    enum Place {
        CAP,
        CSTS,
        IDENTIFY,
        COMPLETION,
        PHASE,
        COMMAND_IDENTIFIER,
        RESULT,
        READ_DATA
    }

    /** Faults at that place in several strengths; those of commands begin after a while. */
    private static NvmeFaults nonsense(Place place, long seed) {
        Random random = new Random(seed);
        NvmeFaults none = NvmeFaults.seeded(seed);
        Occurrence sometimes = new Occurrence.Randomly(1.0 / (1 + random.nextInt(40)));
        return switch (place) {
            case CAP -> none.withCapabilityBits(random.nextInt(3) == 0 ? random.nextInt(Long.SIZE) : 1);
            case CSTS -> none.withWrongStatus(0.25, random.nextInt(3) == 0 ? Integer.SIZE : 1 + random.nextInt(8));
            case IDENTIFY ->
                none.with(
                        Commands.admin(IDENTIFY),
                        Occurrence.always(),
                        new Effect.DataBits(1 + random.nextInt(random.nextBoolean() ? 8 : 4096)));
            case COMPLETION -> withAll(none, sometimes, new Effect.CompletionBits(1 + random.nextInt(8)));
            case PHASE ->
                withAll(
                        withAll(none, sometimes, new Effect.CompletionBits(1, 112, Byte.SIZE)),
                        sometimes,
                        new Effect.Scribble(1 + random.nextInt(8)));
            case COMMAND_IDENTIFIER -> withAll(none, sometimes, new Effect.CompletionBits(8, 96, Short.SIZE));
            case RESULT -> withAll(none, sometimes, new Effect.CompletionBits(16, 0, Integer.SIZE));
            case READ_DATA -> none.with(Commands.io(READ), Occurrence.always(), new Effect.DataBits(8));
        };
    }

    /** With an effect on commands of all queues. */
    private static NvmeFaults withAll(NvmeFaults faults, Occurrence occurrence, Effect effect) {
        return faults.with(Commands.anyAdmin(), occurrence, effect).with(Commands.anyIo(), occurrence, effect);
    }

    static Stream<Place> places() {
        return Stream.of(Place.values());
    }

    /** What a program that uses the controller sees. */
    enum End {
        /** No failure. */
        UNNOTICED,
        /** Opening failed. */
        REFUSED,
        /** A command failed, and the controller is still usable. */
        TOLD,
        /** The controller was disabled. */
        FAILED
    }

    @ParameterizedTest
    @MethodSource("places")
    void open_invalidAnswer_reportsItAndTouchesNoMemory(Place place) {
        Map<End, Integer> ends = new ConcurrentHashMap<>();
        List<Executable> cases = new ArrayList<>();
        for (int each = 0; each < SEEDS; each++) {
            int seed = each;
            for (NvmeCompletion completion : List.of(NvmeCompletion.POLLED, NvmeCompletion.MSIX)) {
                cases.add(() -> ends.merge(drive(place, seed, completion), 1, Integer::sum));
            }
        }
        Parallel.check(cases);
        Set<End> expected = switch (place) {
            case CAP -> Set.of(End.REFUSED);
            case IDENTIFY -> Set.of(End.REFUSED, End.TOLD);
            case COMPLETION, PHASE, COMMAND_IDENTIFIER -> Set.of(End.REFUSED, End.FAILED);
            case RESULT, READ_DATA -> Set.of(End.UNNOTICED);
            // Most of it happens before any thread polls.
            case CSTS -> Set.of();
        };
        assertTrue(ends.keySet().containsAll(expected), () -> place + ": " + ends);
    }

    private static End drive(Place place, long seed, NvmeCompletion completion) {
        try (NvmeHost host = new NvmeHost(nonsense(place, seed))) {
            End end;
            try (NvmeController nvme = host.open(NvmeOptions.builder()
                    .queuePairs(2)
                    .queueDepth(8)
                    .completion(completion)
                    .retries(1)
                    .notReadyTimeout(Duration.ofMillis(20))
                    .commandTimeout(Duration.ofMillis(20))
                    .adminTimeout(Duration.ofMillis(200))
                    .build())) {
                end = end(host, nvme, () -> use(nvme));
                end = close(host, nvme) ? end : End.FAILED;
            } catch (VfioException reported) {
                assertFalse(reported.hint().isEmpty());
                end = End.REFUSED;
            }
            assertFalse(host.isBusMaster());
            assertEquals(
                    PeState.NORMAL,
                    host.device().container().eeh().orElseThrow().state(),
                    "the controller reached only what is mapped");
            return end;
        }
    }

    /** How an operation on a controller ends; one on a disabled controller must fail. */
    private static End end(NvmeHost host, NvmeController nvme, Runnable use) {
        End end = End.UNNOTICED;
        try {
            use.run();
        } catch (VfioException reported) {
            assertFalse(reported.hint().isEmpty());
            end = End.TOLD;
        }
        if (nvme.state() != NvmeState.FAILED) {
            return end;
        }
        assertThrows(VfioException.class, nvme::health);
        while (host.isBusMaster()) {
            // Another thread is disabling the controller.
            Thread.onSpinWait();
        }
        return End.FAILED;
    }

    /** Closes a controller; true if it shuts down cleanly. */
    private static boolean close(NvmeHost host, NvmeController nvme) {
        boolean orderly = true;
        try {
            nvme.close();
        } catch (VfioException reported) {
            assertFalse(reported.hint().isEmpty());
            orderly = false;
        }
        assertEquals(NvmeState.CLOSED, nvme.state());
        assertFalse(host.isBusMaster());
        return orderly;
    }

    private static void use(NvmeController nvme) {
        try (NvmeBuffer canary = nvme.allocate(1 << 16);
                NvmeBuffer buffer = nvme.allocate(1 << 16)) {
            canary.segment().fill(UNTOUCHED);
            try {
                nvme.health();
                for (int id : nvme.namespaceIds()) {
                    NvmeNamespace disk = nvme.namespace(id);
                    long blocks = Math.min(Math.min(BLOCKS, disk.blocks()), buffer.size() / disk.blockBytes());
                    disk.write(0, blocks, buffer);
                    disk.read(0, blocks, buffer);
                    IntStream.range(0, 20).forEach(i -> disk.read(i % blocks, 1, buffer));
                    disk.flush();
                }
            } finally {
                assertTrue(
                        IntStream.range(0, (int) canary.size())
                                .allMatch(at -> canary.segment().get(ValueLayout.JAVA_BYTE, at) == UNTOUCHED),
                        "memory that is no data stays as it was");
            }
        }
    }

    /** Its limits are not reached by chance on a busy computer; cases that reach them run at the same time. */
    private static NvmeOptions patient() {
        return NvmeOptions.builder()
                .queueDepth(8)
                .retries(0)
                .commandTimeout(Duration.ofMillis(500))
                .adminTimeout(Duration.ofSeconds(1))
                .build();
    }

    /** How a command ends whose completion has one flipped bit. */
    private static End endWithWrongBit(boolean admin, int bit) {
        Commands commands = admin ? Commands.admin(GET_LOG_PAGE) : Commands.io(READ);
        NvmeFaults flipped =
                NvmeFaults.NONE.with(commands, new Occurrence.Nth(2), new Effect.CompletionBits(1, bit, 1));
        try (NvmeHost host = new NvmeHost(flipped)) {
            NvmeController nvme = host.open(patient());
            NvmeNamespace disk = nvme.namespace(1);
            End end;
            try (NvmeBuffer buffer = nvme.allocate(BLOCK)) {
                Runnable use = admin ? nvme::health : () -> disk.read(0, 1, buffer);
                use.run();
                end = end(host, nvme, use);
                if (end == End.FAILED) {
                    assertThrows(VfioException.class, use::run);
                } else {
                    assertEquals(NvmeState.READY, nvme.state());
                    use.run();
                }
                assertTrue(close(host, nvme));
            }
            return end;
        }
    }

    @ParameterizedTest
    @CsvSource({
        "its result,                          0,  63, UNNOTICED",
        "how far the submission queue is,    64,  66, UNNOTICED",
        "the same beyond the queue,          67,  79, FAILED",
        "its submission queue,               80,  95, FAILED",
        "its identifier,                     96, 111, FAILED",
        "its phase,                         112, 112, TOLD",
        "its status,                        113, 123, TOLD",
        "how to go on after an error,       124, 127, UNNOTICED"
    })
    void poll_flippedBitInCompletion_endsAsSpecified(String what, int first, int last, End expected) {
        Parallel.check(IntStream.rangeClosed(first, last)
                .mapToObj(bit ->
                        (Executable) () -> assertEquals(expected, endWithWrongBit(false, bit), what + ", bit " + bit))
                .toList());
    }

    /** The identifier may become that of an Asynchronous Event Request; then the command itself times out. */
    @ParameterizedTest
    @CsvSource({
        "how far the submission queue is,    64,  69, UNNOTICED",
        "the same beyond the queue,          70,  79, FAILED",
        "its submission queue,               80,  95, FAILED",
        "its identifier within the queue,    96, 101, TOLD FAILED",
        "its identifier,                    102, 111, FAILED",
        "its phase,                         112, 112, TOLD",
        "its status,                        113, 123, TOLD",
        "how to go on after an error,       124, 127, UNNOTICED"
    })
    void identify_flippedBitInCompletion_endsAsSpecified(String what, int first, int last, String expected) {
        Parallel.check(IntStream.rangeClosed(first, last)
                .mapToObj(bit -> (Executable) () -> {
                    End end = endWithWrongBit(true, bit);
                    assertTrue(expected.contains(end.name()), what + ", bit " + bit + ": " + end);
                })
                .toList());
    }

    /** A controller with a wrong value in a register. */
    private static final class WrongRegister extends WatchedNvme {
        private final long register;
        private volatile int wrong;

        private WrongRegister(long register, int wrong) {
            super(EmulatedNvme.builder()
                    .namespace(NvmeHost.BYTES)
                    .readyTimeout(Duration.ofMillis(500))
                    .build());
            this.register = register;
            this.wrong = wrong;
        }

        @Override
        public long read(int bar, long offset, int size) {
            return super.read(bar, offset, size) ^ (offset == register ? Integer.toUnsignedLong(wrong) : 0);
        }
    }

    @Test
    void open_flippedBitInCapabilities_opensOrThrows() {
        Set<Integer> refused = new ConcurrentSkipListSet<>();
        Set<Integer> unusable = new ConcurrentSkipListSet<>();
        Parallel.check(IntStream.range(0, Long.SIZE)
                .mapToObj(bit -> (Executable) () -> openWithFlippedCapability(bit, refused, unusable))
                .toList());
        assertEquals(Set.of(51), refused, "pages of 2^20 bytes at least");
        assertEquals(Set.of(32, 33, 34, 35), unusable, "doorbells are elsewhere");
    }

    private static void openWithFlippedCapability(int bit, Set<Integer> refused, Set<Integer> unusable) {
        WrongRegister drive = new WrongRegister(bit < Integer.SIZE ? 0 : Integer.BYTES, 1 << bit);
        try (NvmeHost host = new NvmeHost(() -> drive)) {
            NvmeController nvme;
            try {
                nvme = host.open(patient());
            } catch (VfioException e) {
                refused.add(bit);
                assertFalse(host.isBusMaster(), "bit " + bit);
                return;
            }
            // Closing one that has lost its commands may fail, too: that is no refusal.
            End end = end(host, nvme, () -> use(nvme));
            if (!close(host, nvme) || end != End.UNNOTICED) {
                unusable.add(bit);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "not ready,              1, did not stop",
        "a fatal error,          2, fatal error",
        "a device that is gone, -1, all ones"
    })
    void watchdog_badCsts_disablesController(String what, int wrong, String reason) throws InterruptedException {
        WrongRegister drive = new WrongRegister(CSTS, 0);
        try (NvmeHost host = new NvmeHost(() -> drive)) {
            NvmeController nvme = host.open(patient());
            NvmeNamespace disk = nvme.namespace(1);
            drive.wrong = wrong == -1 ? ~READY : wrong;
            while (nvme.state() != NvmeState.FAILED) {
                Thread.sleep(1);
            }
            VfioException e = assertThrows(VfioException.class, disk::flush);
            assertTrue(e.reason().contains(reason), what + ": " + e.reason());
            assertEquals(End.FAILED, end(host, nvme, disk::flush));
            assertTrue(close(host, nvme));
        }
    }

    /** A controller with one wrong value in an Identify data structure. */
    private static final class WrongData extends WatchedNvme {
        private final int structure;
        private final int offset;
        private final ValueLayout.OfByte octet = ValueLayout.JAVA_BYTE;
        private final byte[] values;
        private boolean next;

        private WrongData(int structure, int offset, String hex) {
            this.structure = structure;
            this.offset = offset;
            values = HexFormat.of().parseHex(hex);
        }

        @Override
        void fetches(MemorySegment command) {
            next = command.get(octet, 0) == IDENTIFY && command.get(octet, 40) == structure;
        }

        @Override
        void gives(MemorySegment page) {
            if (next) {
                MemorySegment.copy(MemorySegment.ofArray(values), 0, page, offset, values.length);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "1, 512, 77,               REFUSED, its submission queues have 2^7 to 2^7 bytes",
        "1, 513, 33,               REFUSED, its completion queues have 2^3 to 2^3 bytes",
        "0, 0,   0000000000000000, TOLD,    it is not active",
        "0, 0,   ffffffffffffffff, TOLD,    it has 18446744073709551615 blocks",
        "0, 0,   ffffffffffffff00, TOLD,    it has 72057594037927935 blocks",
        "0, 26,  0f,               TOLD,    format 15 of 2",
        "0, 130, 03,               TOLD,    blocks have 2^3 bytes",
        "0, 130, 28,               TOLD,    blocks have 2^40 bytes",
        "0, 130, 14,               TOLD,    a block has 1048576",
        "0, 128, 0600,             TOLD,    6 bytes of metadata",
        "0, 29, 01,                TOLD,    protection information of type 1",
        "3, 36, ff,                TOLD,    I/O command set ffh (CSI ffh)",
        "3, 36, 01,                TOLD,    Key Value Command Set (CSI 01h)",
        "3, 36, 02,                TOLD,    Zoned Namespace Command Set (CSI 02h)"
    })
    void identify_invalidData_throwsWithReason(int structure, int offset, String hex, End expected, String reason) {
        try (NvmeHost host = new NvmeHost(() -> new WrongData(structure, offset, hex))) {
            VfioException told;
            if (expected == End.REFUSED) {
                told = assertThrows(VfioException.class, host::open);
            } else {
                try (NvmeController nvme = host.open()) {
                    told = assertThrows(VfioException.class, () -> {
                        nvme.namespaceIds();
                        nvme.namespace(1);
                    });
                    assertEquals(NvmeState.READY, nvme.state());
                }
            }
            assertTrue(told.reason().contains(reason), told::getMessage);
            assertFalse(host.isBusMaster());
        }
    }

    /** What the list has before the invalid entry counts, beside the active namespaces of 1 to NN. */
    @ParameterizedTest
    @CsvSource({
        "01000000ffffffff00000000, 1",
        "010000000100000000000000, 1",
        "050000000300000000000000, 1 5",
        "ffffffffffffffffffffffff, 1",
        "050000000000008000000000, 1 5"
    })
    void namespaceIds_invalidList_keepsWhatWasFound(String hex, String expected) {
        try (NvmeHost host = new NvmeHost(() -> new WrongData(2, 0, hex));
                NvmeController nvme = host.open()) {
            String ids = nvme.namespaceIds().stream().map(String::valueOf).collect(Collectors.joining(" "));
            assertEquals(expected, ids);
            nvme.namespace(1).flush();
        }
    }

    /** NN below an active namespace, and zero entry sizes: the list and the only sizes there are count. */
    @ParameterizedTest
    @CsvSource({"516, 00000000", "512, 0000"})
    void open_zeroField_usesTheDefault(int offset, String hex) {
        try (NvmeHost host = new NvmeHost(() -> new WrongData(1, offset, hex));
                NvmeController nvme = host.open()) {
            assertEquals(List.of(1), nvme.namespaceIds());
            nvme.namespace(1).flush();
        }
    }

    @Test
    void poll_duplicateCompletion_disablesController() {
        NvmeFaults doubled = NvmeFaults.NONE.with(Commands.anyIo(), new Occurrence.Nth(3), new Effect.Doubled());
        try (NvmeHost host = new NvmeHost(doubled);
                NvmeController nvme = host.open();
                NvmeBuffer buffer = nvme.allocate(4096)) {
            NvmeNamespace disk = nvme.namespace(1);
            NvmeRequest request = new NvmeRequest().read(disk, 0, 1, buffer);
            for (int i = 0; i < 3; i++) {
                assertTrue(nvme.queue(0).submit(request));
                while (!request.isDone()) {
                    nvme.poll();
                }
                assertTrue(request.isSuccess());
            }
            nvme.queue(0).poll();
            assertEquals(NvmeState.FAILED, nvme.state());
            assertFalse(host.isBusMaster());
        }
    }
}
