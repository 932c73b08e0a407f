package org.jvfio.emulator.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.jvfio.emulator.nvme.ControllerHost.PAGE;
import static org.jvfio.emulator.nvme.ControllerHost.assertStatus;
import static org.jvfio.emulator.nvme.ControllerHost.assertSuccess;
import static org.jvfio.fixture.nvme.Opcodes.COMPARE;
import static org.jvfio.fixture.nvme.Opcodes.DATASET_MANAGEMENT;
import static org.jvfio.fixture.nvme.Opcodes.FLUSH;
import static org.jvfio.fixture.nvme.Opcodes.READ;
import static org.jvfio.fixture.nvme.Opcodes.WRITE;
import static org.jvfio.fixture.nvme.Opcodes.WRITE_ZEROES;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.jvfio.fixture.nvme.NvmeEntry;
import org.jvfio.fixture.nvme.NvmeHostQueue;
import org.jvfio.fixture.nvme.NvmeHostQueue.Completion;

/** Commands that read, write and change logical blocks, and where their data is: NVM Express 1.4, 4.3 and 6. */
class NvmeBlocksTest {
    private static final int DEALLOCATE = 4;

    private static final int INVALID_COMMAND_OPCODE = 0x01;
    private static final int INVALID_FIELD_IN_COMMAND = 0x02;
    private static final int DATA_TRANSFER_ERROR = 0x04;
    private static final int INVALID_NAMESPACE_OR_FORMAT = 0x0b;
    private static final int PRP_OFFSET_INVALID = 0x13;
    private static final int WRITE_PROTECTED = 0x20;
    private static final int LBA_OUT_OF_RANGE = 0x80;
    private static final int COMPARE_FAILURE = 0x285;

    private static final int BLOCK = 512;
    private static final int MEBIBYTE = 1 << 20;

    private ControllerHost host = new ControllerHost(EmulatedNvme.builder().namespace(16 * MEBIBYTE)).enabled();
    private NvmeHostQueue queue = host.createQueues(1, 16);

    private void drive(EmulatedNvme.Builder builder) {
        host = new ControllerHost(builder).enabled();
        queue = host.createQueues(1, 16);
    }

    private static NvmeEntry entry(int opcode, long first, int blocks) {
        return NvmeEntry.of(opcode).namespace(1).blocks(first, blocks);
    }

    private Completion execute(int opcode, long first, int blocks, long prp1, long prp2) {
        return queue.execute(entry(opcode, first, blocks).prp(prp1, prp2));
    }

    @Test
    void writeAndRead_blocks_sameBytes() {
        long data = host.pages(1);
        host.pattern(data, PAGE, 1);
        assertSuccess(execute(WRITE, 100, 8, data, 0));
        long back = host.pages(1);
        assertSuccess(execute(READ, 100, 8, back, 0));
        host.assertPattern(back, PAGE, 1);
        assertSuccess(execute(READ, 104, 1, back, 0));
        assertEquals(-1, host.at(back, BLOCK).mismatch(host.at(data + 4 * BLOCK, BLOCK)));
    }

    @Test
    void read_neverWritten_zeros() {
        long data = host.pages(1);
        host.pattern(data, PAGE, 1);
        assertSuccess(execute(READ, 0, 8, data, 0));
        host.assertZeros(data, PAGE);
    }

    @Test
    void writeAndRead_acrossPages_sameBytes() {
        long data = host.pages(2);
        host.pattern(data + 3 * BLOCK, PAGE, 2);
        assertSuccess(execute(WRITE, 0, 8, data + 3 * BLOCK, data + PAGE));
        long pages = host.pages(3);
        assertSuccess(execute(READ, 0, 8, pages + BLOCK, pages + 2 * PAGE));
        assertEquals(-1, host.at(data + 3 * BLOCK, 7 * BLOCK).mismatch(host.at(pages + BLOCK, 7 * BLOCK)));
        assertEquals(-1, host.at(data + 10 * BLOCK, BLOCK).mismatch(host.at(pages + 2 * PAGE, BLOCK)));
        host.assertZeros(pages, BLOCK);
        host.assertZeros(pages + PAGE, PAGE);
        host.assertZeros(pages + 2 * PAGE + BLOCK, PAGE - BLOCK);
    }

