package org.jvfio.emulator.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.jvfio.fixture.nvme.Opcodes.ASYNC_EVENT_REQUEST;
import static org.jvfio.fixture.nvme.Opcodes.GET_FEATURES;
import static org.jvfio.fixture.nvme.Opcodes.GET_LOG_PAGE;
import static org.jvfio.fixture.nvme.Opcodes.IDENTIFY;
import static org.jvfio.fixture.nvme.Opcodes.READ;
import static org.jvfio.fixture.nvme.Opcodes.SET_FEATURES;
import static org.jvfio.fixture.nvme.Opcodes.WRITE;

import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.jvfio.fixture.nvme.NvmeEntry;
import org.jvfio.fixture.nvme.NvmeHostQueue;
import org.jvfio.fixture.nvme.NvmeHostQueue.Completion;

/** Where the controller that is like QEMU's answers otherwise than the one that follows the specification. */
class DrivePresetTest {
    private static final int SHUTDOWN = 1 << 14;

    private static ControllerHost plain() {
        return new ControllerHost().enabled();
    }

    private static ControllerHost qemu() {
        return new ControllerHost(DrivePreset.QEMU.builder()).enabled();
    }

    private static String answer(
            ControllerHost host, boolean admin, int opcode, int namespace, int dword10, int dword11, int dword12) {
        long page = host.pages(2);
        NvmeEntry entry = NvmeEntry.of(opcode)
                .namespace(namespace)
                .prp(page, page + ControllerHost.PAGE)
                .dword(10, dword10)
                .dword(11, dword11)
                .dword(12, dword12);
        Completion completion =
                admin ? host.admin(entry) : host.createQueues(1, 4).execute(entry);
        return "%x/%x".formatted(completion.status(), completion.result());
    }

    /** Opcodes have their flags in bits 8 to 15; answers are the status and dword 0. */
    @ParameterizedTest(name = "{0}")
    @CsvSource(
            delimiter = '|',
            value = {
                "set arbitration | true | 09 | 0 | 1 | 3 | 0 | 0/0 | 410e/0",
                "set power management | true | 09 | 0 | 2 | 0 | 0 | 0/0 | 410e/0",
                "set interrupt coalescing | true | 09 | 0 | 8 | 1 | 0 | 0/0 | 410e/0",
                "capabilities of arbitration | true | 0a | 0 | 301 | 0 | 0 | 0/4 | 0/0",
                "save an unknown feature | true | 09 | 0 | 80000003 | 0 | 0 | 6002/0 | 410d/0",
                "save host identifier | true | 09 | 0 | 80000017 | 0 | 0 | 6002/0 | 410d/0",
                "DULBE | true | 09 | 1 | 5 | 10000 | 0 | 6002/0 | 0/0",
                "default of the write cache | true | 0a | 0 | 106 | 0 | 0 | 0/1 | 0/0",
                "reserved selection | true | 0a | 0 | 401 | 0 | 0 | 6002/0 | 0/7",
                "temperature of all sensors | true | 0a | 0 | 104 | 200000 | 0 | 6002/0 | 0/0",
                "unknown log page | true | 02 | 0 | 30070 | 0 | 0 | 6109/0 | 4002/0",
                "health log of namespace 0 | true | 02 | 0 | 7f0002 | 0 | 0 | 0/0 | 400b/0",
                "health log of namespace 2 | true | 02 | 2 | 7f0002 | 0 | 0 | 6002/0 | 400b/0",
                "error log after its first entry | true | 02 | 0 | f0001 | 0 | 40 | 0/0 | 4002/0",
                "delete completion queue 0 | true | 04 | 0 | 0 | 0 | 0 | 6101/0 | 4100/0",
                "fused admin command | true | 106 | 0 | 1 | 0 | 0 | 6002/0 | 2/0",
                "fused unknown command | true | 17f | 0 | 0 | 0 | 0 | 6002/0 | 4001/0",
                "attach | true | 15 | 1 | 0 | 0 | 0 | 6001/0 | 411c/0",
                "format | true | 80 | 1 | 0 | 0 | 0 | 6001/0 | 0/0",
                "format that does not exist | true | 80 | 1 | 8 | 0 | 0 | 6001/0 | 410a/0",
                "directive | true | 1a | 1 | 3ff | 1 | 0 | 6001/0 | 0/0",
                "resources | true | 06 | 0 | 14 | 0 | 0 | 6002/0 | 0/0",
                "endurance groups | true | 06 | 0 | 19 | 0 | 0 | 6002/0 | 0/0",
                "timestamp | true | 0a | 0 | e | 0 | 0 | 6002/0 | 0/0",
                "flexible data placement | true | 0a | 0 | 1d | 1 | 0 | 6002/0 | 4002/0",
                "unknown opcode without namespace | false | 7f | 2 | 0 | 0 | 0 | 6001/0 | 4002/0",
                "fused read | false | 102 | 1 | 0 | 0 | 0 | 6002/0 | 2/0",
                "fused flush | false | 100 | 1 | 0 | 0 | 0 | 6002/0 | 0/0",
                "copy | false | 19 | 1 | 0 | 0 | 0 | 0/0 | 4183/0",
                "I/O management | false | 12 | 1 | 1 | 0 | 0 | 6001/0 | 4029/0"
            })
    void command_preset_otherAnswer(
            String name,
            boolean admin,
            String opcode,
            String namespace,
            String dword10,
            String dword11,
            String dword12,
            String plain,
            String qemu) {
        int[] words = {number(opcode), number(namespace), number(dword10), number(dword11), number(dword12)};
        assertEquals(plain, answer(plain(), admin, words[0], words[1], words[2], words[3], words[4]), name);
        assertEquals(qemu, answer(qemu(), admin, words[0], words[1], words[2], words[3], words[4]), name);
    }

