package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertIterableEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.jvfio.DmaWindow;
import org.jvfio.PageSize;
import org.jvfio.emulator.nvme.EmulatedNvme;

/** The PRP lists of commands of any size. */
@Timeout(60)
class PrpListsTest {
    private static final int PAGE = 4096;
    private static final int BLOCK = 512;
    private static final int READ = 0x02;
    private static final int WRITE = 0x01;
    private static final ValueLayout.OfLong QWORD = ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Decodes the data pointer of a command by the specification alone. */
    private record Described(List<Long> pages, int lists) {}

    /** A controller without a transfer limit that decodes the data pointer of each command before it executes it. */
    private static final class Reader extends WatchedNvme {
        private final List<Described> commands = new ArrayList<>();
        private final int page;

        private Reader(int page) {
            super(EmulatedNvme.builder().mdts(0).namespace(128L << 20).build());
            this.page = page;
        }

        @Override
        void fetches(MemorySegment command) {
            int opcode = command.get(ValueLayout.JAVA_BYTE, 0);
            boolean ofIoQueue = command.get(INT, 48) != 0;
            if ((opcode == READ || opcode == WRITE) && ofIoQueue) {
                long bytes = ((command.get(INT, 48) & 0xffff) + 1L) * BLOCK;
                commands.add(describe(command.get(QWORD, 24), command.get(QWORD, 32), bytes));
            }
        }

        private Described describe(long prp1, long prp2, long bytes) {
            List<Long> pages = new ArrayList<>(List.of(prp1));
            long left = bytes - (page - prp1 % page);
            if (left <= page) {
                if (left > 0) {
                    pages.add(prp2);
                }
                return new Described(pages, 0);
            }
            int lists = 1;
            for (long at = prp2; left > 0; at += Long.BYTES) {
                boolean isLastOfPage = at % page == page - Long.BYTES;
                long entry = qword(at);
                if (entry % page != 0) {
                    // An entry with an offset is never one of the expected pages.
                    pages.add(entry);
                    return new Described(pages, lists);
                }
                if (isLastOfPage && left > page) {
                    lists++;
                    at = entry - Long.BYTES;
                } else {
                    pages.add(entry);
                    left -= page;
                }
            }
            return new Described(pages, lists);
        }

        private long qword(long address) {
            MemorySegment value = MemorySegment.ofArray(new long[1]);
            return bus().readMemory(address, value) ? value.get(QWORD, 0) : -1;
        }
    }

    private static void fill(MemorySegment segment, long seed) {
        Random random = new Random(seed);
        for (long at = 0; at + Long.BYTES <= segment.byteSize(); at += Long.BYTES) {
            segment.set(ValueLayout.JAVA_LONG_UNALIGNED, at, random.nextLong());
        }
    }

    private static void execute(NvmeController nvme, NvmeRequest request) {
        NvmeQueue queue = nvme.queue(0);
        assertTrue(queue.submit(request));
        queue.await(request);
        request.requireSuccess();
    }

    /** Writes with one command and reads with another, at another offset in a page. */
    private static void assertTransferred(NvmeController nvme, Reader reader, int pages, int offset, int lists) {
        int page = nvme.pageBytes();
        long bytes = (long) pages * page;
        try (NvmeBuffer out = nvme.allocate(bytes + 2L * page);
                NvmeBuffer in = nvme.allocate(bytes + page)) {
            NvmeNamespace disk = nvme.namespace(1);
            // An IOMMU page may be smaller than a memory page of the controller.
            NvmeBuffer from = out.slice((-out.iova() & (page - 1)) + offset, bytes);
            NvmeBuffer to = in.slice(page - 4L, bytes);
            fill(from.segment(), pages);
            reader.commands.clear();
            execute(nvme, new NvmeRequest().write(disk, 3, bytes / BLOCK, from));
            execute(nvme, new NvmeRequest().read(disk, 3, bytes / BLOCK, to));
            assertEquals(-1, from.segment().mismatch(to.segment()));
            assertEquals(2, reader.commands.size());
            Described written = reader.commands.getFirst();
            long first = from.iova() - offset;
            List<Long> expected = LongStream.range(0, pages + (offset == 0 ? 0 : 1))
                    .mapToObj(number -> number == 0 ? from.iova() : first + number * page)
                    .toList();
            assertIterableEquals(expected, written.pages());
            assertEquals(lists, written.lists());
        }
    }