    @Test
    void writeAndRead_dwordOffset_sameBytes() {
        long data = host.pages(2);
        host.pattern(data + 4, PAGE, 3);
        assertSuccess(execute(WRITE, 0, 8, data + 4, data + PAGE));
        assertSuccess(execute(READ, 0, 8, data + 8, data + PAGE));
        host.assertPattern(data + 8, PAGE, 3);
    }

    /** A list of PRPs at an address, for pages in descending order, so that no two follow each other. */
    private long list(long at, long pages, int count) {
        for (int entry = 0; entry < count; entry++) {
            host.qword(at + 8L * entry, pages + (long) (count - 1 - entry) * PAGE);
        }
        return at;
    }

    @Test
    void writeAndRead_prpList_sameBytes() {
        long first = host.pages(1);
        long pages = host.pages(3);
        long list = list(host.pages(1), pages, 3);
        host.pattern(first, PAGE, 0);
        for (int page = 0; page < 3; page++) {
            host.pattern(pages + (long) page * PAGE, PAGE, 3 - page);
        }
        assertSuccess(execute(WRITE, 0, 32, first, list));
        long back = host.pages(4);
        assertSuccess(execute(READ, 0, 32, back, list(list, back + PAGE, 3)));
        host.assertPattern(back, PAGE, 0);
        for (int page = 0; page < 3; page++) {
            host.assertPattern(back + (long) (3 - page) * PAGE, PAGE, page + 1);
        }
    }

    @Test
    void writeAndRead_listInsideAPage_sameBytes() {
        long pages = host.pages(4);
        long list = list(host.pages(1) + PAGE - 3 * 8, pages + PAGE, 3);
        host.pattern(pages, 4 * PAGE, 5);
        assertSuccess(execute(WRITE, 0, 32, pages, list));
        long back = host.pages(4);
        assertSuccess(execute(READ, 0, 32, back, list(list, back + PAGE, 3)));
        host.assertPattern(back, 4 * PAGE, 5);
    }

    @Test
    void writeAndRead_chainedList_sameBytes() {
        long pages = host.pages(8);
        host.pattern(pages, 8 * PAGE, 6);
        long chain = host.pages(1);
        long list = host.pages(1) + PAGE - 4 * 8;
        for (int entry = 0; entry < 3; entry++) {
            host.qword(list + 8L * entry, pages + (long) (entry + 1) * PAGE);
        }
        host.qword(list + 24, chain);
        for (int entry = 0; entry < 4; entry++) {
            host.qword(chain + 8L * entry, pages + (long) (entry + 4) * PAGE);
        }
        assertSuccess(execute(WRITE, 0, 64, pages, list));
        long back = host.pages(8);
        assertSuccess(execute(READ, 0, 8, back, 0));
        assertSuccess(execute(READ, 56, 8, back + PAGE, 0));
        host.assertPattern(back, PAGE, 6);
        assertEquals(-1, host.at(pages + 7 * PAGE, PAGE).mismatch(host.at(back + PAGE, PAGE)));

        host.qword(list + 24, chain + 8);
        assertStatus(PRP_OFFSET_INVALID, execute(WRITE, 0, 64, pages, list));
    }

    @Test
    void writeAndRead_listEndsWithItsPage_lastEntryIsData() {
        long pages = host.pages(5);
        host.pattern(pages, 5 * PAGE, 7);
        long list = host.pages(1) + PAGE - 4 * 8;
        for (int entry = 0; entry < 4; entry++) {
            host.qword(list + 8L * entry, pages + (long) (entry + 1) * PAGE);
        }
        assertSuccess(execute(WRITE, 0, 40, pages, list));
        long back = host.pages(1);
        assertSuccess(execute(READ, 32, 8, back, 0));
        assertEquals(-1, host.at(pages + 4 * PAGE, PAGE).mismatch(host.at(back, PAGE)));
    }

