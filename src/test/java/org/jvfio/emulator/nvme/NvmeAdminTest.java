package org.jvfio.emulator.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.jvfio.emulator.nvme.ControllerHost.PAGE;
import static org.jvfio.emulator.nvme.ControllerHost.assertStatus;
import static org.jvfio.emulator.nvme.ControllerHost.assertSuccess;
import static org.jvfio.fixture.nvme.Opcodes.ABORT;
import static org.jvfio.fixture.nvme.Opcodes.ASYNC_EVENT_REQUEST;
import static org.jvfio.fixture.nvme.Opcodes.DELETE_CQ;
import static org.jvfio.fixture.nvme.Opcodes.DELETE_SQ;
import static org.jvfio.fixture.nvme.Opcodes.GET_FEATURES;
import static org.jvfio.fixture.nvme.Opcodes.GET_LOG_PAGE;
import static org.jvfio.fixture.nvme.Opcodes.IDENTIFY;
import static org.jvfio.fixture.nvme.Opcodes.SET_FEATURES;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.jvfio.fixture.nvme.NvmeEntry;
import org.jvfio.fixture.nvme.NvmeHostQueue;
import org.jvfio.fixture.nvme.NvmeHostQueue.Completion;

/** The commands of the admin queue: NVM Express 1.4, 5. */
class NvmeAdminTest {

    private static final int INVALID_COMMAND_OPCODE = 0x01;
    private static final int INVALID_FIELD_IN_COMMAND = 0x02;
    private static final int COMMAND_ID_CONFLICT = 0x03;
    private static final int DATA_TRANSFER_ERROR = 0x04;
    private static final int COMMAND_ABORT_REQUESTED = 0x07;
    private static final int INVALID_NAMESPACE_OR_FORMAT = 0x0b;
    private static final int COMMAND_SEQUENCE_ERROR = 0x0c;
    private static final int PRP_OFFSET_INVALID = 0x13;
    private static final int COMPLETION_QUEUE_INVALID = 0x100;
    private static final int INVALID_QUEUE_IDENTIFIER = 0x101;
    private static final int INVALID_QUEUE_SIZE = 0x102;
    private static final int ASYNCHRONOUS_EVENT_REQUEST_LIMIT_EXCEEDED = 0x105;
    private static final int INVALID_INTERRUPT_VECTOR = 0x108;
    private static final int INVALID_LOG_PAGE = 0x109;
    private static final int INVALID_QUEUE_DELETION = 0x10c;
    private static final int FEATURE_IDENTIFIER_NOT_SAVEABLE = 0x10d;
    private static final int FEATURE_NOT_NAMESPACE_SPECIFIC = 0x10f;
    private static final int IO_COMMAND_SET_COMBINATION_REJECTED = 0x12b;

    private static final int BROADCAST = -1;

    private final ControllerHost host = new ControllerHost(
                    EmulatedNvme.builder().serial("S/N 42").namespace(1 << 20).namespace(2 << 20, 4096))
            .enabled();

    private int octet(long address) {
        return host.dword(address) & 0xff;
    }

    private int word(long address) {
        return host.dword(address) & 0xffff;
    }

    private String text(long address, int length) {
        byte[] bytes = host.at(address, length).toArray(ValueLayout.JAVA_BYTE);
        return new String(bytes, StandardCharsets.US_ASCII);
    }

    private Completion identifyStatus(int structure, int namespace, int commandSet) {
        return host.admin(NvmeEntry.of(IDENTIFY)
                .namespace(namespace)
                .prp(host.pages(1), 0)
                .dword(10, structure)
                .dword(11, commandSet << 24));
    }

