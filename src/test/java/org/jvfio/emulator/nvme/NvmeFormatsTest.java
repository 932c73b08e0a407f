package org.jvfio.emulator.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.jvfio.fixture.nvme.Opcodes.COMPARE;
import static org.jvfio.fixture.nvme.Opcodes.DATASET_MANAGEMENT;
import static org.jvfio.fixture.nvme.Opcodes.READ;
import static org.jvfio.fixture.nvme.Opcodes.WRITE;
import static org.jvfio.fixture.nvme.Opcodes.WRITE_ZEROES;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.jvfio.emulator.nvme.NamespaceOptions.CopyLimits;
import org.jvfio.fixture.nvme.NvmeEntry;
import org.jvfio.fixture.nvme.NvmeHostQueue;
import org.jvfio.fixture.nvme.NvmeHostQueue.Completion;

/** Namespaces by number, command set and format, and the commands Verify and Copy. */
class NvmeFormatsTest {
    private static final int PAGE = ControllerHost.PAGE;
    private static final int VERIFY = 0x0c;
    private static final int COPY = 0x19;
    private static final int ALL_COMMAND_SETS = 6 << 4;

    private static NamespaceOptions.Builder namespace() {
        return NamespaceOptions.ofMemory(1 << 20);
    }

    private static NvmeEntry io(int opcode, long first, int count) {
        return NvmeEntry.of(opcode).namespace(1).blocks(first, count);
    }

    private static void assertStatus(int expected, Completion completion) {
        ControllerHost.assertStatus(expected, completion);
    }

    private static void assertSuccess(Completion completion) {
        ControllerHost.assertSuccess(completion);
    }

    @Test
    void identify_sparseNamespaces_listsByNumber() {
        ControllerHost host = new ControllerHost(EmulatedNvme.builder()
                        .namespace(namespace().id(200).build())
                        .namespace(namespace().id(2).attached(false).build())
                        .namespace(namespace().build()))
                .enabled();
        long active = host.identify(2, 0);
        assertEquals(1, host.dword(active));
        assertEquals(200, host.dword(active + 4));
        assertEquals(0, host.dword(active + 8));
        assertEquals(200, host.dword(host.identify(2, 1)));
        assertEquals(2, host.dword(host.identify(0x10, 1)));
        host.assertZeros(host.identify(0, 2), PAGE);
        assertEquals(2048, host.qword(host.identify(0x11, 2)));
        assertEquals(1, host.dword(host.identify(8, 200) + 12) >>> 16 & 0xff, "NSTAT");
    }