    @Test
    void read_over512KiB_invalidField() {
        long pages = host.pages(128);
        long list = host.pages(1);
        for (int entry = 0; entry < 127; entry++) {
            host.qword(list + 8L * entry, pages + (long) (entry + 1) * PAGE);
        }
        host.pattern(pages, 128 * PAGE, 8);
        assertSuccess(execute(WRITE, 8, 1024, pages, list));
        host.at(pages, 128 * PAGE).fill((byte) 0);
        assertSuccess(execute(READ, 8, 1024, pages, list));
        host.assertPattern(pages, 128 * PAGE, 8);
        assertStatus(INVALID_FIELD_IN_COMMAND, execute(WRITE, 8, 1025, pages, list));
        assertStatus(INVALID_FIELD_IN_COMMAND, execute(READ, 8, 1025, pages, list));
        assertStatus(INVALID_FIELD_IN_COMMAND, execute(COMPARE, 8, 1025, pages, list));
    }

    @Test
    void writeAndRead_pages64KiB_sameBytes() {
        int largePage = 1 << 16;
        host = new ControllerHost(EmulatedNvme.builder().namespace(16 * MEBIBYTE)).withPages(16);
        host.enabled(ControllerHost.ENABLED | 4 << 7);
        queue = host.createQueues(1, 4);
        long pages = host.pages(4 * 16);
        host.pattern(pages + 3L * BLOCK, 2 * largePage, 2);
        assertSuccess(execute(WRITE, 0, 200, pages + 3 * BLOCK, pages + largePage));
        long back = host.pages(4 * 16);
        long list = list(host.pages(16) + largePage - 16, back + 2L * largePage, 0);
        host.qword(list, back + 2L * largePage);
        host.qword(list + 8, back + largePage);
        assertSuccess(execute(READ, 0, 200, back + largePage - 8L * BLOCK, list));
        assertEquals(
                -1, host.at(back + largePage - 8L * BLOCK, 8 * BLOCK).mismatch(host.at(pages + 3 * BLOCK, 8 * BLOCK)));
        assertEquals(-1, host.at(back + 2L * largePage, largePage).mismatch(host.at(pages + 11L * BLOCK, largePage)));
        assertEquals(
                -1,
                host.at(back + largePage, 64 * BLOCK).mismatch(host.at(pages + 11L * BLOCK + largePage, 64 * BLOCK)));
        assertStatus(PRP_OFFSET_INVALID, execute(READ, 0, 200, back, back + PAGE));
    }

    @Test
    void read_misalignedPrp_prpOffsetInvalid() {
        long pages = host.pages(4);
        long list = list(host.pages(1), pages + PAGE, 3);
        assertStatus(PRP_OFFSET_INVALID, execute(READ, 0, 8, pages + 2, 0));
        assertStatus(PRP_OFFSET_INVALID, execute(READ, 0, 16, pages, pages + PAGE + 8));
        assertStatus(PRP_OFFSET_INVALID, execute(READ, 0, 32, pages, list + 4));
        host.qword(list + 8, host.qword(list + 8) + 512);
        assertStatus(PRP_OFFSET_INVALID, execute(READ, 0, 32, pages, list));
        host.assertZeros(pages, 4 * PAGE);
    }