    @Test
    void identify_controller_itsData() {
        long data = host.identify(0x01, 0);
        assertEquals(0x1b36, word(data));
        assertEquals(0x1af4, word(data + 2));
        assertEquals("S/N 42              ", text(data + 4, 20));
        assertEquals("JVFIO NVMe Ctrl                         ", text(data + 24, 40));
        assertEquals("1.0     ", text(data + 64, 8));
        assertEquals(7, octet(data + 77), "MDTS");
        assertEquals(0x00010400, host.dword(data + 80), "VER");
        assertEquals(0, word(data + 256), "OACS");
        assertEquals(3, octet(data + 258), "ACL");
        assertEquals(3, octet(data + 259), "AERL");
        assertEquals(0, word(data + 320), "KAS");
        assertEquals(0x66, octet(data + 512), "SQES");
        assertEquals(0x44, octet(data + 513), "CQES");
        assertEquals(256, host.dword(data + 516), "NN");
        assertEquals(0x18d, word(data + 520), "ONCS");
        assertEquals(0, word(data + 522), "FUSES");
        assertEquals(7, octet(data + 525), "VWC");
        assertEquals(0, host.dword(data + 536), "SGLS");
        assertEquals("nqn.2014-08.org.nvmexpress:uuid:", text(data + 768, 32));
    }

    @Test
    void identify_namespace_blocksAndSize() {
        long first = host.identify(0x00, 1);
        assertEquals(2048, host.qword(first));
        assertEquals(2048, host.qword(first + 8));
        assertEquals(2048, host.qword(first + 16));
        assertEquals(1, octet(first + 25), "NLBAF");
        assertEquals(0, octet(first + 26), "FLBAS");
        assertEquals(0, octet(first + 27), "MC: no metadata");
        assertEquals(9 << 16, host.dword(first + 128));
        assertEquals(12 << 16, host.dword(first + 132));
        long second = host.identify(0x00, 2);
        assertEquals(512, host.qword(second));
        assertEquals(1, octet(second + 26), "FLBAS");
        assertNotEquals(host.qword(first + 120), host.qword(second + 120), "EUI64");
    }

    @Test
    void identify_inactiveNamespace_zeros() {
        host.assertZeros(host.identify(0x00, 3), PAGE);
        host.assertZeros(host.identify(0x11, 256), PAGE);
        for (int id : new int[] {0, 257, BROADCAST}) {
            assertStatus(INVALID_NAMESPACE_OR_FORMAT, identifyStatus(0x00, id, 0));
            assertStatus(INVALID_NAMESPACE_OR_FORMAT, identifyStatus(0x05, id, 0));
        }
    }

    @Test
    void identify_namespaceLists_aboveTheIdentifier() {
        for (int list : new int[] {0x02, 0x07, 0x10}) {
            long all = host.identify(list, 0);
            assertEquals(1, host.dword(all));
            assertEquals(2, host.dword(all + 4));
            host.assertZeros(all + 8, PAGE - 8);
            long some = host.identify(list, 1);
            assertEquals(2, host.dword(some));
            host.assertZeros(some + 4, PAGE - 4);
            assertStatus(INVALID_NAMESPACE_OR_FORMAT, identifyStatus(list, BROADCAST, 0));
            assertStatus(INVALID_NAMESPACE_OR_FORMAT, identifyStatus(list, BROADCAST - 1, 0));
        }
    }

    @Test
    void identify_descriptors_uuidAndCommandSet() {
        long data = host.identify(0x03, 2);
        assertEquals(0x1003, host.dword(data), "a UUID of 16 bytes");
        assertEquals(0x0801, host.dword(data + 20), "an EUI64 of 8 bytes");
        assertEquals(host.qword(host.identify(0x00, 2) + 120), host.qword(data + 24));
        assertEquals(0x0104, host.dword(data + 32), "the command set");
        host.assertZeros(data + 36, PAGE - 36);
        assertStatus(INVALID_FIELD_IN_COMMAND, identifyStatus(0x03, 3, 0));
        assertStatus(INVALID_NAMESPACE_OR_FORMAT, identifyStatus(0x03, 0, 0));
    }