    @ParameterizedTest
    @CsvSource({
        // Data in two pages needs no list; the first page is never in a list.
        "1, 0, 0",
        "1, 512, 0",
        "2, 0, 0",
        "2, 4, 1",
        "3, 0, 1",
        // The last page of a list holds 512 entries.
        "511, 0, 1",
        "511, 4, 1",
        "512, 0, 1",
        "512, 512, 1",
        "513, 0, 1",
        "513, 4092, 2",
        "514, 0, 2",
        // Two pages hold 511 and 512 entries, three hold 511, 511 and 512.
        "1023, 0, 2",
        "1023, 512, 2",
        "1024, 0, 2",
        "1024, 4, 3",
        "1025, 0, 3",
        "1534, 512, 3",
        "1535, 0, 3",
        "1536, 0, 4",
        // The maximum number of blocks, with an offset in the first page.
        "8192, 0, 17",
        "8191, 2048, 17",
        "8192, 4092, 17"
    })
    void writePages_fullListPage_pointsToTheNextUnlessLast(int pages, int offset, int lists) {
        Reader reader = new Reader(PAGE);
        try (NvmeHost host = new NvmeHost(() -> reader);
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .queueDepth(4)
                        .maxTransferBytes(32 << 20)
                        .build())) {
            assertTransferred(nvme, reader, pages, offset, lists);
        }
    }

    @ParameterizedTest
    @CsvSource({"4096, 16, 514, 2", "8192, 12, 1025, 1", "8192, 16, 1026, 2", "16384, 12, 2047, 1", "65536, 16, 512, 1"
    })
    void writePages_anyPageSize_usesTheControllersPages(int page, int iommuShift, int pages, int lists) {
        Reader reader = new Reader(page);
        try (NvmeHost host = new NvmeHost(() -> reader)) {
            DmaWindow window = iommuShift == 12
                    ? host.device().container().defaultWindow()
                    : host.device().container().createWindow(PageSize.ofShift(iommuShift), 1L << 30, 1);
            try (NvmeController nvme = host.open(NvmeOptions.builder()
                    .queueDepth(3)
                    .maxTransferBytes(32 << 20)
                    .pageBytes(page)
                    .window(window)
                    .build())) {
                assertTransferred(nvme, reader, pages, 0, lists);
            }
        }
    }

    @Test
    void submit_manyInFlight_useSeparateLists() {
        // The maximum transfer, with an offset in the first page.
        long bytes = 8 << 20;
        int offset = 512;
        Reader reader = new Reader(PAGE);
        try (NvmeHost host = new NvmeHost(() -> reader);
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .queueDepth(4)
                        .maxTransferBytes((int) bytes)
                        .build());
                NvmeBuffer all = nvme.allocate(3 * bytes + offset);
                NvmeBuffer back = nvme.allocate(3 * bytes + offset)) {
            NvmeNamespace disk = nvme.namespace(1);
            fill(all.segment(), 7);
            for (NvmeBuffer buffer : List.of(all, back)) {
                List<NvmeRequest> requests = IntStream.range(0, 3)
                        .mapToObj(number -> {
                            NvmeBuffer part = buffer.slice(offset + number * bytes, bytes);
                            long lba = number * bytes / BLOCK;
                            return buffer.equals(all)
                                    ? new NvmeRequest().write(disk, lba, bytes / BLOCK, part)
                                    : new NvmeRequest().read(disk, lba, bytes / BLOCK, part);
                        })
                        .toList();
                // The controller fetches none of them before all are written.
                requests.forEach(request -> assertTrue(nvme.queue(0).enqueue(request)));
                nvme.queue(0).ring();
                requests.forEach(nvme.queue(0)::await);
                requests.forEach(NvmeRequest::requireSuccess);
            }
            assertEquals(
                    -1,
                    all.slice(offset, 3 * bytes)
                            .segment()
                            .mismatch(back.slice(offset, 3 * bytes).segment()));
            assertEquals(
                    List.of(5, 5, 5, 5, 5, 5),
                    reader.commands.stream().map(Described::lists).toList());
        }
    }

    @ParameterizedTest
    @CsvSource({
        // MDTS, the limit of the options, and the result.
        "7, 8388608, 524288",
        "12, 8388608, 8388608",
        "12, 268435456, 16777216",
        "0, 1048576, 1048576",
        "0, 2097152, 2097152",
        "0, 3000000, 2998272",
        "0, 268435456, 268435456"
    })
    void maxTransferBytes_mdtsAndOptions_isTheLower(int mdts, int most, long expected) {
        try (NvmeHost host = new NvmeHost(() ->
                        EmulatedNvme.builder().mdts(mdts).namespace(1 << 20).build());
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .queueDepth(2)
                        .maxTransferBytes(most)
                        .build())) {
            assertEquals(expected, nvme.maxTransferBytes());
            // The field for the number of blocks has 16 bits.
            assertEquals(Math.min(1 << 16, expected / BLOCK), nvme.namespace(1).maxTransferBlocks());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "4096, 12, 4096",
        "32768, 12, 4096",
        "36864, 12, 4096",
        "524288, 12, 4096",
        "2097152, 12, 4096",
        // One entry more needs a second page; 1023 entries fill two.
        "2101248, 12, 8192",
        "4190208, 12, 8192",
        "4194304, 12, 12288",
        "8388608, 12, 20480",
        "268435456, 12, 528384",
        "8192, 16, 4096",
        "268435456, 16, 32768"
    })
    void listBytes_entriesAndLinks_fit(long transfer, int pageShift, int bytes) {
        assertEquals(bytes, PrpLists.listBytes(transfer, pageShift));
    }
}