    @Test
    void readAndWrite_unmappedMemory_dataTransferError() {
        long page = host.pages(1);
        assertStatus(DATA_TRANSFER_ERROR, execute(READ, 0, 8, ControllerHost.nowhere(), 0));
        assertStatus(DATA_TRANSFER_ERROR, execute(WRITE, 0, 8, ControllerHost.nowhere(), 0));
        assertStatus(DATA_TRANSFER_ERROR, execute(COMPARE, 0, 8, ControllerHost.nowhere(), 0));
        assertStatus(DATA_TRANSFER_ERROR, execute(WRITE, 0, 16, page, ControllerHost.nowhere()));
        assertStatus(DATA_TRANSFER_ERROR, execute(WRITE, 0, 32, page, ControllerHost.nowhere()));
        assertEquals(ControllerHost.READY, host.register(ControllerHost.CSTS));
        assertSuccess(execute(READ, 0, 8, page, 0));
    }

    @Test
    void readAndWrite_beyondCapacity_lbaOutOfRange() {
        long blocks = 16 * MEBIBYTE / BLOCK;
        long page = host.pages(1);
        assertSuccess(execute(READ, blocks - 8, 8, page, 0));
        for (int opcode : new int[] {READ, WRITE, COMPARE, WRITE_ZEROES}) {
            assertStatus(LBA_OUT_OF_RANGE, execute(opcode, blocks - 7, 8, page, 0));
            assertStatus(LBA_OUT_OF_RANGE, execute(opcode, blocks, 1, page, 0));
            assertStatus(LBA_OUT_OF_RANGE, execute(opcode, -1, 1, page, 0));
            assertStatus(LBA_OUT_OF_RANGE, execute(opcode, Long.MAX_VALUE, 8, page, 0));
        }
    }

    @Test
    void io_noSuchNamespace_invalidField() {
        long page = host.pages(1);
        assertStatus(
                INVALID_FIELD_IN_COMMAND,
                queue.execute(entry(READ, 0, 1).namespace(2).prp(page, 0)));
        assertStatus(
                INVALID_FIELD_IN_COMMAND,
                queue.execute(entry(READ, 0, 1).namespace(256).prp(page, 0)));
        for (int id : new int[] {0, 257, -1}) {
            assertStatus(
                    INVALID_NAMESPACE_OR_FORMAT,
                    queue.execute(entry(READ, 0, 1).namespace(id).prp(page, 0)));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0x03, 0x04, 0x0d, 0x12, 0x1d, 0x7f, 0x80, 0xff})
    void io_otherOpcode_invalidOpcode(int opcode) {
        assertStatus(INVALID_COMMAND_OPCODE, execute(opcode, 0, 1, host.pages(1), 0));
    }

    @Test
    void io_fusedOrSgl_invalidField() {
        NvmeEntry fused = NvmeEntry.of(READ | 1 << 8).namespace(1).prp(host.pages(1), 0);
        assertStatus(INVALID_FIELD_IN_COMMAND, queue.execute(fused));
        NvmeEntry list = NvmeEntry.of(READ | 1 << 14).namespace(1).prp(host.pages(1), 0);
        assertStatus(INVALID_FIELD_IN_COMMAND, queue.execute(list));
    }

    @Test
    void flush_oneOrAllNamespaces_success() {
        assertSuccess(queue.execute(NvmeEntry.of(FLUSH).namespace(1)));
        assertSuccess(queue.execute(NvmeEntry.of(FLUSH).namespace(-1)));
        assertStatus(INVALID_FIELD_IN_COMMAND, queue.execute(NvmeEntry.of(FLUSH).namespace(2)));
        assertStatus(
                INVALID_NAMESPACE_OR_FORMAT, queue.execute(NvmeEntry.of(FLUSH).namespace(0)));
    }

    /** Writes blocks 0 to 1023 with a pattern. */
    private long written() {
        long pages = host.pages(128);
        long list = host.pages(1);
        for (int entry = 0; entry < 127; entry++) {
            host.qword(list + 8L * entry, pages + (long) (entry + 1) * PAGE);
        }
        host.pattern(pages, 128 * PAGE, 9);
        assertSuccess(execute(WRITE, 0, 1024, pages, list));
        return pages;
    }