    @Test
    void identify_commandSets_nvmOnly() {
        assertEquals(1, host.qword(host.identify(0x1c, 0)));
        host.assertZeros(host.identify(0x05, 1), PAGE);
        host.assertZeros(host.identify(0x06, 0), PAGE);
        for (int structure : new int[] {0x05, 0x06, 0x07}) {
            assertStatus(INVALID_FIELD_IN_COMMAND, identifyStatus(structure, 1, 2));
        }
    }

    @Test
    void identify_controllerLists_onlyThisOne() {
        assertEquals(0x00000001, host.dword(host.identify(0x12, 1)));
        assertEquals(0x00000001, host.dword(host.identify(0x13, 0)));
        assertEquals(0, host.dword(host.identify(0x13 | 1 << 16, 0)));
        assertStatus(INVALID_FIELD_IN_COMMAND, identifyStatus(0x12, 3, 0));
    }

    @Test
    void identify_otherStructures_invalidField() {
        for (int structure : new int[] {0x04, 0x14, 0x15, 0x19, 0x1a, 0x1b, 0x1f, 0x20, 0xff}) {
            assertStatus(INVALID_FIELD_IN_COMMAND, identifyStatus(structure, 1, 0));
        }
    }

    @Test
    void identify_dataInsideAPage_written() {
        long data = host.pages(2);
        assertSuccess(
                host.admin(NvmeEntry.of(IDENTIFY).prp(data + 0x800, data + PAGE).dword(10, 1)));
        assertEquals(0x1b36, word(data + 0x800));
        assertEquals(0x66, octet(data + 0x800 + 512));
        assertStatus(
                PRP_OFFSET_INVALID,
                host.admin(NvmeEntry.of(IDENTIFY).prp(data + 0x800, data + 8).dword(10, 1)));
        assertStatus(
                DATA_TRANSFER_ERROR,
                host.admin(
                        NvmeEntry.of(IDENTIFY).prp(ControllerHost.nowhere(), 0).dword(10, 1)));
    }

    @ParameterizedTest
    @ValueSource(ints = {0x03, 0x07, 0x0b, 0x0d, 0x10, 0x11, 0x14, 0x15, 0x18, 0x80, 0xc0, 0xff})
    void admin_otherOpcode_invalidOpcode(int opcode) {
        assertStatus(INVALID_COMMAND_OPCODE, host.admin(NvmeEntry.of(opcode).namespace(1)));
    }

    @Test
    void admin_fusedOrSgl_invalidField() {
        assertStatus(
                INVALID_FIELD_IN_COMMAND,
                host.admin(NvmeEntry.of(IDENTIFY | 1 << 8).dword(10, 1)));
        assertStatus(
                INVALID_FIELD_IN_COMMAND,
                host.admin(NvmeEntry.of(IDENTIFY | 1 << 14).dword(10, 1)));
    }

    private NvmeEntry createCq(int id, int size, int vector, int flags) {
        return NvmeEntry.createCompletionQueue(id, size, host.pages(1), vector, flags);
    }

    private NvmeEntry createSq(int id, int size, int completionQueue, int flags) {
        return NvmeEntry.createSubmissionQueue(id, size, host.pages(1), completionQueue, flags);
    }

    @Test
    void createCq_invalidFields_statusOfEach() {
        assertStatus(INVALID_QUEUE_IDENTIFIER, host.admin(createCq(0, 4, 0, 1)));
        assertStatus(INVALID_QUEUE_IDENTIFIER, host.admin(createCq(65, 4, 0, 1)));
        assertStatus(INVALID_QUEUE_SIZE, host.admin(createCq(1, 1, 0, 1)));
        assertStatus(INVALID_QUEUE_SIZE, host.admin(createCq(1, 2049, 0, 1)));
        assertStatus(INVALID_INTERRUPT_VECTOR, host.admin(createCq(1, 4, 65, 3)));
        assertStatus(INVALID_FIELD_IN_COMMAND, host.admin(createCq(1, 4, 0, 0)));
        assertStatus(PRP_OFFSET_INVALID, host.admin(createCq(1, 4, 0, 1).prp(host.pages(1) + 0x100, 0)));
        assertSuccess(host.admin(createCq(64, 2048, 64, 3)));
        assertStatus(INVALID_QUEUE_IDENTIFIER, host.admin(createCq(64, 4, 0, 1)));
    }

