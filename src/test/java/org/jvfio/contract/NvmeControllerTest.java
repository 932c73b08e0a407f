package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.jvfio.contract.host.RawNvme.ENABLED;
import static org.jvfio.contract.host.RawNvme.FATAL;
import static org.jvfio.contract.host.RawNvme.PAGE;
import static org.jvfio.contract.host.RawNvme.READY;
import static org.jvfio.fixture.nvme.Opcodes.ABORT;
import static org.jvfio.fixture.nvme.Opcodes.ASYNC_EVENT_REQUEST;
import static org.jvfio.fixture.nvme.Opcodes.COMPARE;
import static org.jvfio.fixture.nvme.Opcodes.DATASET_MANAGEMENT;
import static org.jvfio.fixture.nvme.Opcodes.DELETE_CQ;
import static org.jvfio.fixture.nvme.Opcodes.DELETE_SQ;
import static org.jvfio.fixture.nvme.Opcodes.FLUSH;
import static org.jvfio.fixture.nvme.Opcodes.GET_FEATURES;
import static org.jvfio.fixture.nvme.Opcodes.GET_LOG_PAGE;
import static org.jvfio.fixture.nvme.Opcodes.IDENTIFY;
import static org.jvfio.fixture.nvme.Opcodes.READ;
import static org.jvfio.fixture.nvme.Opcodes.SET_FEATURES;
import static org.jvfio.fixture.nvme.Opcodes.WRITE;
import static org.jvfio.fixture.nvme.Opcodes.WRITE_ZEROES;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.RawContainer;
import org.jvfio.contract.host.RawDevice;
import org.jvfio.contract.host.RawGroup;
import org.jvfio.contract.host.RawNvme;
import org.jvfio.fixture.nvme.NvmeEntry;
import org.jvfio.fixture.nvme.NvmeHostQueue;
import org.jvfio.fixture.nvme.NvmeHostQueue.Completion;

/** The NVMe controller itself, QEMU's and the emulated one: what its registers say and how it answers commands. */
@ContractTest
class NvmeControllerTest extends Contract {

    private static final int BLOCK = 512;
    private static final int SHUTDOWN = 1 << 14;
    private static final int SHUTDOWN_COMPLETE = 1 << 3;

    private final RawGroup group = process.openGroup(process.nvmes().getFirst().group());
    private final RawContainer container = v2(group);
    private final RawDevice device = group.device(process.nvmes().getFirst().address());
    private final RawNvme drive = new RawNvme(process, container, device);

    NvmeControllerTest(ContractHost host) {
        super(host);
    }

    private static void assertStatus(int expected, Completion completion) {
        assertEquals("0x%x".formatted(expected), "0x%x".formatted(completion.code()), completion::toString);
    }

    private static Completion assertSuccess(Completion completion) {
        assertStatus(0, completion);
        return completion;
    }

    private long identify(int structure, int namespace) {
        long data = drive.pages(1);
        assertSuccess(drive.admin(
                NvmeEntry.of(IDENTIFY).namespace(namespace).prp(data, 0).dword(10, structure)));
        return data;
    }

    private Completion identifyStatus(int structure, int namespace) {
        return drive.admin(NvmeEntry.of(IDENTIFY)
                .namespace(namespace)
                .prp(drive.pages(1), 0)
                .dword(10, structure));
    }

    private void assertZeros(long address, long bytes) {
        assertEquals(-1, drive.at(address, bytes).mismatch(MemorySegment.ofArray(new byte[(int) bytes])));
    }

    private int octet(long address) {
        return drive.at(address, 1).get(ValueLayout.JAVA_BYTE, 0) & 0xff;
    }

    @Test
    void registers_afterReset_capabilities() {
        assertEquals(0x0f0107ff, drive.register(0));
        assertEquals(0x00400820, drive.register(4));
        assertEquals(0x00010400, drive.register(8));
        assertEquals(0, drive.register(0x20), "NSSR");
    }

    @Test
    void enable_afterDisable_ready() {
        drive.enabled();
        drive.disable();
        drive.enabled();
        assertSuccess(drive.admin(NvmeEntry.of(GET_FEATURES).dword(10, 7)));
    }