    private void assertOnlyZeroed(long pages, int first, int count) {
        long list = host.pages(1);
        for (int entry = 0; entry < 127; entry++) {
            host.qword(list + 8L * entry, pages + (long) (entry + 1) * PAGE);
        }
        assertSuccess(execute(READ, 0, 1024, pages, list));
        host.assertZeros(pages + (long) first * BLOCK, count * BLOCK);
        host.at(pages, 128 * PAGE)
                .asSlice((long) first * BLOCK, (long) count * BLOCK)
                .fill((byte) 1);
        assertEquals(1, host.dword(pages + (long) first * BLOCK) & 0xff);
        long fresh = pages + (long) (first + count) * BLOCK;
        assertEquals(false, host.qword(fresh) == 0 || host.qword(pages + (long) (first - 1) * BLOCK) == 0);
    }

    @Test
    void writeZeroes_writtenBlocks_zeros() {
        long pages = written();
        assertSuccess(execute(WRITE_ZEROES, 5, 700, 0, 0));
        assertOnlyZeroed(pages, 5, 700);
    }

    @Test
    void writeZeroes_overMdts_success() {
        written();
        assertSuccess(execute(WRITE_ZEROES, 0, 16 * MEBIBYTE / BLOCK, 0, 0));
        long page = host.pages(1);
        assertSuccess(execute(READ, 1016, 8, page, 0));
        host.assertZeros(page, PAGE);
    }

    private long ranges(long... firstsAndCounts) {
        long ranges = host.pages(1);
        for (int range = 0; range < firstsAndCounts.length / 2; range++) {
            host.dword(ranges + 16L * range + 4, (int) firstsAndCounts[2 * range + 1]);
            host.qword(ranges + 16L * range + 8, firstsAndCounts[2 * range]);
        }
        return ranges;
    }

    private NvmeEntry dataset(long ranges, int count, int attributes) {
        return NvmeEntry.of(DATASET_MANAGEMENT)
                .namespace(1)
                .prp(ranges, 0)
                .dword(10, count - 1)
                .dword(11, attributes);
    }

    @Test
    void deallocate_writtenBlocks_zeros() {
        long pages = written();
        assertSuccess(queue.execute(dataset(ranges(128, 300, 428, 4), 2, DEALLOCATE)));
        assertOnlyZeroed(pages, 128, 304);
    }

    @Test
    void datasetManagement_noDeallocation_dataKept() {
        written();
        assertSuccess(queue.execute(dataset(ranges(0, 8), 1, 3)));
        long page = host.pages(1);
        assertSuccess(execute(READ, 0, 8, page, 0));
        host.assertPattern(page, PAGE, 9);
    }

    @Test
    void deallocate_oneRangeBeyondCapacity_nothingDone() {
        written();
        assertStatus(LBA_OUT_OF_RANGE, queue.execute(dataset(ranges(0, 8, 16 * MEBIBYTE / BLOCK, 1), 2, DEALLOCATE)));
        long page = host.pages(1);
        assertSuccess(execute(READ, 0, 8, page, 0));
        host.assertPattern(page, PAGE, 9);
    }

    @Test
    void deallocate_unmappedRanges_dataTransferError() {
        assertStatus(DATA_TRANSFER_ERROR, queue.execute(dataset(ControllerHost.nowhere(), 256, DEALLOCATE)));
        assertStatus(PRP_OFFSET_INVALID, queue.execute(dataset(host.pages(1) + 1, 256, DEALLOCATE)));
    }

    @Test
    void compare_blocks_successOrCompareFailure() {
        long pages = written();
        long list = host.pages(1);
        for (int entry = 0; entry < 127; entry++) {
            host.qword(list + 8L * entry, pages + (long) (entry + 1) * PAGE);
        }
        assertSuccess(execute(COMPARE, 0, 1024, pages, list));
        host.qword(pages + 100 * PAGE + 8, 0);
        assertStatus(COMPARE_FAILURE, execute(COMPARE, 0, 1024, pages, list));
        assertSuccess(execute(COMPARE, 0, 800, pages, list));
    }