    private static int number(String hex) {
        return Integer.parseUnsignedInt(hex, 16);
    }

    @Test
    void read_unalignedPointers_accepted() {
        for (boolean isQemu : new boolean[] {false, true}) {
            ControllerHost host = isQemu ? qemu() : plain();
            NvmeHostQueue queue = host.createQueues(1, 8);
            long page = host.pages(8);
            NvmeEntry odd = NvmeEntry.of(READ).namespace(1).blocks(0, 1).prp(page + 2, 0);
            assertEquals(isQemu ? 0 : 0x13, queue.execute(odd).code());
            long list = host.pages(1) + 4;
            for (int entry = 0; entry < 3; entry++) {
                host.qword(list + 8L * entry, page + (entry + 1L) * ControllerHost.PAGE);
            }
            NvmeEntry oddList = NvmeEntry.of(READ).namespace(1).blocks(0, 32).prp(page, list);
            assertEquals(isQemu ? 0 : 0x13, queue.execute(oddList).code());
        }
    }

    @Test
    void mdts_pagesOf64KiB_countsHostPages() {
        for (boolean isQemu : new boolean[] {false, true}) {
            ControllerHost host =
                    new ControllerHost(isQemu ? DrivePreset.QEMU.builder() : EmulatedNvme.builder()).withPages(16);
            host.enabled(ControllerHost.ENABLED | 4 << 7);
            NvmeHostQueue queue = host.createQueues(1, 8);
            long data = host.pages(1040);
            long list = host.pages(16);
            for (int entry = 0; entry < 65; entry++) {
                host.qword(list + 8L * entry, data);
            }
            NvmeEntry large = NvmeEntry.of(READ).namespace(1).blocks(0, 2048).prp(data, list);
            assertEquals(isQemu ? 0 : 0x02, queue.execute(large).code());
        }
    }