    @Test
    void createCq_intxOtherVector_invalidVector() {
        host.withLine();
        assertStatus(INVALID_INTERRUPT_VECTOR, host.admin(createCq(1, 4, 1, 3)));
        assertSuccess(host.admin(createCq(1, 4, 0, 3)));
    }

    @Test
    void createSq_noCompletionQueue_completionQueueInvalid() {
        assertStatus(COMPLETION_QUEUE_INVALID, host.admin(createSq(1, 4, 1, 1)));
        assertStatus(COMPLETION_QUEUE_INVALID, host.admin(createSq(1, 4, 0, 1)));
        assertStatus(COMPLETION_QUEUE_INVALID, host.admin(createSq(1, 4, 65, 1)));
        assertSuccess(host.admin(createCq(1, 4, 0, 1)));
        assertStatus(INVALID_QUEUE_IDENTIFIER, host.admin(createSq(0, 4, 1, 1)));
        assertStatus(INVALID_QUEUE_IDENTIFIER, host.admin(createSq(65, 4, 1, 1)));
        assertStatus(INVALID_QUEUE_SIZE, host.admin(createSq(1, 1, 1, 1)));
        assertStatus(INVALID_QUEUE_SIZE, host.admin(createSq(1, 2049, 1, 1)));
        assertStatus(INVALID_FIELD_IN_COMMAND, host.admin(createSq(1, 4, 1, 0)));
        assertStatus(PRP_OFFSET_INVALID, host.admin(createSq(1, 4, 1, 1).prp(host.pages(1) + 64, 0)));
        assertSuccess(host.admin(createSq(1, 4, 1, 1)));
        assertStatus(INVALID_QUEUE_IDENTIFIER, host.admin(createSq(1, 4, 1, 1)));
        assertSuccess(host.admin(createSq(2, 4, 1, 1)));
    }

    @Test
    void createQueues_entrySizesNotSet_invalidQueueSize() {
        host.register(ControllerHost.CC, 0);
        host.enabled(1);
        assertStatus(INVALID_QUEUE_SIZE, host.admin(createCq(1, 4, 0, 1)));
        host.register(ControllerHost.CC, ControllerHost.ENABLED);
        assertSuccess(host.admin(createCq(1, 4, 0, 1)));
    }

    @Test
    void deleteCq_submissionQueueExists_invalidDeletion() {
        host.createQueues(1, 4);
        NvmeEntry deleteCq = NvmeEntry.of(DELETE_CQ).dword(10, 1);
        NvmeEntry deleteSq = NvmeEntry.of(DELETE_SQ).dword(10, 1);
        assertStatus(INVALID_QUEUE_DELETION, host.admin(deleteCq));
        assertSuccess(host.admin(deleteSq));
        assertStatus(INVALID_QUEUE_IDENTIFIER, host.admin(deleteSq));
        assertSuccess(host.admin(deleteCq));
        assertStatus(INVALID_QUEUE_IDENTIFIER, host.admin(deleteCq));
        assertStatus(
                INVALID_QUEUE_IDENTIFIER, host.admin(NvmeEntry.of(DELETE_CQ).dword(10, 0)));
        assertStatus(
                INVALID_QUEUE_IDENTIFIER, host.admin(NvmeEntry.of(DELETE_SQ).dword(10, 0)));
        host.createQueues(1, 8);
    }

    private Completion get(int feature, int select, int namespace, int dword11) {
        return host.admin(NvmeEntry.of(GET_FEATURES)
                .namespace(namespace)
                .dword(10, select << 8 | feature)
                .dword(11, dword11));
    }

    private int value(int feature, int dword11) {
        return assertSuccess(get(feature, 0, feature == 0x05 ? 1 : 0, dword11)).result();
    }