    @Test
    void writeAndRead_blocks4096_sameBytes() {
        drive(EmulatedNvme.builder().namespace(MEBIBYTE, 4096));
        assertEquals(256, host.qword(host.identify(0, 1)));
        long data = host.pages(2);
        host.pattern(data, 2 * PAGE, 4);
        assertSuccess(execute(WRITE, 254, 2, data, data + PAGE));
        long back = host.pages(2);
        assertSuccess(execute(READ, 255, 1, back, 0));
        assertEquals(-1, host.at(data + PAGE, PAGE).mismatch(host.at(back, PAGE)));
        assertStatus(LBA_OUT_OF_RANGE, execute(READ, 255, 2, back, back + PAGE));
    }

    @Test
    void writeAndRead_twoNamespaces_separate() {
        drive(EmulatedNvme.builder().namespace(MEBIBYTE).namespace(MEBIBYTE));
        long data = host.pages(2);
        host.pattern(data, PAGE, 1);
        assertSuccess(queue.execute(entry(WRITE, 0, 8).namespace(2).prp(data, 0)));
        assertSuccess(queue.execute(entry(READ, 0, 8).namespace(1).prp(data + PAGE, 0)));
        host.assertZeros(data + PAGE, PAGE);
        assertSuccess(queue.execute(entry(READ, 0, 8).namespace(2).prp(data + PAGE, 0)));
        host.assertPattern(data + PAGE, PAGE, 1);
    }

    @Test
    void write_hugeNamespace_memoryOnlyWhereWritten() {
        drive(EmulatedNvme.builder().namespace(1L << 44));
        long last = (1L << 44) / BLOCK - 8;
        long data = host.pages(2);
        host.pattern(data, PAGE, 1);
        assertSuccess(execute(WRITE, last, 8, data, 0));
        assertSuccess(execute(READ, last, 8, data + PAGE, 0));
        host.assertPattern(data + PAGE, PAGE, 1);
    }

    @Test
    void reset_writtenBlocks_kept() {
        long data = host.pages(2);
        host.pattern(data, PAGE, 1);
        assertSuccess(execute(WRITE, 0, 8, data, 0));
        host.device().reset();
        host.enabled();
        queue = host.createQueues(1, 4);
        assertSuccess(execute(READ, 0, 8, data + PAGE, 0));
        host.assertPattern(data + PAGE, PAGE, 1);
    }

    @Test
    void write_image_fileHasTheBlocks(@TempDir Path directory) throws IOException {
        byte[] before = new byte[MEBIBYTE];
        Arrays.fill(before, (byte) 0x5a);
        Path image = Files.write(directory.resolve("image"), before);
        drive(EmulatedNvme.builder().namespace(image, 512));
        assertEquals(MEBIBYTE / BLOCK, host.qword(host.identify(0, 1)));
        long data = host.pages(128);
        long list = host.pages(1);
        for (int entry = 0; entry < 127; entry++) {
            host.qword(list + 8L * entry, data + (long) (entry + 1) * PAGE);
        }
        assertSuccess(execute(READ, 3, 1024, data, list));
        assertEquals(0x5a5a5a5a5a5a5a5aL, host.qword(data + 128 * PAGE - 8));
        host.pattern(data, 128 * PAGE, 1);
        assertSuccess(execute(WRITE, 3, 1024, data, list));
        assertSuccess(execute(COMPARE, 3, 1024, data, list));
        assertSuccess(execute(WRITE_ZEROES, 2000, 40, 0, 0));
        assertSuccess(queue.execute(NvmeEntry.of(FLUSH).namespace(1)));

        byte[] expected = before.clone();
        MemorySegment.copy(host.at(data, 128 * PAGE), 0, MemorySegment.ofArray(expected), 3 * BLOCK, 128 * PAGE);
        Arrays.fill(expected, 2000 * BLOCK, 2040 * BLOCK, (byte) 0);
        assertEquals(-1, Arrays.mismatch(expected, Files.readAllBytes(image)));

        assertStatus(DATA_TRANSFER_ERROR, execute(READ, 0, 8, ControllerHost.nowhere(), 0));
        assertStatus(DATA_TRANSFER_ERROR, execute(WRITE, 0, 8, ControllerHost.nowhere(), 0));
        assertEquals(-1, Arrays.mismatch(expected, Files.readAllBytes(image)));
    }