    @Test
    void shutdown_preset_commandsStillDone() {
        ControllerHost host = qemu();
        host.register(ControllerHost.CC, ControllerHost.ENABLED | SHUTDOWN);
        assertEquals(0x9, host.register(ControllerHost.CSTS));
        ControllerHost.assertSuccess(host.admin(NvmeEntry.of(GET_FEATURES).dword(10, 7)));
        host.register(ControllerHost.CC, ControllerHost.ENABLED);
        assertEquals(ControllerHost.READY, host.register(ControllerHost.CSTS));
        host.register(ControllerHost.CC, 0x460000);
        assertEquals(0, host.register(ControllerHost.CC));
        ControllerHost strict = plain();
        strict.register(ControllerHost.CC, ControllerHost.ENABLED | SHUTDOWN);
        strict.admin().submit(NvmeEntry.of(GET_FEATURES).dword(10, 7));
        assertNull(strict.admin().poll());
    }

    @Test
    void enable_otherArbitration_acceptedByPreset() {
        ControllerHost host = new ControllerHost(DrivePreset.QEMU.builder());
        host.enabled(ControllerHost.ENABLED | 1 << 11);
        ControllerHost strict = new ControllerHost();
        strict.setAdminQueues();
        strict.register(ControllerHost.CC, ControllerHost.ENABLED | 1 << 11);
        assertEquals(ControllerHost.FATAL, strict.register(ControllerHost.CSTS));
    }

    @Test
    void features_afterReset_keptByPreset() {
        for (boolean isQemu : new boolean[] {false, true}) {
            ControllerHost host = isQemu ? qemu() : plain();
            ControllerHost.assertSuccess(
                    host.admin(NvmeEntry.of(SET_FEATURES).dword(10, 4).dword(11, 0x160)));
            host.register(ControllerHost.CC, 0);
            host.enabled();
            assertEquals(
                    isQemu ? 0x160 : 0x157,
                    host.admin(NvmeEntry.of(GET_FEATURES).dword(10, 4)).result());
        }
    }

    @Test
    void event_twoRequests_presetCompletesTheLast() {
        for (boolean isQemu : new boolean[] {false, true}) {
            ControllerHost host = isQemu ? qemu() : plain();
            int first = host.admin().submit(NvmeEntry.of(ASYNC_EVENT_REQUEST));
            int second = host.admin().submit(NvmeEntry.of(ASYNC_EVENT_REQUEST));
            host.register(ControllerHost.DOORBELLS + 8 * 5, 1);
            assertEquals(isQemu ? second : first, host.admin().next().command());
        }
    }

    @Test
    void format_withMetadata_zerosAndOtherSize() {
        ControllerHost host = new ControllerHost(DrivePreset.QEMU
                        .builder()
                        .namespace(NamespaceOptions.ofMemory(1 << 20).build()))
                .enabled();
        NvmeHostQueue queue = host.createQueues(1, 8);
        long data = host.pages(2);
        host.pattern(data, 512, 1);
        ControllerHost.assertSuccess(
                queue.execute(NvmeEntry.of(WRITE).namespace(1).blocks(0, 1).prp(data, 0)));
        // Format 5: blocks of 4096 bytes and 8 bytes of metadata, extended.
        ControllerHost.assertSuccess(host.admin(NvmeEntry.of(0x80).namespace(1).dword(10, 0x15)));
        long identified = host.identify(0, 1);
        assertEquals((1 << 20) / 4104, host.qword(identified));
        assertEquals(0x15, host.dword(identified + 24) >>> 16 & 0xff);
        long back = host.pages(2);
        host.pattern(back, 4104, 2);
        ControllerHost.assertSuccess(
                queue.execute(NvmeEntry.of(READ).namespace(1).blocks(0, 1).prp(back, back + ControllerHost.PAGE)));
        host.assertZeros(back, 4104);
    }

    @Test
    void attachment_detachAndAttach_namespaceListed() {
        ControllerHost host = qemu();
        long list = host.pages(1);
        host.dword(list, 1);
        NvmeEntry entry = NvmeEntry.of(0x15).namespace(1).prp(list, 0);
        assertEquals(0x118, host.admin(entry.dword(10, 0)).code());
        ControllerHost.assertSuccess(host.admin(entry.dword(10, 1)));
        assertEquals(0, host.dword(host.identify(2, 0)));
        assertEquals(1, host.dword(host.identify(0x10, 0)));
        assertEquals(0x11a, host.admin(entry.dword(10, 1)).code());
        ControllerHost.assertSuccess(host.admin(entry.dword(10, 0)));
        assertEquals(1, host.dword(host.identify(2, 0)));
    }