    private Completion set(int feature, int namespace, int value) {
        return host.admin(NvmeEntry.of(SET_FEATURES)
                .namespace(namespace)
                .dword(10, feature)
                .dword(11, value));
    }

    @ParameterizedTest(name = "feature {0} is {2}, then {1}")
    @CsvSource({
        "0x01, 0x01020304, 0x07", // arbitration
        "0x02, 0x20, 0", // power management: a workload hint
        "0x04, 0x0180, 0x157", // temperature threshold, over
        "0x04, 0x100010, 0", // under: 16 K
        "0x06, 0, 1", // volatile write cache
        "0x08, 0x0a05, 0", // interrupt coalescing
        "0x09, 0x10005, 5", // interrupt vector 5 is not coalesced
        "0x0a, 1, 0", // write atomicity
        "0x0b, 0x102, 0", // asynchronous events
        "0x05, 0x1234, 0", // error recovery
    })
    void setFeatures_validValues_untilReset(String feature, String changed, String unchanged) {
        int id = Integer.decode(feature);
        int selector = id == 0x09 ? 5 : Integer.decode(changed) & 0x300000;
        int namespace = id == 0x05 ? 1 : 0;
        int before = Integer.decode(unchanged);
        int after = id == 0x04 ? Integer.decode(changed) & 0xffff : Integer.decode(changed);
        assertEquals(before, value(id, selector));
        assertSuccess(set(id, namespace, Integer.decode(changed)));
        assertEquals(after, value(id, selector));
        assertEquals(before, assertSuccess(get(id, 1, namespace, selector)).result(), "default");
        assertEquals(before, assertSuccess(get(id, 2, namespace, selector)).result(), "saved");
        int capabilities = id == 0x05 ? 6 : 4;
        assertEquals(
                capabilities, assertSuccess(get(id, 3, namespace, selector)).result());
        host.register(ControllerHost.CC, 0);
        host.enabled();
        assertEquals(before, value(id, selector));
    }

    @Test
    void setFeatures_queueCount_always64() {
        int all = 63 << 16 | 63;
        assertEquals(all, value(0x07, 0));
        assertEquals(all, assertSuccess(set(0x07, 0, 7 << 16 | 7)).result());
        assertEquals(all, assertSuccess(get(0x07, 1, 0, 0)).result());
        assertStatus(INVALID_FIELD_IN_COMMAND, set(0x07, 0, 0xffff));
        assertStatus(INVALID_FIELD_IN_COMMAND, set(0x07, 0, 0xffff << 16));
        assertSuccess(host.admin(createCq(1, 4, 0, 1)));
        assertStatus(COMMAND_SEQUENCE_ERROR, set(0x07, 0, 7 << 16 | 7));
    }

    @Test
    void setFeatures_invalidValue_invalidField() {
        assertStatus(INVALID_FIELD_IN_COMMAND, set(0x02, 0, 1));
        assertStatus(INVALID_FIELD_IN_COMMAND, set(0x04, 0, 2 << 20));
        assertStatus(INVALID_FIELD_IN_COMMAND, get(0x04, 0, 0, 2 << 20));
        assertStatus(INVALID_FIELD_IN_COMMAND, set(0x05, 1, 1 << 16));
        assertStatus(INVALID_FIELD_IN_COMMAND, set(0x09, 0, 65));
        assertStatus(INVALID_FIELD_IN_COMMAND, get(0x09, 0, 0, 65));
        assertStatus(INVALID_FIELD_IN_COMMAND, get(0x09, 1, 0, 65));
        assertStatus(INVALID_FIELD_IN_COMMAND, set(0x0b, 0, 1 << 9));
        assertStatus(IO_COMMAND_SET_COMBINATION_REJECTED, set(0x19, 0, 1));
        assertSuccess(set(0x19, 0, 0));
        assertEquals(0, value(0x19, 0));
    }

    @Test
    void setFeatures_otherSensors_noThresholds() {
        assertSuccess(set(0x04, 0, 1 << 16 | 0x100));
        assertEquals(0, value(0x04, 1 << 16));
        assertEquals(0x157, value(0x04, 0));
    }