    @Test
    void write_writeProtectedImage_refusedAndOnlyRead(@TempDir Path directory) throws IOException {
        byte[] before = new byte[MEBIBYTE];
        Arrays.fill(before, (byte) 0x5a);
        Path image = Files.write(directory.resolve("image"), before);
        drive(EmulatedNvme.builder()
                .namespace(NamespaceOptions.ofImage(image).writeProtected(true).build()));
        assertEquals(1, host.dword(host.identify(0, 1) + 96) >>> 24, "NSATTR");
        long page = host.pages(1);
        assertSuccess(execute(READ, 0, 8, page, 0));
        assertEquals(0x5a5a5a5a5a5a5a5aL, host.qword(page));
        assertSuccess(execute(COMPARE, 8, 8, page, 0));
        assertSuccess(queue.execute(NvmeEntry.of(FLUSH).namespace(1)));
        assertSuccess(queue.execute(dataset(ranges(0, 8), 1, 0)));
        assertStatus(WRITE_PROTECTED, execute(WRITE, 0, 8, page, 0));
        assertStatus(WRITE_PROTECTED, execute(WRITE_ZEROES, 0, 8, 0, 0));
        assertStatus(WRITE_PROTECTED, queue.execute(dataset(ranges(0, 8), 1, DEALLOCATE)));
        assertStatus(
                WRITE_PROTECTED,
                queue.execute(
                        NvmeEntry.of(OptionalCommand.COPY.opcode()).namespace(1).prp(page, 0)));
        assertEquals(-1, Arrays.mismatch(before, Files.readAllBytes(image)));
    }

    @Test
    void execute_imageAndInterruptedThread_successAndStillInterrupted(@TempDir Path directory) throws IOException {
        Path image = Files.write(directory.resolve("image"), new byte[MEBIBYTE]);
        Thread.currentThread().interrupt();
        try {
            drive(EmulatedNvme.builder().namespace(image, 512));
            long page = host.pages(1);
            host.pattern(page, PAGE, 1);
            assertSuccess(execute(WRITE, 0, 8, page, 0));
            assertSuccess(execute(COMPARE, 0, 8, page, 0));
            assertSuccess(execute(WRITE_ZEROES, 8, 8, 0, 0));
            assertSuccess(queue.execute(NvmeEntry.of(FLUSH).namespace(1)));
            drive(EmulatedNvme.builder().namespace(image, 512));
            long back = host.pages(1);
            assertSuccess(execute(READ, 0, 8, back, 0));
            host.assertPattern(back, PAGE, 1);
        } finally {
            assertTrue(Thread.interrupted());
        }
    }

    @Test
    void read_imageTruncated_readError(@TempDir Path directory) throws IOException {
        Path image = Files.write(directory.resolve("image"), new byte[MEBIBYTE]);
        drive(EmulatedNvme.builder().namespace(image, 512));
        Files.write(image, new byte[BLOCK]);
        long page = host.pages(1);
        assertSuccess(execute(READ, 0, 1, page, 0));
        assertStatus(0x281, execute(READ, 0, 8, page, 0));
        assertStatus(0x281, execute(COMPARE, 8, 8, page, 0));
    }