    /** QEMU's reports a change of namespaces though Set Features has not enabled that, once until the list was read. */
    @Test
    void attachment_noticesNotEnabled_eventOfPreset() {
        ControllerHost host = qemu();
        long list = host.pages(1);
        host.dword(list, 1);
        int request = host.admin().submit(NvmeEntry.of(ASYNC_EVENT_REQUEST));
        int second = host.admin().submit(NvmeEntry.of(ASYNC_EVENT_REQUEST));
        host.admin().submit(NvmeEntry.of(0x15).namespace(1).prp(list, 0).dword(10, 1));
        Completion event = host.admin().next();
        assertEquals(second, event.command());
        assertEquals(0x40002, event.result());
        ControllerHost.assertSuccess(host.admin().next());
        ControllerHost.assertSuccess(
                host.admin(NvmeEntry.of(0x15).namespace(1).prp(list, 0).dword(10, 0)));
        ControllerHost.assertSuccess(
                host.admin(NvmeEntry.of(GET_LOG_PAGE).prp(host.pages(1), 0).dword(10, 15 << 16 | 4)));
        host.admin().submit(NvmeEntry.of(0x15).namespace(1).prp(list, 0).dword(10, 1));
        assertEquals(request, host.admin().next().command());
    }

    /** The limit of a range is that of the largest blocks since the machine started, told when they are attached. */
    @Test
    void rangeLimit_formatWithLargerBlocks_staysThatOfTheLargest() {
        ControllerHost host = qemu();
        assertRangeLimit(host, 0x3fffff);
        ControllerHost.assertSuccess(host.admin(NvmeEntry.of(0x80).namespace(1).dword(10, 4)));
        assertRangeLimit(host, 0x3fffff);
        host.register(ControllerHost.CC, 0);
        host.enabled();
        assertRangeLimit(host, 0x7ffff);
        ControllerHost.assertSuccess(host.admin(NvmeEntry.of(0x80).namespace(1).dword(10, 0)));
        host.register(ControllerHost.CC, 0);
        host.enabled();
        assertRangeLimit(host, 0x7ffff);
    }

    @Test
    void rangeLimit_namespaceAttachedAgain_thatOfItsBlocks() {
        ControllerHost host = qemu();
        long list = host.pages(1);
        host.dword(list, 1);
        NvmeEntry attachment = NvmeEntry.of(0x15).namespace(1).prp(list, 0);
        ControllerHost.assertSuccess(host.admin(NvmeEntry.of(0x80).namespace(1).dword(10, 4)));
        ControllerHost.assertSuccess(host.admin(attachment.dword(10, 1)));
        assertRangeLimit(host, 0x3fffff);
        ControllerHost.assertSuccess(host.admin(attachment.dword(10, 0)));
        assertRangeLimit(host, 0x7ffff);
    }

    @Test
    void rangeLimit_namespaceWithLargeBlocksFromTheStart_thatOfItsBlocks() {
        EmulatedNvme.Builder drive = DrivePreset.QEMU
                .builder()
                .namespace(NamespaceOptions.ofMemory(1 << 20).blockBytes(4096).build());
        assertRangeLimit(new ControllerHost(drive).enabled(), 0x7ffff);
    }

    private static void assertRangeLimit(ControllerHost host, long blocks) {
        long limits = host.identify(6, 0);
        assertEquals(blocks, host.dword(limits + 4), "DMRSL");
        assertEquals(255 * blocks, host.qword(limits + 8), "DMSL");
    }