    @ParameterizedTest
    @ValueSource(ints = {0x00, 0x03, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x78, 0x80, 0xc0})
    void features_otherIdentifier_invalidField(int feature) {
        assertStatus(INVALID_FIELD_IN_COMMAND, get(feature, 0, 0, 0));
        assertStatus(INVALID_FIELD_IN_COMMAND, set(feature, 0, 0));
    }

    @Test
    void setFeatures_saveOrNamespace_refused() {
        assertStatus(
                FEATURE_IDENTIFIER_NOT_SAVEABLE,
                host.admin(NvmeEntry.of(SET_FEATURES).dword(10, 1 << 31 | 0x06)));
        assertStatus(FEATURE_NOT_NAMESPACE_SPECIFIC, set(0x06, 1, 0));
        assertStatus(INVALID_NAMESPACE_OR_FORMAT, set(0x06, 1000, 0));
        assertSuccess(set(0x06, BROADCAST, 0));
        assertStatus(INVALID_FIELD_IN_COMMAND, get(0x06, 4, 0, 0));
    }

    @Test
    void features_errorRecovery_needsNamespace() {
        assertStatus(INVALID_NAMESPACE_OR_FORMAT, get(0x05, 0, 0, 0));
        assertStatus(INVALID_FIELD_IN_COMMAND, get(0x05, 0, 3, 0));
        assertStatus(INVALID_NAMESPACE_OR_FORMAT, set(0x05, 0, 5));
        assertSuccess(set(0x05, 2, 5));
        assertEquals(0, value(0x05, 0));
        assertSuccess(set(0x05, BROADCAST, 6));
        assertEquals(6, value(0x05, 0));
    }

    private NvmeEntry log(int page, int namespace, int bytes, long offset, long address) {
        return NvmeEntry.of(GET_LOG_PAGE)
                .namespace(namespace)
                .prp(address, address + PAGE)
                .dword(10, (bytes / 4 - 1) << 16 | page)
                .qword(12, offset);
    }

    private long readLog(int page, int namespace, int bytes) {
        long address = host.pages(2);
        assertSuccess(host.admin(log(page, namespace, bytes, 0, address)));
        return address;
    }

    @Test
    void getLog_errors_newestFirst() {
        NvmeHostQueue queue = host.createQueues(3, 4);
        host.assertZeros(readLog(1, 0, 128), 128);
        Completion first =
                queue.execute(NvmeEntry.of(0x02).namespace(1).blocks(5000, 1).prp(host.pages(1), 0));
        assertEquals(0x6080, first.status(), "do not retry, more in the log, LBA out of range");
        Completion second = host.admin(NvmeEntry.of(0x7f));
        long log = readLog(1, 0, 192);
        assertEquals(2, host.qword(log));
        assertEquals(second.command() << 16, host.dword(log + 8));
        assertEquals(0x8002, word(log + 12), "do not retry, invalid opcode");
        assertEquals(1, host.qword(log + 64));
        assertEquals(first.command() << 16 | 3, host.dword(log + 64 + 8));
        assertEquals(0x8100, word(log + 64 + 12));
        assertEquals(5000, host.qword(log + 64 + 16));
        assertEquals(1, host.dword(log + 64 + 24));
        host.assertZeros(log + 128, 64);
    }

    @Test
    void getLog_70Errors_last64() {
        for (int error = 0; error < 70; error++) {
            assertStatus(INVALID_COMMAND_OPCODE, host.admin(NvmeEntry.of(0x7f)));
        }
        long log = readLog(1, 0, PAGE);
        assertEquals(70, host.qword(log));
        assertEquals(7, host.qword(log + 63 * 64));
    }