    @Test
    void enable_invalidConfiguration_fatalStatus() {
        long queues = drive.pages(4);
        int[][] wrong = {
            {0x000f0000, 0, 0, ENABLED},
            {0x0000000f, 0, 0, ENABLED},
            {0x000f000f, 0x800, 0, ENABLED},
            {0x000f000f, 0, 0x800, ENABLED},
            {0x000f000f, 0, 0, ENABLED | 5 << 7},
            {0x000f000f, 0, 0, ENABLED | 1 << 4}
        };
        for (int[] each : wrong) {
            drive.enableWith(each[0], queues + each[1], queues + 2 * PAGE + each[2], each[3]);
            drive.awaitStatus(FATAL);
            drive.disable();
        }
        drive.enabled();
    }

    @Test
    void shutdown_normal_complete() {
        drive.enabled();
        drive.register(RawNvme.CC, ENABLED | SHUTDOWN);
        drive.awaitStatus(READY | SHUTDOWN_COMPLETE);
        drive.disable();
        drive.enabled();
    }

    @Test
    void identifyController_qemuDrive_fields() {
        drive.enabled();
        long data = identify(0x01, 0);
        assertEquals(0x1af41b36, drive.dword(data), "VID and SSVID");
        assertEquals("jvfio               ", text(data + 4, 20));
        assertEquals(6, octet(data + 72), "RAB");
        assertEquals(7, octet(data + 77), "MDTS");
        assertEquals(0x00010400, drive.dword(data + 80), "VER");
        assertEquals(1 << 8, drive.dword(data + 92), "OAES");
        assertEquals(1, octet(data + 111), "CNTRLTYPE");
        assertEquals(3, octet(data + 258), "ACL");
        assertEquals(3, octet(data + 259), "AERL");
        assertEquals(3, octet(data + 260), "FRMW");
        assertEquals(7, octet(data + 261), "LPA");
        assertEquals(0x0157, drive.dword(data + 264) >>> 16, "WCTEMP");
        assertEquals(0x0175, drive.dword(data + 268) & 0xffff, "CCTEMP");
        assertEquals(0, drive.dword(data + 320) & 0xffff, "KAS");
        assertEquals(0x66, octet(data + 512), "SQES");
        assertEquals(0x44, octet(data + 513), "CQES");
        assertEquals(256, drive.dword(data + 516), "NN");
        assertEquals(0x0d, drive.dword(data + 520) & 0x0d, "ONCS: compare, dataset management, write zeroes");
        assertEquals(0, drive.dword(data + 520) >>> 16, "FUSES");
        assertEquals(7, octet(data + 525), "VWC");
        assertEquals(0x09c4, drive.dword(data + 2048), "the power state");
    }

    private String text(long address, int length) {
        return new String(drive.at(address, length).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.US_ASCII);
    }

    @Test
    void identifyNamespace_first_sizeAndFormat() {
        drive.enabled();
        long data = identify(0x00, 1);
        long blocks = drive.qword(data);
        assertEquals(1 << 20, blocks, "512 MiB");
        assertEquals(blocks, drive.qword(data + 8));
        assertEquals(blocks, drive.qword(data + 16));
        int format = octet(data + 26) & 0xf;
        assertEquals(9, drive.dword(data + 128 + 4L * format) >>> 16, "blocks of 512 bytes without metadata");
        assertEquals(1, octet(data + 33) & 0x7, "deallocated blocks are zeros");
        assertEquals(7, drive.dword(data + 68) & 0xffff, "deallocation by 4 KiB");
    }

    @Test
    void identifyLists_everyStructure_oneNamespace() {
        drive.enabled();
        for (int list : new int[] {0x02, 0x07, 0x10}) {
            long all = identify(list, 0);
            assertEquals(1, drive.dword(all));
            assertZeros(all + 4, PAGE - 4);
            assertZeros(identify(list, 1), PAGE);
            assertStatus(0x0b, identifyStatus(list, -1));
            assertStatus(0x0b, identifyStatus(list, -2));
        }
        assertZeros(identify(0x00, 2), PAGE);
        assertZeros(identify(0x11, 256), PAGE);
        for (int id : new int[] {0, 257, -1}) {
            assertStatus(0x0b, identifyStatus(0x00, id));
            assertStatus(0x0b, identifyStatus(0x03, id));
        }
        assertStatus(0x02, identifyStatus(0x03, 2));
        assertTrue(hasDescriptor(identify(0x03, 1), 4), "the command set");
        assertEquals(1, drive.dword(identify(0x13, 0)), "one controller, number 0");
        assertEquals(1, drive.dword(identify(0x12, 1)));
        assertStatus(0x02, identifyStatus(0x12, 2));
        assertStatus(0x02, identifyStatus(0xff, 1));
        assertEquals(1, drive.dword(identify(0x1c, 0)) & 1, "the NVM command set");
    }

