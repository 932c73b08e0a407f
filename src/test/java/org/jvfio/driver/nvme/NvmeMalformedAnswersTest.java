package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
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

/** A controller that answers nonsense harms neither the program nor its memory: it is reported, and disabled. */
@Timeout(120)
class NvmeMalformedAnswersTest {
    private static final int SEEDS = Integer.getInteger("jvfio.malformed.seeds", 12);
    private static final int BLOCKS = 64;
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

    private static final class LyingNvme extends FaultyNvme {
        private static final int FIRST_PLAUSIBLE = 3;
        // Half a second for what the controller is given time for.
        private static final long TIMEOUT_FIELD = 0xffL << 24;
        private static final long SHORTEST_TIMEOUT = 1L << 24;

        private final Place place;
        private final Random random;
        private final int honest;
        private int completions;
        private long capability = -1;

        private LyingNvme(Place place, long seed) {
            this.place = place;
            random = new Random(seed);
            honest = random.nextInt(40);
        }

        @Override
        long reads(long offset, int size, long value) {
            if (offset == CAP || offset == CAP + Integer.BYTES) {
                return capability(offset, size, value);
            }
            if (offset == CSTS && place == Place.CSTS && random.nextInt(4) == 0) {
                return switch (random.nextInt(3)) {
                    case 0 -> -1;
                    case 1 -> random.nextInt();
                    default -> value ^ 1L << random.nextInt(Integer.SIZE);
                };
            }
            return value;
        }

        /** The same at each read; TO is short, so that the test is. */
        private long capability(long offset, int size, long value) {
            if (size == Long.BYTES) {
                throw new IllegalStateException("CAP is read in halves");
            }
            boolean low = offset == CAP;
            long told = value;
            if (place == Place.CAP) {
                if (capability == -1) {
                    capability =
                            random.nextInt(FIRST_PLAUSIBLE) == 0 ? random.nextLong() : 1L << random.nextInt(Long.SIZE);
                }
                long flipped = capability ^ (low ? 0 : value << Integer.SIZE) ^ (low ? value : 0);
                told = low ? flipped & 0xffffffffL : flipped >>> Integer.SIZE;
            }
            return low ? (told & ~TIMEOUT_FIELD) | SHORTEST_TIMEOUT : told;
        }

        @Override
        void writes(MemorySegment data) {
            if (place == Place.IDENTIFY && data.byteSize() == ControllerData.BYTES) {
                flip(data, random, 1 + random.nextInt(random.nextBoolean() ? 8 : 4096));
            }
            if (place == Place.READ_DATA && data.byteSize() != ControllerData.BYTES) {
                flip(data, random, 8);
            }
        }

        @Override
        boolean completes(long address, MemorySegment completion) {
            if (++completions <= honest) {
                return true;
            }
            switch (place) {
                case COMPLETION -> flip(completion, random, 1 + random.nextInt(8));
                case PHASE -> {
                    flip(completion.asSlice(14, 1), random, 1);
                    // A whole queue in one phase or the other.
                    MemorySegment entries = MemorySegment.ofArray(new byte[16 * random.nextInt(8)]);
                    entries.fill((byte) random.nextInt());
                    bus().writeMemory(address, entries);
                }
                case COMMAND_IDENTIFIER ->
                    completion.set(INT, 12, (completion.get(INT, 12) & ~0xffff) | random.nextInt(1 << 16));
                case RESULT -> completion.set(INT, 0, random.nextInt());
                default -> {
                    return true;
                }
            }
            return true;
        }
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
        try (NvmeHost host = new NvmeHost(() -> new LyingNvme(place, seed))) {
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
        class Repeating extends FaultyNvme {
            private int ofIoQueue;

            @Override
            boolean completes(long address, MemorySegment completion) {
                if (completion.get(INT, 8) >>> 16 == 1 && ++ofIoQueue == 3) {
                    MemorySegment twice = MemorySegment.ofArray(new byte[32]);
                    twice.asSlice(0, 16).copyFrom(completion);
                    twice.asSlice(16, 16).copyFrom(completion);
                    bus().writeMemory(address, twice);
                    return false;
                }
                return true;
            }
        }
        try (NvmeHost host = new NvmeHost(Repeating::new);
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