    @Test
    void getLog_health_countsTransfers() {
        NvmeHostQueue queue = host.createQueues(1, 4);
        long page = host.pages(1);
        for (int count = 0; count < 130; count++) {
            assertSuccess(
                    queue.execute(NvmeEntry.of(0x02).namespace(1).blocks(0, 8).prp(page, 0)));
        }
        assertSuccess(queue.execute(NvmeEntry.of(0x01).namespace(2).blocks(0, 1).prp(page, 0)));
        long all = readLog(2, BROADCAST, 512);
        assertEquals(0, octet(all), "no warning");
        assertEquals(0x143, word(all + 1), "kelvin");
        assertEquals(100, octet(all + 3), "spare");
        assertEquals(2, host.qword(all + 32), "units read, of 512000 bytes");
        assertEquals(1, host.qword(all + 48), "units written");
        assertEquals(130, host.qword(all + 64), "reads");
        assertEquals(1, host.qword(all + 80), "writes");
        long second = readLog(2, 2, 512);
        assertEquals(0, host.qword(second + 64));
        assertEquals(1, host.qword(second + 80));
        assertStatus(INVALID_FIELD_IN_COMMAND, host.admin(log(2, 3, 512, 0, host.pages(1))));
        assertStatus(INVALID_NAMESPACE_OR_FORMAT, host.admin(log(2, 300, 512, 0, host.pages(1))));
    }

    @Test
    void getLog_firmware_slotOne() {
        long log = readLog(3, 0, 512);
        assertEquals(1, octet(log));
        assertEquals("1.0     ", text(log + 8, 8));
    }

    @Test
    void getLog_effects_supportedCommands() {
        long log = readLog(5, 0, PAGE);
        assertEquals(1, host.dword(log + 4 * IDENTIFY));
        assertEquals(0, host.dword(log + 4 * 0x10));
        assertEquals(3, host.dword(log + 1024 + 4));
        assertEquals(1, host.dword(log + 1024 + 8));
        assertEquals(3, host.dword(log + 1024 + 4 * 0x19));
        assertEquals(1, host.dword(log + 1024 + 4 * 0x0c));
        assertEquals(0, host.dword(log + 1024 + 4 * 0x12));
    }

    @Test
    void getLog_offset_partOfTheLog() {
        long part = host.pages(2);
        assertSuccess(host.admin(log(5, 0, 8, 1024 + 4, part)));
        assertEquals(3, host.dword(part));
        assertEquals(1, host.dword(part + 4));
        assertSuccess(host.admin(log(3, 0, 1024, 508, part)));
        assertEquals(0, host.dword(part));
        assertEquals(1, host.dword(part + 4), "a log ends where it ends");
        assertStatus(INVALID_FIELD_IN_COMMAND, host.admin(log(3, 0, 4, 512, part)));
        assertStatus(INVALID_FIELD_IN_COMMAND, host.admin(log(3, 0, 4, 2, part)));
        assertStatus(INVALID_FIELD_IN_COMMAND, host.admin(log(3, 0, 4, -4, part)));
        assertStatus(INVALID_FIELD_IN_COMMAND, host.admin(log(3, 0, 4, 0, part).dword(11, 2)));
    }

    @ParameterizedTest
    @ValueSource(ints = {0x00, 0x06, 0x07, 0x0c, 0x70, 0x80, 0xc0})
    void getLog_otherPage_invalidLogPage(int page) {
        assertStatus(INVALID_LOG_PAGE, host.admin(log(page, 0, 512, 0, host.pages(2))));
    }

    @Test
    void asyncEventRequest_fifth_limitExceeded() {
        for (int request = 0; request < 4; request++) {
            host.admin().submit(NvmeEntry.of(ASYNC_EVENT_REQUEST));
            assertNull(host.admin().poll());
        }
        assertStatus(ASYNCHRONOUS_EVENT_REQUEST_LIMIT_EXCEEDED, host.admin(NvmeEntry.of(ASYNC_EVENT_REQUEST)));
    }