    /** Whether a list of descriptors, which 0 ends, has one of a type. */
    private boolean hasDescriptor(long list, int type) {
        long at = list;
        while (octet(at) != 0 && octet(at) != type) {
            at += 4 + octet(at + 1);
        }
        return octet(at) == type;
    }

    @Test
    void admin_unknownOpcode_invalidOpcode() {
        drive.enabled();
        assertStatus(0x01, drive.admin(NvmeEntry.of(0x7f)));
        assertStatus(0x01, drive.admin(NvmeEntry.of(0x18)));
        assertStatus(0x02, drive.admin(NvmeEntry.of(IDENTIFY | 1 << 14).dword(10, 1)));
        assertStatus(0x02, drive.admin(NvmeEntry.of(IDENTIFY | 1 << 8).dword(10, 1)));
        NvmeHostQueue queue = drive.createQueues(1, 16);
        assertStatus(0x01, queue.execute(NvmeEntry.of(0x7f).namespace(1)));
    }

    private NvmeEntry createCq(int id, int size, int vector, int flags) {
        return NvmeEntry.createCompletionQueue(id, size, drive.pages(1), vector, flags);
    }

    private NvmeEntry createSq(int id, int size, int completionQueue, int flags) {
        return NvmeEntry.createSubmissionQueue(id, size, drive.pages(1), completionQueue, flags);
    }

    @Test
    void createQueue_invalidArguments_refused() {
        drive.enabled();
        assertStatus(0x101, drive.admin(createCq(0, 4, 0, 1)));
        assertStatus(0x101, drive.admin(createCq(65, 4, 0, 1)));
        assertStatus(0x102, drive.admin(createCq(1, 1, 0, 1)));
        assertStatus(0x102, drive.admin(createCq(1, 2049, 0, 1)));
        assertStatus(0x108, drive.admin(createCq(1, 4, 1, 3)));
        assertStatus(0x108, drive.admin(createCq(1, 4, 65, 3)));
        assertStatus(0x02, drive.admin(createCq(1, 4, 0, 0)));
        assertStatus(0x13, drive.admin(createCq(1, 4, 0, 1).prp(drive.pages(1) + 0x100, 0)));
        assertStatus(0x100, drive.admin(createSq(1, 4, 1, 1)));
        assertStatus(0x100, drive.admin(createSq(1, 4, 0, 1)));
        assertSuccess(drive.admin(createCq(1, 4, 0, 1)));
        assertStatus(0x101, drive.admin(createCq(1, 4, 0, 1)));
        assertStatus(0x101, drive.admin(createSq(0, 4, 1, 1)));
        assertStatus(0x101, drive.admin(createSq(65, 4, 1, 1)));
        assertStatus(0x102, drive.admin(createSq(1, 1, 1, 1)));
        assertStatus(0x102, drive.admin(createSq(1, 2049, 1, 1)));
        assertStatus(0x02, drive.admin(createSq(1, 4, 1, 0)));
        assertSuccess(drive.admin(createSq(1, 4, 1, 1)));
        assertStatus(0x101, drive.admin(createSq(1, 4, 1, 1)));
        assertStatus(0x10c, drive.admin(NvmeEntry.of(DELETE_CQ).dword(10, 1)));
        assertSuccess(drive.admin(NvmeEntry.of(DELETE_SQ).dword(10, 1)));
        assertSuccess(drive.admin(NvmeEntry.of(DELETE_CQ).dword(10, 1)));
        drive.createQueues(1, 8);
    }

    private Completion getFeature(int dword10, int dword11) {
        return drive.admin(NvmeEntry.of(GET_FEATURES).dword(10, dword10).dword(11, dword11));
    }

    private Completion setFeature(int dword10, int namespace, int value) {
        return drive.admin(NvmeEntry.of(SET_FEATURES)
                .namespace(namespace)
                .dword(10, dword10)
                .dword(11, value));
    }