    @Test
    void builder_sameIdentifierTwice_illegalArgument() {
        EmulatedNvme.Builder drive =
                EmulatedNvme.builder().namespace(namespace().id(3).build());
        NamespaceOptions second = namespace().id(3).build();
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> drive.namespace(second));
        assertTrue(String.valueOf(e.getMessage()).contains("two namespaces have identifier 3"), e.getMessage());
    }

    /** Without its command set nothing but its descriptors says what it is. */
    @Test
    void identify_zonedNamespace_sizeOnlyWithAllCommandSets() {
        EmulatedNvme.Builder drive = EmulatedNvme.builder()
                .namespace(namespace().build())
                .namespace(namespace().commandSet(CommandSet.ZONED).build());
        ControllerHost host = new ControllerHost(drive).enabled();
        assertEquals(1, host.dword(host.identify(2, 0)));
        assertEquals(2, host.dword(host.identify(2, 1)));
        assertEquals(2048, host.qword(host.identify(0, 1)));
        assertEquals(0, host.qword(host.identify(0, 2)));
        assertEquals(2, host.dword(host.identify(3, 2) + 36) & 0xff, "CSI");
        assertStatus(
                0x01,
                host.createQueues(1, 4).execute(io(READ, 0, 1).namespace(2).prp(host.pages(1), 0)));
        host = new ControllerHost(drive).enabled(ControllerHost.ENABLED | ALL_COMMAND_SETS);
        assertEquals(2, host.dword(host.identify(2, 1)));
        assertEquals(2048, host.qword(host.identify(0, 2)));
        assertEquals(5, host.dword(host.identify(0x1c, 0)), "NVM and zoned");
        long descriptors = host.identify(3, 2);
        assertEquals(2, host.dword(descriptors + 36) & 0xff, "CSI");
        NvmeHostQueue queue = host.createQueues(1, 4);
        assertStatus(0x01, queue.execute(io(READ, 0, 1).namespace(2).prp(host.pages(1), 0)));
    }

    @Test
    void identify_limits_ofTheCommandSet() {
        ControllerHost host = new ControllerHost(
                        EmulatedNvme.builder().commandLimits(new CommandLimits(1, 2, 3, 0xffff_ffffL, 1L << 40)))
                .enabled();
        long limits = host.identify(6, 0);
        assertEquals(0x03000201, host.dword(limits));
        assertEquals(-1, host.dword(limits + 4));
        assertEquals(1L << 40, host.qword(limits + 8));
    }

    @Test
    void writeAndRead_separateMetadata_inBothBuffers() {
        ControllerHost host = new ControllerHost(EmulatedNvme.builder()
                        .namespace(namespace().metadataBytes(16).build()))
                .enabled();
        assertEquals((1 << 20) / 528, host.qword(host.identify(0, 1)));
        NvmeHostQueue queue = host.createQueues(1, 8);
        long data = host.pages(1);
        long metadata = host.pages(1);
        host.pattern(data, PAGE, 1);
        host.pattern(metadata, 128, 2);
        assertSuccess(queue.execute(io(WRITE, 5, 8).prp(data, 0).qword(4, metadata)));
        long back = host.pages(2);
        assertSuccess(queue.execute(io(READ, 6, 7).prp(back, 0).qword(4, back + PAGE)));
        assertEquals(-1, host.at(data + 512, 7 * 512).mismatch(host.at(back, 7 * 512)));
        assertEquals(-1, host.at(metadata + 16, 112).mismatch(host.at(back + PAGE, 112)));
        assertSuccess(queue.execute(io(COMPARE, 5, 8).prp(data, 0).qword(4, metadata)));
        host.dword(metadata + 124, 0);
        assertStatus(0x285, queue.execute(io(COMPARE, 5, 8).prp(data, 0).qword(4, metadata)));
        assertStatus(0x02, queue.execute(io(READ, 5, 8).prp(data, 0).qword(4, metadata + 2)));
        assertSuccess(queue.execute(io(WRITE_ZEROES, 5, 8)));
        assertSuccess(queue.execute(io(READ, 5, 8).prp(back, 0).qword(4, back + PAGE)));
        host.assertZeros(back, PAGE + 128);
    }

    @Test
    void writeAndRead_extendedMetadata_afterEachBlock() {
        ControllerHost host = new ControllerHost(EmulatedNvme.builder()
                        .namespace(namespace().metadataBytes(8).extended(true).build()))
                .enabled();
        NvmeHostQueue queue = host.createQueues(1, 8);
        long data = host.pages(2);
        host.pattern(data, 16 * 520, 3);
        long third = host.pages(1);
        long list = host.pages(1);
        host.qword(list, data + PAGE);
        host.qword(list + 8, third);
        assertSuccess(queue.execute(io(WRITE, 0, 16).prp(data, list)));
        long one = host.pages(1);
        assertSuccess(queue.execute(io(READ, 1, 1).prp(one, 0)));
        assertEquals(-1, host.at(data + 520, 520).mismatch(host.at(one, 520)));
        assertSuccess(queue.execute(io(COMPARE, 1, 1).prp(one, 0)));
        host.dword(one + 516, 0x12345678);
        assertStatus(0x285, queue.execute(io(COMPARE, 1, 1).prp(one, 0)));
        assertEquals(0x10, host.dword(host.identify(0, 1) + 24) >>> 16 & 0x10, "FLBAS");
    }

    @Test
    void mdts_extendedMetadata_countsIt() {
        ControllerHost host = new ControllerHost(EmulatedNvme.builder()
                        .mdts(1)
                        .namespace(namespace().metadataBytes(64).extended(true).build()))
                .enabled();
        NvmeHostQueue queue = host.createQueues(1, 8);
        long data = host.pages(4);
        assertSuccess(queue.execute(io(READ, 0, 14).prp(data, data + PAGE)));
        assertStatus(0x02, queue.execute(io(READ, 0, 15).prp(data, data + PAGE)));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void deallocate_metadata_zerosInTheRange(boolean extended) {
        ControllerHost host = new ControllerHost(EmulatedNvme.builder()
                        .namespace(
                                namespace().metadataBytes(8).extended(extended).build()))
                .enabled();
        NvmeHostQueue queue = host.createQueues(1, 8);
        long data = host.pages(1);
        long metadata = host.pages(1);
        host.at(data, PAGE).fill((byte) 1);
        host.at(metadata, PAGE).fill((byte) 1);
        assertSuccess(queue.execute(io(WRITE, 0, 4).prp(data, 0).qword(4, metadata)));
        long ranges = host.pages(1);
        host.dword(ranges + 4, 3);
        assertSuccess(queue.execute(
                NvmeEntry.of(DATASET_MANAGEMENT).namespace(1).prp(ranges, 0).dword(11, 4)));
        assertSuccess(queue.execute(io(READ, 0, 4).prp(data, 0).qword(4, metadata)));
        int zeros = 3 * (extended ? 520 : 512);
        host.assertZeros(data, zeros);
        assertEquals(0x0101010101010101L, host.qword(data + zeros));
        if (!extended) {
            host.assertZeros(metadata, 3 * 8);
            assertEquals(0x0101010101010101L, host.qword(metadata + 3 * 8));
        }
    }

    @Test
    void read_protectionInformation_refused() {
        ControllerHost host = new ControllerHost(EmulatedNvme.builder()
                        .namespace(namespace().metadataBytes(8).protection(1).build()))
                .enabled();
        assertEquals(1, host.dword(host.identify(0, 1) + 28) >>> 8 & 0x7, "DPS");
        NvmeHostQueue queue = host.createQueues(1, 4);
        long page = host.pages(2);
        assertStatus(0x181, queue.execute(io(READ, 0, 1).prp(page, 0).qword(4, page + PAGE)));
        assertThrows(
                IllegalArgumentException.class, () -> namespace().protection(1).build());
    }

    @Test
    void limits_exceeded_invalidField() {
        ControllerHost host =
                new ControllerHost(EmulatedNvme.builder().commandLimits(new CommandLimits(1, 2, 2, 10, 15))).enabled();
        NvmeHostQueue queue = host.createQueues(1, 8);
        assertSuccess(queue.execute(io(VERIFY, 0, 16)));
        assertStatus(0x02, queue.execute(io(VERIFY, 0, 17)));
        assertStatus(0x80, queue.execute(io(VERIFY, 1 << 20, 1)));
        assertSuccess(queue.execute(io(WRITE_ZEROES, 0, 32)));
        assertStatus(0x02, queue.execute(io(WRITE_ZEROES, 0, 33)));
        long ranges = host.pages(1);
        host.dword(ranges + 4, 10);
        host.dword(ranges + 20, 5);
        NvmeEntry deallocate =
                NvmeEntry.of(DATASET_MANAGEMENT).namespace(1).prp(ranges, 0).dword(11, 4);
        assertSuccess(queue.execute(deallocate.dword(10, 1)));
        host.dword(ranges + 20, 6);
        assertStatus(0x02, queue.execute(deallocate.dword(10, 1)));
        host.dword(ranges + 4, 11);
        assertStatus(0x02, queue.execute(deallocate.dword(10, 0)));
        host.dword(ranges + 4, 1);
        host.dword(ranges + 20, 1);
        assertStatus(0x02, queue.execute(deallocate.dword(10, 2)));
    }

    private static void source(ControllerHost host, long list, int index, long first, int count) {
        host.qword(list + 32L * index + 8, first);
        host.dword(list + 32L * index + 16, count - 1);
    }

    @Test
    void copy_severalRanges_inOrder() {
        ControllerHost host = new ControllerHost(EmulatedNvme.builder()
                        .namespace(namespace()
                                .metadataBytes(8)
                                .copyLimits(new CopyLimits(4, 6, 3))
                                .build()))
                .enabled();
        NvmeHostQueue queue = host.createQueues(1, 8);
        long data = host.pages(1);
        long metadata = host.pages(1);
        host.pattern(data, PAGE, 1);
        host.pattern(metadata, 64, 2);
        assertSuccess(queue.execute(io(WRITE, 0, 8).prp(data, 0).qword(4, metadata)));
        long list = host.pages(1);
        source(host, list, 0, 4, 4);
        source(host, list, 1, 0, 2);
        NvmeEntry copy = NvmeEntry.of(COPY).namespace(1).prp(list, 0).qword(10, 100);
        assertSuccess(queue.execute(copy.dword(12, 1)));
        long back = host.pages(2);
        assertSuccess(queue.execute(io(READ, 100, 6).prp(back, 0).qword(4, back + PAGE)));
        assertEquals(-1, host.at(data + 2048, 2048).mismatch(host.at(back, 2048)));
        assertEquals(-1, host.at(data, 1024).mismatch(host.at(back + 2048, 1024)));
        assertEquals(-1, host.at(metadata + 32, 32).mismatch(host.at(back + PAGE, 32)));
        source(host, list, 1, 0, 3);
        assertStatus(0x183, queue.execute(copy.dword(12, 1)));
        source(host, list, 0, 0, 5);
        assertStatus(0x183, queue.execute(copy.dword(12, 0)));
        assertStatus(0x183, queue.execute(copy.dword(12, 3)));
        assertStatus(0x02, queue.execute(copy.dword(12, 1 << 8)));
        source(host, list, 0, 0, 1);
        source(host, list, 1, 1 << 20, 1);
        Completion failed = queue.execute(copy.dword(12, 1));
        assertStatus(0x80, failed);
        assertEquals(1, failed.result(), "the first range is copied");
    }

    @Test
    void copy_rangeToItsOwnEnd_asIfReadFirst() {
        ControllerHost host = new ControllerHost(EmulatedNvme.builder()
                        .namespace(namespace()
                                .blockBytes(4096)
                                .copyLimits(new CopyLimits(100, 100, 1))
                                .build()))
                .enabled();
        NvmeHostQueue queue = host.createQueues(1, 8);
        long data = host.pages(1);
        for (int block = 0; block < 40; block++) {
            host.pattern(data, PAGE, block);
            assertSuccess(queue.execute(io(WRITE, block, 1).prp(data, 0)));
        }
        long list = host.pages(1);
        source(host, list, 0, 0, 40);
        assertSuccess(queue.execute(NvmeEntry.of(COPY).namespace(1).prp(list, 0).qword(10, 3)));
        for (int block = 0; block < 40; block++) {
            assertSuccess(queue.execute(io(READ, block + 3, 1).prp(data, 0)));
            host.assertPattern(data, PAGE, block);
        }
    }

    @Test
    void namespace_imageWithMetadata_dataFirst(@TempDir Path directory) throws IOException {
        Path image = Files.write(directory.resolve("drive.img"), new byte[100 * 520]);
        ControllerHost host = new ControllerHost(EmulatedNvme.builder()
                        .namespace(
                                NamespaceOptions.ofImage(image).metadataBytes(8).build()))
                .enabled();
        assertEquals(100, host.qword(host.identify(0, 1)));
        NvmeHostQueue queue = host.createQueues(1, 8);
        long page = host.pages(2);
        host.at(page, 512).fill((byte) 3);
        host.at(page + PAGE, 8).fill((byte) 4);
        assertSuccess(queue.execute(io(WRITE, 99, 1).prp(page, 0).qword(4, page + PAGE)));
        long list = host.pages(1);
        source(host, list, 0, 99, 1);
        assertSuccess(queue.execute(NvmeEntry.of(COPY).namespace(1).prp(list, 0).qword(10, 0)));
        byte[] bytes = Files.readAllBytes(image);
        assertEquals(3, bytes[99 * 512]);
        assertEquals(4, bytes[100 * 512 + 99 * 8]);
        assertEquals(3, bytes[0]);
        assertEquals(4, bytes[100 * 512]);
    }

    @Test
    void registers_limits_reported() {
        ControllerHost host = new ControllerHost(EmulatedNvme.builder()
                .pageShifts(13, 20)
                .commandSets(1)
                .doorbellStride(2)
                .queueEntries(16)
                .readyTimeout(Duration.ofSeconds(1)));
        assertEquals(0x0081_0022_0201_000fL, host.register64(ControllerHost.CAP));
        assertEquals(1 << 14, host.device().barBytes()[0], "doorbells 16 bytes apart");
        host.setAdminQueues();
        host.register(ControllerHost.CC, ControllerHost.ENABLED);
        assertEquals(ControllerHost.FATAL, host.register(ControllerHost.CSTS), "pages of 4 KiB");
    }

    @Test
    void barBytes_widestStride_roomForDoorbellsAndTable() {
        ControllerHost host = new ControllerHost(EmulatedNvme.builder().doorbellStride(8));
        long table = host.device().interrupts().tableOffset();
        assertEquals((0x1000 + 2 * 65 * 1024L + 0xfff) & -0x1000, table);
        assertTrue(host.device().barBytes()[0] > host.device().interrupts().pendingOffset());
    }
}