    /** QEMU's reads Write Atomicity as it is, whichever value is selected. */
    @Test
    void writeAtomicity_savedValue_currentOneOfPreset() {
        for (boolean isQemu : new boolean[] {false, true}) {
            ControllerHost host = isQemu ? qemu() : plain();
            ControllerHost.assertSuccess(
                    host.admin(NvmeEntry.of(SET_FEATURES).dword(10, 0xa).dword(11, 0x30003)));
            for (int selection = 1; selection <= 2; selection++) {
                assertEquals(
                        isQemu ? 1 : 0,
                        host.admin(NvmeEntry.of(GET_FEATURES).dword(10, selection << 8 | 0xa))
                                .result());
            }
        }
    }

    /**
     * A detached namespace is in the list of changed ones until the list was read, with Retain Asynchronous Event or
     * not.
     */
    @Test
    void changedNamespaces_readWithRetain_clearedByPreset() {
        ControllerHost host = qemu();
        long list = host.pages(1);
        host.dword(list, 1);
        ControllerHost.assertSuccess(
                host.admin(NvmeEntry.of(0x15).namespace(1).prp(list, 0).dword(10, 1)));
        NvmeEntry read = NvmeEntry.of(GET_LOG_PAGE).prp(list, 0).dword(10, 15 << 16 | 1 << 15 | 4);
        ControllerHost.assertSuccess(host.admin(read));
        assertEquals(1, host.dword(list));
        ControllerHost.assertSuccess(host.admin(read));
        assertEquals(0, host.dword(list));
    }

    @Test
    void timestamp_afterReset_notSetByHost() {
        ControllerHost host = qemu();
        long data = host.pages(1);
        host.dword(data, 5_000);
        ControllerHost.assertSuccess(
                host.admin(NvmeEntry.of(SET_FEATURES).prp(data, 0).dword(10, 0xe)));
        NvmeEntry get = NvmeEntry.of(GET_FEATURES).prp(data, 0).dword(10, 0xe);
        ControllerHost.assertSuccess(host.admin(get));
        assertEquals(1L << 49, host.qword(data) & 7L << 48, "set by the host");
        host.register(ControllerHost.CC, 0);
        host.enabled();
        ControllerHost.assertSuccess(host.admin(get));
        assertEquals(0, host.qword(data) & 7L << 48);
    }

    @Test
    void logs_preset_emptyErrorsAndNoSpare() {
        ControllerHost host = qemu();
        assertEquals(0x4001, host.admin(NvmeEntry.of(0x7f)).status());
        long log = host.pages(1);
        ControllerHost.assertSuccess(
                host.admin(NvmeEntry.of(GET_LOG_PAGE).prp(log, 0).dword(10, 15 << 16 | 1)));
        host.assertZeros(log, 64);
        ControllerHost.assertSuccess(
                host.admin(NvmeEntry.of(GET_LOG_PAGE).namespace(-1).prp(log, 0).dword(10, 127 << 16 | 2)));
        assertEquals(0x00014300, host.dword(log));
        assertEquals(0, host.qword(log + 112));
    }

    @Test
    void identify_preset_modelAndLimits() {
        ControllerHost host = qemu();
        long data = host.pages(1);
        ControllerHost.assertSuccess(
                host.admin(NvmeEntry.of(IDENTIFY).prp(data, 0).dword(10, 1)));
        assertEquals(0x554d4551, host.dword(data + 24), "QEMU");
        assertEquals(0x75d, host.dword(data + 520) & 0xffff, "ONCS, without Verify");
        long limits = host.identify(6, 0);
        assertEquals(7, host.dword(limits) & 0xff, "VSL");
        assertEquals(0xff, host.dword(limits) >>> 24, "DMRL");
        assertEquals(0x3fffff, host.dword(limits + 4), "DMRSL");
    }

    @Test
    void of_labels_everyPreset() {
        for (DrivePreset preset : DrivePreset.values()) {
            assertEquals(Optional.of(preset), DrivePreset.of(preset.label()));
        }
        assertEquals(Optional.empty(), DrivePreset.of("none"));
    }
}