    @Test
    void getFeatures_afterEnable_defaults() {
        drive.enabled();
        assertEquals(0x07, assertSuccess(getFeature(0x01, 0)).result(), "arbitration");
        assertEquals(0, assertSuccess(getFeature(0x02, 0)).result(), "power state");
        assertEquals(0x157, assertSuccess(getFeature(0x04, 0)).result(), "temperature threshold");
        assertEquals(1, assertSuccess(getFeature(0x06, 0)).result(), "write cache");
        assertEquals(63 << 16 | 63, assertSuccess(getFeature(0x07, 0)).result(), "queues");
        assertEquals(1 << 16, assertSuccess(getFeature(0x09, 0)).result(), "vector 0");
        assertEquals(5, assertSuccess(getFeature(0x09, 5)).result(), "vector 5");
        // QEMU's controller keeps these over a reset, for the next driver to find.
        for (int events : new int[] {0x1ff, 0}) {
            assertSuccess(setFeature(0x0b, 0, events));
            assertEquals(events, assertSuccess(getFeature(0x0b, 0)).result(), "asynchronous events");
        }
        assertStatus(0x02, getFeature(0x09, 65));
        assertStatus(0x02, getFeature(0x7f, 0));
        assertStatus(0x02, setFeature(0x7f, 0, 0));
        assertStatus(0x10d, setFeature(1 << 31 | 0x06, 0, 1));
        assertStatus(0x10f, setFeature(0x06, 1, 1));
        assertStatus(0x0b, setFeature(0x06, 1000, 1));
        assertStatus(0x0b, getFeature(0x05, 0));
        assertSuccess(setFeature(0x04, 0, 0x0160));
        assertEquals(0x160, assertSuccess(getFeature(0x04, 0)).result());
        assertSuccess(setFeature(0x04, 0, 0x0157));
    }

    @Test
    void setFeatures_numberOfQueues_all() {
        drive.enabled();
        assertEquals(
                63 << 16 | 63, assertSuccess(setFeature(0x07, 0, 3 << 16 | 3)).result());
        assertStatus(0x02, setFeature(0x07, 0, 0xffff));
        drive.createQueues(1, 8);
        assertStatus(0x0c, setFeature(0x07, 0, 3 << 16 | 3));
    }

    @Test
    void getLogPage_everyPage_withinBounds() {
        drive.enabled();
        long log = drive.pages(1);
        NvmeEntry health = NvmeEntry.of(GET_LOG_PAGE).namespace(-1).prp(log, 0).dword(10, 127 << 16 | 2);
        assertSuccess(drive.admin(health));
        assertEquals(0x143, drive.dword(log) >>> 8 & 0xffff, "kelvin");
        assertStatus(0x02, drive.admin(health.qword(12, 512)));
        assertStatus(0x02, drive.admin(health.qword(12, 2)));
        long effects = drive.pages(1);
        assertSuccess(drive.admin(NvmeEntry.of(GET_LOG_PAGE).prp(effects, 0).dword(10, 1023 << 16 | 5)));
        for (int opcode : new int[] {0, 1, 2, 4, 5, 6, 8, 9, 0x0a, 0x0c}) {
            assertEquals(1, drive.dword(effects + 4L * opcode) & 1);
        }
        for (int opcode : new int[] {FLUSH, WRITE, WRITE_ZEROES, DATASET_MANAGEMENT}) {
            assertEquals(3, drive.dword(effects + 1024 + 4L * opcode) & 3);
        }
        assertEquals(1, drive.dword(effects + 1024 + 4L * READ) & 3);
        long firmware = drive.pages(1);
        assertSuccess(drive.admin(NvmeEntry.of(GET_LOG_PAGE).prp(firmware, 0).dword(10, 127 << 16 | 3)));
        assertEquals(1, octet(firmware));
        assertSuccess(
                drive.admin(NvmeEntry.of(GET_LOG_PAGE).prp(drive.pages(1), 0).dword(10, 15 << 16 | 1)));
        assertSuccess(
                drive.admin(NvmeEntry.of(GET_LOG_PAGE).prp(drive.pages(1), 0).dword(10, 1023 << 16 | 4)));
    }

