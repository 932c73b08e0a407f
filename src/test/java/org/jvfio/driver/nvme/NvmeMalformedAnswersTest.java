package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.jvfio.PeState;
import org.jvfio.VfioException;
import org.jvfio.emulator.nvme.NvmeFault.Commands;
import org.jvfio.emulator.nvme.NvmeFault.Effect;
import org.jvfio.emulator.nvme.NvmeFault.Occurrence;
import org.jvfio.emulator.nvme.NvmeFaults;

/** A controller that answers nonsense harms neither the program nor its memory: it is reported, and disabled. */
@Timeout(120)
class NvmeMalformedAnswersTest {
    private static final int SEEDS = Integer.getInteger("jvfio.malformed.seeds", 12);
    private static final int BLOCKS = 64;
    private static final int READ = 0x02;
    private static final int IDENTIFY = 0x06;
    private static final byte UNTOUCHED = 0x5a;

    /** Where the nonsense is. */
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

    /** What is wrong there, more or less of it; all is well for a while where commands are concerned. */
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

    /** With something that happens to commands of all queues. */
    private static NvmeFaults withAll(NvmeFaults faults, Occurrence occurrence, Effect effect) {
        return faults.with(Commands.anyAdmin(), occurrence, effect).with(Commands.anyIo(), occurrence, effect);
    }

    static Stream<Place> places() {
        return Stream.of(Place.values());
    }

    @ParameterizedTest
    @MethodSource("places")
    void nonsenseIsReportedAndReachesNoMemory(Place place) {
        TreeMap<String, Integer> ends = new TreeMap<>();
        for (int seed = 0; seed < SEEDS; seed++) {
            for (NvmeCompletion completion : List.of(NvmeCompletion.POLLED, NvmeCompletion.MSIX)) {
                String end = drive(place, seed, completion);
                ends.merge(end, 1, Integer::sum);
            }
        }
        assertEquals(
                2 * SEEDS, ends.values().stream().mapToInt(Integer::intValue).sum(), ends.toString());
        if (place != Place.READ_DATA && place != Place.RESULT) {
            assertTrue(ends.keySet().stream().anyMatch(end -> !end.isEmpty()), "something was noticed");
        }
    }

    /** What a program is told that uses the controller; nothing if it noticed nothing. */
    private static String drive(Place place, long seed, NvmeCompletion completion) {
        try (NvmeHost host = new NvmeHost(nonsense(place, seed))) {
            String told = "";
            List<NvmeController> opened = new ArrayList<>();
            try {
                NvmeController nvme = host.open(NvmeOptions.DEFAULT
                        .queuePairs(2)
                        .queueDepth(8)
                        .completion(completion)
                        .retries(1)
                        .commandTimeout(Duration.ofMillis(20))
                        .adminTimeout(Duration.ofMillis(200)));
                opened.add(nvme);
                use(nvme);
            } catch (VfioException reported) {
                told = reported.reason();
                assertTrue(!reported.hint().isEmpty());
            }
            for (NvmeController nvme : opened) {
                try {
                    nvme.close();
                } catch (VfioException reported) {
                    told = reported.reason();
                }
                assertEquals(NvmeState.CLOSED, nvme.state());
            }
            assertEquals(
                    PeState.NORMAL,
                    host.device().container().eeh().orElseThrow().state(),
                    "the controller reached only what is mapped");
            return told;
        }
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
                // Buffers are freed under a controller that does no DMA any more.
                nvme.close();
            }
        }
    }

    @Test
    void aCommandThatIsCompletedTwiceIsNoticed() {
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
        }
    }
}