    @Test
    void abort_asyncEventRequest_aborted() {
        int request = host.admin().submit(NvmeEntry.of(ASYNC_EVENT_REQUEST));
        host.admin().submit(NvmeEntry.of(ABORT).dword(10, request << 16));
        Completion aborted = host.admin().next();
        assertEquals(request, aborted.command());
        assertStatus(COMMAND_ABORT_REQUESTED, aborted);
        assertEquals(0, assertSuccess(host.admin().next()).result());
    }

    @Test
    void abort_noSuchCommand_notAborted() {
        host.createQueues(1, 4);
        assertEquals(
                1,
                assertSuccess(host.admin(NvmeEntry.of(ABORT).dword(10, 0x1234 << 16)))
                        .result());
        assertEquals(
                1,
                assertSuccess(host.admin(NvmeEntry.of(ABORT).dword(10, 0x1234 << 16 | 1)))
                        .result());
        assertStatus(INVALID_FIELD_IN_COMMAND, host.admin(NvmeEntry.of(ABORT).dword(10, 0x1234 << 16 | 2)));
    }

    @Test
    void admin_identifierInFlight_conflict() {
        host.admin().addAs(7, NvmeEntry.of(ASYNC_EVENT_REQUEST));
        host.admin().addAs(7, NvmeEntry.of(GET_FEATURES).dword(10, 7));
        host.admin().ring();
        assertStatus(COMMAND_ID_CONFLICT, host.admin().next());
    }

    @Test
    void doorbell_invalid_asyncEvent() {
        int request = host.admin().submit(NvmeEntry.of(ASYNC_EVENT_REQUEST));
        host.register(ControllerHost.DOORBELLS + 8 * 5, 1);
        Completion event = assertSuccess(host.admin().next());
        assertEquals(request, event.command());
        assertEquals(0x010000, event.result(), "an error: a doorbell of no queue; the log is 1");

        host.admin().submit(NvmeEntry.of(ASYNC_EVENT_REQUEST));
        host.admin().ring(ControllerHost.ADMIN_ENTRIES);
        assertNull(host.admin().poll(), "the first event was not looked at yet");
        long log = host.pages(2);
        host.admin().submit(log(1, 0, 64, 0, log));
        assertEquals(0x010100, assertSuccess(host.admin().next()).result(), "an invalid value");
        assertSuccess(host.admin().next());
        assertEquals(2, host.qword(log), "two errors");
    }

    @Test
    void doorbell_invalidWithoutRequest_noEvent() {
        host.register(ControllerHost.DOORBELLS + 8 * 5 + 4, 1);
        host.register(ControllerHost.DOORBELLS + 8 * 100, 1);
        host.admin().ring(ControllerHost.ADMIN_ENTRIES);
        host.admin().acknowledge(5);
        host.admin().submit(NvmeEntry.of(ASYNC_EVENT_REQUEST));
        assertNull(host.admin().poll());
        assertEquals(ControllerHost.READY, host.register(ControllerHost.CSTS));
    }

    @Test
    void setFeatures_thresholdCrossed_asyncEventIfEnabled() {
        host.admin().submit(NvmeEntry.of(ASYNC_EVENT_REQUEST));
        assertSuccess(set(0x04, 0, 0x140));
        assertEquals(2, octet(readLog(2, 0, 512)), "the temperature is critical");
        host.admin().submit(NvmeEntry.of(SET_FEATURES).dword(10, 0x0b).dword(11, 2));
        assertEquals(0x020101, assertSuccess(host.admin().next()).result());
        assertSuccess(host.admin().next());
        assertSuccess(set(0x04, 0, 0x141));
        assertNull(host.admin().poll(), "told once, until the log is read");
    }

    @Test
    void getLog_shortLength_nothingBeyond() {
        long data = host.pages(1);
        host.at(data, PAGE).fill((byte) 0x77);
        assertSuccess(host.admin(log(5, 0, 16, 0, data)));
        MemorySegment rest = host.at(data + 16, PAGE - 16);
        for (long at = 0; at < rest.byteSize(); at++) {
            assertEquals(0x77, rest.get(ValueLayout.JAVA_BYTE, at));
        }
    }
}