    @Test
    void asyncEventRequest_aborted_statusAborted() {
        drive.enabled();
        int first = drive.admin().submit(NvmeEntry.of(ASYNC_EVENT_REQUEST));
        for (int request = 1; request < 4; request++) {
            drive.admin().submit(NvmeEntry.of(ASYNC_EVENT_REQUEST));
        }
        assertStatus(0x105, drive.admin(NvmeEntry.of(ASYNC_EVENT_REQUEST)));
        drive.admin().submit(NvmeEntry.of(ABORT).dword(10, first << 16));
        Completion aborted = drive.admin().next();
        assertEquals(first, aborted.command());
        assertStatus(0x07, aborted);
        assertEquals(0, assertSuccess(drive.admin().next()).result());
        assertEquals(
                1,
                assertSuccess(drive.admin(NvmeEntry.of(ABORT).dword(10, 0x7777 << 16)))
                        .result());
        assertStatus(0x02, drive.admin(NvmeEntry.of(ABORT).dword(10, 9)));
    }

    @Test
    void doorbell_absentQueue_asyncEvent() {
        drive.enabled();
        int request = drive.admin().submit(NvmeEntry.of(ASYNC_EVENT_REQUEST));
        assertSuccess(drive.admin(NvmeEntry.of(GET_FEATURES).dword(10, 7)));
        assertTrue(drive.admin().isEmpty());
        drive.register(0x1000 + 8 * 5, 1);
        Completion event = assertSuccess(drive.admin().next());
        assertEquals(request, event.command());
        assertEquals(0x010000, event.result());
    }

    private NvmeEntry blocks(int opcode, long first, int count, long prp1, long prp2) {
        return NvmeEntry.of(opcode).namespace(1).blocks(first, count).prp(prp1, prp2);
    }

    private long pattern(int pages, int seed) {
        long data = drive.pages(pages);
        for (long at = 0; at < (long) pages * PAGE; at += 8) {
            drive.qword(data + at, at * 0x9e3779b97f4a7c15L + seed);
        }
        return data;
    }

    private void assertEqual(long expected, long actual, long bytes) {
        assertEquals(-1, drive.at(expected, bytes).mismatch(drive.at(actual, bytes)));
    }

    @Test
    void readAndWrite_everyFormOfPrp_sameData() {
        drive.enabled();
        NvmeHostQueue queue = drive.createQueues(1, 16);
        long data = pattern(5, 1);
        long list = drive.pages(1);
        for (int page = 1; page < 5; page++) {
            drive.qword(list + 8L * (page - 1), data + (long) page * PAGE);
        }
        assertSuccess(queue.execute(blocks(WRITE, 100, 40, data, list)));
        long back = drive.pages(6);
        assertSuccess(queue.execute(blocks(READ, 100, 8, back, 0)));
        assertEqual(data, back, PAGE);
        assertSuccess(queue.execute(blocks(READ, 101, 16, back + 1024, back + PAGE)
                .prp(back + PAGE - BLOCK, back + 2 * PAGE)
                .blocks(101, 9)));
        assertEqual(data + BLOCK, back + PAGE - BLOCK, BLOCK);
        assertEqual(data + 2 * BLOCK, back + 2 * PAGE, PAGE);
        long end = drive.pages(1) + PAGE - 3 * 8;
        drive.qword(end, back + 4 * PAGE);
        drive.qword(end + 8, back + 3 * PAGE);
        long next = drive.pages(1);
        drive.qword(end + 16, next);
        drive.qword(next, back + 2 * PAGE);
        drive.qword(next + 8, back + PAGE);
        assertSuccess(queue.execute(blocks(READ, 100, 40, back, end)));
        assertEqual(data, back, PAGE);
        for (int page = 1; page < 5; page++) {
            assertEqual(data + (long) page * PAGE, back + (5L - page) * PAGE, PAGE);
        }
    }