    @Test
    @Timeout(60)
    void deallocate_hugeNamespace_quick() {
        drive(EmulatedNvme.builder().namespace(1L << 44, 4096));
        long blocks = (1L << 44) / 4096 - 1;
        long data = host.pages(2);
        host.pattern(data, PAGE, 1);
        assertSuccess(execute(WRITE, blocks, 1, data, 0));
        assertSuccess(execute(WRITE, 1000, 1, data, 0));
        long[] all = new long[512];
        for (int range = 0; range < 256; range++) {
            all[2 * range + 1] = blocks;
        }
        assertSuccess(queue.execute(dataset(ranges(all), 256, DEALLOCATE)));
        assertSuccess(execute(READ, 1000, 1, data + PAGE, 0));
        host.assertZeros(data + PAGE, PAGE);
        assertSuccess(execute(READ, blocks, 1, data + PAGE, 0));
        host.assertPattern(data + PAGE, PAGE, 1);
    }

    @Test
    void writeZeroes_image_onlyWhereNotZero(@TempDir Path directory) throws IOException {
        byte[] expected = new byte[4 * MEBIBYTE];
        expected[MEBIBYTE] = 1;
        expected[2 * MEBIBYTE + 3 * BLOCK - 1] = 1;
        Path image = Files.write(directory.resolve("image"), expected);
        drive(EmulatedNvme.builder().namespace(image, 512));
        FileTime untouched = FileTime.from(Instant.EPOCH);
        Files.setLastModifiedTime(image, untouched);
        assertSuccess(execute(WRITE_ZEROES, 0, MEBIBYTE / BLOCK, 0, 0));
        assertSuccess(execute(WRITE_ZEROES, 2 * MEBIBYTE / BLOCK, 2, 0, 0));
        assertSuccess(execute(WRITE_ZEROES, 2 * MEBIBYTE / BLOCK + 3, 2 * MEBIBYTE / BLOCK - 3, 0, 0));
        assertEquals(untouched, Files.getLastModifiedTime(image));
        assertEquals(-1, Arrays.mismatch(expected, Files.readAllBytes(image)));

        assertSuccess(execute(WRITE_ZEROES, 1, 4 * MEBIBYTE / BLOCK - 1, 0, 0));
        assertEquals(-1, Arrays.mismatch(new byte[4 * MEBIBYTE], Files.readAllBytes(image)));
    }

    @Test
    void identify_deallocatedBlocks_zerosUnlessImage(@TempDir Path directory) throws IOException {
        Path image = Files.write(directory.resolve("image"), new byte[BLOCK]);
        drive(EmulatedNvme.builder().namespace(MEBIBYTE).namespace(image, 512));
        assertEquals(0x09, deallocateFeatures(1));
        assertEquals(0x08, deallocateFeatures(2));
        host = new ControllerHost(DrivePreset.QEMU.builder().namespace(MEBIBYTE).namespace(image, 512)).enabled();
        assertEquals(0x09, deallocateFeatures(1));
        assertEquals(0x09, deallocateFeatures(2));
    }

    /** DLFEAT. */
    private int deallocateFeatures(int namespace) {
        return host.dword(host.identify(0, namespace) + 32) >>> 8 & 0xff;
    }

    @Test
    void deallocate_image_dataKept(@TempDir Path directory) throws IOException {
        byte[] expected = new byte[MEBIBYTE];
        Arrays.fill(expected, (byte) 0x5a);
        Path image = Files.write(directory.resolve("image"), expected);
        drive(EmulatedNvme.builder().namespace(image, 512));
        FileTime untouched = FileTime.from(Instant.EPOCH);
        Files.setLastModifiedTime(image, untouched);
        assertSuccess(queue.execute(dataset(ranges(0, 8, 16, 1000), 2, DEALLOCATE)));
        assertEquals(untouched, Files.getLastModifiedTime(image));
        assertEquals(-1, Arrays.mismatch(expected, Files.readAllBytes(image)));
        assertStatus(LBA_OUT_OF_RANGE, queue.execute(dataset(ranges(0, 8, MEBIBYTE / BLOCK, 1), 2, DEALLOCATE)));
    }
}