    @Test
    void io_invalidArguments_refused() {
        drive.enabled();
        NvmeHostQueue queue = drive.createQueues(1, 16);
        long page = drive.pages(4);
        long list = drive.pages(1);
        for (int opcode : new int[] {READ, WRITE, COMPARE, WRITE_ZEROES}) {
            assertStatus(0x80, queue.execute(blocks(opcode, (1 << 20) - 7, 8, page, 0)));
            assertStatus(0x80, queue.execute(blocks(opcode, 1 << 20, 1, page, 0)));
            assertStatus(0x80, queue.execute(blocks(opcode, -1, 1, page, 0)));
        }
        assertStatus(0x02, queue.execute(blocks(READ, 0, 1025, page, list)));
        assertStatus(0x13, queue.execute(blocks(READ, 0, 16, page, page + PAGE + 8)));
        drive.qword(list, page + PAGE + 16);
        assertStatus(0x13, queue.execute(blocks(READ, 0, 32, page, list)));
        // The last entry of a page of a list points to the next, if it is not the end.
        long end = drive.pages(1) + PAGE - 2 * 8;
        drive.qword(end, page + PAGE);
        drive.qword(end + 8, list + 8);
        assertStatus(0x13, queue.execute(blocks(READ, 0, 32, page, end)));
        assertStatus(0x13, queue.execute(blocks(READ, 0, 24, page, end)));
        drive.qword(end + 8, page + 2 * PAGE);
        assertSuccess(queue.execute(blocks(READ, 0, 24, page, end)));
        assertStatus(0x02, queue.execute(blocks(READ, 0, 1, page, 0).namespace(2)));
        assertStatus(0x0b, queue.execute(blocks(READ, 0, 1, page, 0).namespace(0)));
        assertStatus(0x0b, queue.execute(blocks(READ, 0, 1, page, 0).namespace(257)));
        assertStatus(0x0b, queue.execute(blocks(READ, 0, 1, page, 0).namespace(-1)));
        assertSuccess(queue.execute(NvmeEntry.of(FLUSH).namespace(1)));
        assertSuccess(queue.execute(NvmeEntry.of(FLUSH).namespace(-1)));
        assertSuccess(queue.execute(blocks(READ, 0, 8, page, 0)));
    }

    @Test
    void compare_afterWriteZeroesAndDeallocate_zeros() {
        drive.enabled();
        NvmeHostQueue queue = drive.createQueues(1, 16);
        long data = pattern(2, 2);
        long written = pattern(2, 2);
        NvmeEntry compare = blocks(COMPARE, 0, 16, data, data + PAGE);
        assertSuccess(queue.execute(blocks(WRITE, 0, 16, data, data + PAGE)));
        assertSuccess(queue.execute(compare));
        drive.qword(data + PAGE + 8, 0);
        assertStatus(0x285, queue.execute(compare));
        assertSuccess(queue.execute(blocks(WRITE_ZEROES, 0, 8, 0, 0)));
        long ranges = drive.pages(1);
        drive.dword(ranges + 4, 8);
        drive.qword(ranges + 8, 8);
        NvmeEntry deallocate = NvmeEntry.of(DATASET_MANAGEMENT)
                .namespace(1)
                .prp(ranges, 0)
                .dword(10, 0)
                .dword(11, 4);
        assertSuccess(queue.execute(deallocate));
        long back = pattern(2, 3);
        assertSuccess(queue.execute(blocks(READ, 0, 16, back, back + PAGE)));
        assertZeros(back, PAGE);
        // A host that keeps what is deallocated, as QEMU does without "discard=unmap", gives it back.
        if (drive.qword(back + PAGE) == 0) {
            assertZeros(back + PAGE, PAGE);
        } else {
            assertEqual(written + PAGE, back + PAGE, PAGE);
        }
    }

    /** QEMU's bridges drop the data, and its controller does not notice; a list that it cannot read, it does. */
    @Test
    void read_dataNotMapped_notTransferred() {
        drive.enabled();
        NvmeHostQueue queue = drive.createQueues(1, 16);
        long page = drive.pages(1);
        if (host.freezes()) {
            queue.submit(blocks(READ, 0, 8, RawNvme.nowhere(), 0));
            assertEquals(-1, drive.register(RawNvme.CSTS), "the registers of a frozen endpoint");
            assertTrue(queue.isEmpty());
        } else {
            int code = queue.execute(blocks(READ, 0, 8, RawNvme.nowhere(), 0)).code();
            assertTrue(code == 0x00 || code == 0x04, () -> "status 0x%x".formatted(code));
            assertStatus(0x04, queue.execute(blocks(READ, 0, 32, page, RawNvme.nowhere())));
            assertSuccess(queue.execute(blocks(READ, 0, 8, page, 0)));
        }
    }

    @Test
    void enable_queuesNotMapped_fatalStatusOrFrozen() {
        drive.enableWith(0x000f000f, RawNvme.nowhere(), drive.pages(1), ENABLED);
        drive.awaitStatus(READY);
        drive.register(0x1000, 1);
        drive.awaitStatus(host.freezes() ? -1 : FATAL);
    }
}
