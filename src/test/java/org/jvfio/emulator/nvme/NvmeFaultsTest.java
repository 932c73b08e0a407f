package org.jvfio.emulator.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.jvfio.emulator.nvme.ControllerHost.CC;
import static org.jvfio.emulator.nvme.ControllerHost.CSTS;
import static org.jvfio.emulator.nvme.ControllerHost.ENABLED;
import static org.jvfio.emulator.nvme.ControllerHost.FATAL;
import static org.jvfio.emulator.nvme.ControllerHost.PAGE;
import static org.jvfio.emulator.nvme.ControllerHost.READY;
import static org.jvfio.emulator.nvme.ControllerHost.assertStatus;
import static org.jvfio.emulator.nvme.ControllerHost.assertSuccess;
import static org.jvfio.fixture.nvme.Opcodes.ABORT;
import static org.jvfio.fixture.nvme.Opcodes.FLUSH;
import static org.jvfio.fixture.nvme.Opcodes.IDENTIFY;
import static org.jvfio.fixture.nvme.Opcodes.READ;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.jvfio.emulator.nvme.NvmeFault.Commands;
import org.jvfio.emulator.nvme.NvmeFault.Effect;
import org.jvfio.emulator.nvme.NvmeFault.Occurrence;
import org.jvfio.emulator.nvme.NvmeFaults.Transition;
import org.jvfio.fixture.nvme.NvmeEntry;
import org.jvfio.fixture.nvme.NvmeHostQueue;
import org.jvfio.fixture.nvme.NvmeHostQueue.Completion;

/** What goes wrong with a controller that was told to go wrong. */
class NvmeFaultsTest {
    private static final int COMMAND_ABORT_REQUESTED = 0x07;
    private static final int COMMAND_ABORTED_DUE_TO_SQ_DELETION = 0x08;
    private static final int ABORT_COMMAND_LIMIT_EXCEEDED = 0x103;
    private static final int COMMAND_ID_CONFLICT = 0x03;
    private static final Duration MILLISECOND = Duration.ofMillis(1);

    private static ControllerHost host(NvmeFaults faults) {
        return new ControllerHost(
                EmulatedNvme.builder().namespace(1 << 20).namespace(1 << 20).faults(faults));
    }

    private static NvmeFaults fault(Commands commands, Occurrence occurrence, Effect effect) {
        return NvmeFaults.seeded(1).with(commands, occurrence, effect);
    }

    private static NvmeEntry flush() {
        return NvmeEntry.of(FLUSH).namespace(1);
    }

    @Test
    void latency_commands_completeAfterTheirTime() {
        ControllerHost host =
                host(NvmeFaults.seeded(1).withLatency(MILLISECOND, MILLISECOND)).enabled();
        NvmeHostQueue queue = host.createQueues(1, 8, 3, true);
        host.takeMessages();
        queue.add(flush());
        queue.submit(flush());
        host.pass(MILLISECOND.minusNanos(1));
        assertNull(queue.poll());
        assertEquals(List.of(), host.takeMessages());
        host.pass(Duration.ofNanos(1));
        assertSuccess(queue.next());
        assertSuccess(queue.next());
        assertEquals(List.of(3, 3), host.takeMessages());
    }

    @Test
    void latency_read_dataAtCompletion() {
        ControllerHost host =
                host(NvmeFaults.seeded(1).withLatency(MILLISECOND, MILLISECOND)).enabled();
        NvmeHostQueue queue = host.createQueues(1, 8);
        long data = host.pages(1);
        host.pattern(data, PAGE, 1);
        queue.submit(NvmeEntry.of(0x01).namespace(1).blocks(0, 8).prp(data, 0));
        host.pattern(data, PAGE, 2);
        host.pass(MILLISECOND);
        assertSuccess(queue.next());
        queue.submit(NvmeEntry.of(READ).namespace(1).blocks(0, 8).prp(data, 0));
        host.pattern(data, PAGE, 3);
        host.pass(MILLISECOND);
        assertSuccess(queue.next());
        host.assertPattern(data, PAGE, 2);
    }

    /** The order in which 30 commands complete that take random time. */
    private static List<Integer> order(long seed) {
        ControllerHost host = host(NvmeFaults.seeded(seed).withLatency(MILLISECOND, MILLISECOND.multipliedBy(10)))
                .enabled();
        NvmeHostQueue queue = host.createQueues(1, 64);
        for (int command = 0; command < 30; command++) {
            queue.addAs(command, flush());
        }
        queue.ring();
        host.pass(MILLISECOND.minusNanos(1));
        assertNull(queue.poll());
        host.pass(MILLISECOND.multipliedBy(9).plusNanos(1));
        List<Integer> order = new ArrayList<>();
        for (int count = 0; count < 30; count++) {
            order.add(assertSuccess(queue.next()).command());
        }
        return order;
    }

    @Test
    void latency_random_orderOfTheSeed() {
        assertEquals(order(1), order(1));
        assertNotEquals(order(1), order(2));
        assertEquals(30, Set.copyOf(order(3)).size());
        assertNotEquals(new ArrayList<>(new TreeSet<>(order(4))), order(4));
    }

    @Test
    void latency_completionQueueFull_completeWhenConsumed() {
        ControllerHost host =
                host(NvmeFaults.seeded(1).withLatency(MILLISECOND, MILLISECOND)).enabled();
        NvmeHostQueue queue = new NvmeHostQueue(host, 1, 16, 4);
        assertSuccess(host.admin(NvmeEntry.createCompletionQueue(1, 4, queue.completions(), 0, 1)));
        assertSuccess(host.admin(NvmeEntry.createSubmissionQueue(1, 16, queue.submissions(), 1, 1)));
        for (int command = 0; command < 10; command++) {
            queue.addAs(command, flush());
        }
        queue.ring();
        host.pass(MILLISECOND);
        for (int command = 0; command < 10; command++) {
            assertEquals(command, assertSuccess(queue.next()).command());
        }
        assertNull(queue.poll());
    }

    @Test
    void abort_commandInFlight_aborted() {
        ControllerHost host =
                host(NvmeFaults.seeded(1).withLatency(MILLISECOND, MILLISECOND)).enabled();
        NvmeHostQueue queue = host.createQueues(1, 8);
        int command = queue.submit(flush());
        Completion abort = assertSuccess(host.admin(NvmeEntry.of(ABORT).dword(10, command << 16 | 1)));
        assertEquals(0, abort.result());
        assertStatus(COMMAND_ABORT_REQUESTED, queue.next());
        host.pass(MILLISECOND);
        assertNull(queue.poll());
    }

    @Test
    void submit_identifierInFlight_conflict() {
        ControllerHost host =
                host(NvmeFaults.seeded(1).withLatency(MILLISECOND, MILLISECOND)).enabled();
        NvmeHostQueue queue = host.createQueues(1, 8);
        queue.addAs(5, flush());
        queue.addAs(5, flush());
        queue.ring();
        assertStatus(COMMAND_ID_CONFLICT, queue.next());
        host.pass(MILLISECOND);
        assertSuccess(queue.next());
    }

    @Test
    void abort_fifthInFlight_limitExceeded() {
        ControllerHost host = host(fault(Commands.admin(ABORT), Occurrence.always(), new Effect.Lost(true)))
                .enabled();
        for (int abort = 0; abort < 4; abort++) {
            host.admin().submit(NvmeEntry.of(ABORT).dword(10, 0));
        }
        assertNull(host.admin().poll());
        assertStatus(
                ABORT_COMMAND_LIMIT_EXCEEDED, host.admin(NvmeEntry.of(ABORT).dword(10, 0)));
    }

    @Test
    void lost_abortable_endsByAbortOrDeletion() {
        ControllerHost host = host(fault(Commands.io(FLUSH), new Occurrence.Every(2), new Effect.Lost(true)))
                .enabled();
        NvmeHostQueue queue = host.createQueues(1, 8);
        assertSuccess(queue.execute(flush()));
        int first = queue.submit(flush());
        host.pass(Duration.ofHours(1));
        assertNull(queue.poll());
        assertEquals(
                0,
                assertSuccess(host.admin(NvmeEntry.of(ABORT).dword(10, first << 16 | 1)))
                        .result());
        assertStatus(COMMAND_ABORT_REQUESTED, queue.next());
        assertSuccess(queue.execute(flush()));
        queue.submit(flush());
        assertSuccess(host.admin(NvmeEntry.of(0x00).dword(10, 1)));
        assertStatus(COMMAND_ABORTED_DUE_TO_SQ_DELETION, queue.next());
    }

    @Test
    void deleteQueue_lastCompletion_noInterrupt() {
        ControllerHost host = host(fault(Commands.anyIo(), Occurrence.always(), new Effect.Lost(true)))
                .withLine()
                .enabled();
        NvmeHostQueue queue = host.createQueues(1, 8, 0, true);
        queue.submit(flush());
        host.admin().add(NvmeEntry.of(0x00).dword(10, 1));
        host.admin().submit(NvmeEntry.of(0x04).dword(10, 1));
        assertStatus(COMMAND_ABORTED_DUE_TO_SQ_DELETION, queue.next());
        assertTrue(host.line());
        assertSuccess(host.admin().next());
        assertSuccess(host.admin().next());
        assertFalse(host.line());
    }

    @Test
    void lost_notAbortable_abortFails() {
        ControllerHost host = host(fault(Commands.anyIo(), new Occurrence.Nth(1), new Effect.Lost(false)))
                .enabled();
        NvmeHostQueue queue = host.createQueues(1, 8);
        int lost = queue.submit(flush());
        assertEquals(
                1,
                assertSuccess(host.admin(NvmeEntry.of(ABORT).dword(10, lost << 16 | 1)))
                        .result());
        assertSuccess(queue.execute(flush()));
        assertSuccess(host.admin(NvmeEntry.of(0x00).dword(10, 1)));
        assertNull(queue.poll());
        host.register(CC, 0);
        host.enabled();
    }

    @Test
    void reset_commandsInFlight_forgotten() {
        ControllerHost host =
                host(NvmeFaults.seeded(1).withLatency(MILLISECOND, MILLISECOND)).enabled();
        NvmeHostQueue queue = host.createQueues(1, 8);
        queue.submit(flush());
        host.register(CC, 0);
        host.enabled();
        NvmeHostQueue again = host.createQueues(1, 8);
        host.pass(MILLISECOND);
        assertNull(queue.poll());
        assertNull(again.poll());
    }

    @Test
    void lostInterrupt_message_nextOneReports() {
        ControllerHost host = host(fault(Commands.io(FLUSH), new Occurrence.Nth(1), new Effect.LostInterrupt()))
                .enabled();
        NvmeHostQueue queue = host.createQueues(1, 8, 3, true);
        host.takeMessages();
        queue.submit(flush());
        assertEquals(List.of(), host.takeMessages());
        queue.submit(flush());
        assertEquals(List.of(3), host.takeMessages());
        assertSuccess(queue.next());
        assertSuccess(queue.next());
    }

    @Test
    void lostInterrupt_intx_nextCompletionAsserts() {
        ControllerHost host = host(fault(Commands.io(FLUSH), new Occurrence.Nth(1), new Effect.LostInterrupt()))
                .withLine()
                .enabled();
        NvmeHostQueue queue = host.createQueues(1, 8, 0, true);
        queue.submit(flush());
        assertFalse(host.line());
        queue.submit(flush());
        assertTrue(host.line());
        assertSuccess(queue.next());
        assertSuccess(queue.next());
        assertFalse(host.line());
    }

    @Test
    void lostInterrupt_asyncEventRequest_othersKeepTheirs() {
        ControllerHost host = host(fault(Commands.admin(0x0c), Occurrence.always(), new Effect.LostInterrupt()))
                .enabled();
        host.admin().submit(NvmeEntry.of(0x0c));
        host.takeMessages();
        assertSuccess(host.admin(NvmeEntry.of(ABORT).dword(10, 77 << 16)));
        assertEquals(List.of(0), host.takeMessages());
    }

    @Test
    void status_nthCommand_returnedWithoutExecution() {
        ControllerHost host = host(fault(Commands.io(READ), new Occurrence.Nth(2), new Effect.Status(2, 0x81, true))
                        .with(Commands.io(READ), new Occurrence.Nth(3), new Effect.Status(0, 0x06, false)))
                .enabled();
        NvmeHostQueue queue = host.createQueues(1, 8);
        long data = host.pages(1);
        NvmeEntry read = NvmeEntry.of(READ).namespace(1).blocks(0, 8).prp(data, 0);
        assertSuccess(queue.execute(read));
        host.pattern(data, PAGE, 1);
        assertEquals(0x2281, queue.execute(read).status(), "more in the log, a media error, a retry may help");
        assertEquals(0x6006, queue.execute(read).status());
        host.assertPattern(data, PAGE, 1);
        assertSuccess(queue.execute(read));
    }

    @Test
    void doubled_nthCommand_twoCompletions() {
        ControllerHost host = host(fault(Commands.anyIo(), new Occurrence.Nth(2), new Effect.Doubled()))
                .enabled();
        NvmeHostQueue queue = host.createQueues(1, 8);
        assertSuccess(queue.execute(flush()));
        int doubled = queue.submit(flush());
        assertEquals(doubled, assertSuccess(queue.next()).command());
        assertEquals(doubled, assertSuccess(queue.next()).command());
        assertNull(queue.poll());
    }

    @Test
    void completionBits_anySeed_flipped() {
        int flipped = 0;
        for (int seed = 0; seed < 50; seed++) {
            ControllerHost host = host(NvmeFaults.seeded(seed)
                            .with(Commands.anyIo(), new Occurrence.Nth(1), new Effect.CompletionBits(1)))
                    .enabled();
            NvmeHostQueue queue = host.createQueues(1, 8);
            int command = queue.submit(flush());
            long entry = queue.completions();
            long first = host.qword(entry);
            long second = host.qword(entry + 8);
            long right = (long) (1 << 16 | command) << 32 | 1L << 16 | 1;
            assertEquals(1, Long.bitCount(first) + Long.bitCount(second ^ right), "seed " + seed);
            flipped += Long.bitCount(first);
        }
        assertTrue(flipped > 10 && flipped < 40, "both halves are hit");
    }

    @Test
    void completionBits_partOfTheEntry_onlyThereFlipped() {
        for (int seed = 0; seed < 50; seed++) {
            ControllerHost host = host(NvmeFaults.seeded(seed)
                            .with(Commands.anyIo(), new Occurrence.Nth(1), new Effect.CompletionBits(3, 56, 16)))
                    .enabled();
            NvmeHostQueue queue = host.createQueues(1, 8);
            int command = queue.submit(flush());
            long entry = queue.completions();
            long right = (long) (1 << 16 | command) << 32 | 1L << 16 | 1;
            long first = host.qword(entry);
            long second = host.qword(entry + 8) ^ right;
            assertEquals(0, first & -1L >>> 8, "below bit 56");
            assertEquals(0, second >>> 8, "from bit 72 on");
            assertTrue((Long.bitCount(first) + Long.bitCount(second)) % 2 == 1, "three, or one that was drawn twice");
        }
    }

    @Test
    void scribble_nthCommand_otherEntriesOverwritten() {
        ControllerHost host = host(fault(Commands.anyIo(), new Occurrence.Nth(2), new Effect.Scribble(3)))
                .enabled();
        NvmeHostQueue queue = host.createQueues(1, 4);
        assertSuccess(queue.execute(flush()));
        long entries = queue.completions();
        long consumed = host.qword(entries + 8);
        int command = queue.submit(flush());
        assertEquals(command, assertSuccess(queue.next()).command());
        assertNotEquals(0, host.qword(entries + 2 * 16));
        assertNotEquals(0, host.qword(entries + 3 * 16));
        assertEquals(consumed, host.qword(entries + 8), "three are overwritten, not four");
        ControllerHost small = host(fault(Commands.anyIo(), new Occurrence.Nth(1), new Effect.Scribble(1000)))
                .enabled();
        NvmeHostQueue other = small.createQueues(1, 4);
        other.submit(flush());
        small.assertZeros(other.completions() + 4 * 16, PAGE - 4 * 16);
    }

    @Test
    void stalled_queue_untilCreatedAgain() {
        ControllerHost host = host(fault(Commands.io(FLUSH), new Occurrence.Nth(2), new Effect.Stalled()))
                .enabled();
        NvmeHostQueue queue = host.createQueues(1, 8);
        NvmeHostQueue other = host.createQueues(2, 8);
        queue.add(flush());
        int stalled = queue.add(flush());
        int behind = queue.submit(flush());
        assertSuccess(queue.next());
        host.pass(Duration.ofHours(1));
        assertNull(queue.poll());
        assertSuccess(other.execute(flush()));
        for (int command : new int[] {stalled, behind}) {
            assertEquals(
                    1,
                    assertSuccess(host.admin(NvmeEntry.of(ABORT).dword(10, command << 16 | 1)))
                            .result());
        }
        assertNull(queue.poll());
        assertSuccess(host.admin(NvmeEntry.of(0x00).dword(10, 1)));
        assertSuccess(host.admin(NvmeEntry.of(0x04).dword(10, 1)));
        assertSuccess(host.createQueues(1, 8).execute(flush()));
    }

    @Test
    void hung_controller_ignoresTheHost() {
        ControllerHost host = host(fault(Commands.io(FLUSH), new Occurrence.Nth(2), new Effect.Hung())
                        .withLatency(MILLISECOND, MILLISECOND))
                .enabled();
        NvmeHostQueue queue = host.createQueues(1, 8);
        queue.add(flush());
        queue.add(flush());
        queue.submit(flush());
        host.pass(Duration.ofHours(1));
        assertNull(queue.poll());
        host.register(CC, 0);
        host.device().reset();
        assertEquals(READY, host.register(CSTS));
        assertEquals(ENABLED, host.register(CC));
        host.admin().submit(NvmeEntry.of(IDENTIFY));
        assertNull(host.admin().poll());
    }

    @Test
    void wrongStatus_reads_sometimesFlipped() {
        ControllerHost host = host(NvmeFaults.seeded(1).withWrongStatus(0.25, 2));
        int wrong = 0;
        for (int read = 0; read < 1000; read++) {
            int status = host.register(CSTS);
            assertTrue(status == 0 || Integer.bitCount(status) == 2);
            wrong += status == 0 ? 0 : 1;
        }
        assertTrue(wrong > 180 && wrong < 320, wrong + " of 1000");
        assertEquals(-1, host(NvmeFaults.NONE.withWrongStatus(1, 32)).register(CSTS));
    }

    @Test
    void dataBits_identify_flipped() {
        ControllerHost right = host(NvmeFaults.NONE).enabled();
        ControllerHost wrong = host(fault(Commands.admin(IDENTIFY), new Occurrence.Every(2), new Effect.DataBits(20)))
                .enabled();
        long expected = right.identify(1, 0);
        assertEquals(-1, right.at(expected, PAGE).mismatch(wrong.at(wrong.identify(1, 0), PAGE)));
        long flipped = wrong.identify(1, 0);
        int bits = 0;
        for (int at = 0; at < PAGE; at += 8) {
            bits += Long.bitCount(right.qword(expected + at) ^ wrong.qword(flipped + at));
        }
        assertTrue(bits > 10 && bits <= 20, bits + " bits are wrong");
    }

    @Test
    void dataBits_writes_notFlipped() {
        ControllerHost host = host(fault(Commands.anyIo(), Occurrence.always(), new Effect.DataBits(100))
                        .with(Commands.anyAdmin(), Occurrence.always(), new Effect.DataBits(100)))
                .enabled();
        NvmeHostQueue queue = host.createQueues(1, 8);
        long data = host.pages(2);
        host.pattern(data, 2 * PAGE, 1);
        assertSuccess(
                queue.execute(NvmeEntry.of(0x01).namespace(1).blocks(0, 16).prp(data, data + PAGE)));
        host.assertPattern(data, 2 * PAGE, 1);
        assertSuccess(
                queue.execute(NvmeEntry.of(READ).namespace(1).blocks(0, 16).prp(data, data + PAGE)));
        assertThrows(AssertionError.class, () -> host.assertPattern(data, 2 * PAGE, 1));
        assertSuccess(host.admin(NvmeEntry.of(0x0a).dword(10, 7)));
    }

    @Test
    void fatal_nthCommand_csts() {
        ControllerHost host = host(fault(Commands.anyIo(), new Occurrence.Nth(2), new Effect.Fatal()))
                .enabled();
        NvmeHostQueue queue = host.createQueues(1, 8);
        queue.add(flush());
        queue.add(flush());
        queue.submit(flush());
        assertSuccess(queue.next());
        assertNull(queue.poll());
        assertEquals(FATAL, host.register(CSTS));
        host.admin().submit(NvmeEntry.of(IDENTIFY));
        assertNull(host.admin().poll());
        host.register(CC, 0);
        assertEquals(0, host.register(CSTS));
        host.enabled();
        assertSuccess(host.createQueues(1, 8).execute(flush()));
    }

    @Test
    void readyDelay_enable_readyLater() {
        ControllerHost host = host(NvmeFaults.seeded(1).withReadyDelay(MILLISECOND));
        host.setAdminQueues();
        host.register(CC, ENABLED);
        host.pass(MILLISECOND.minusNanos(1));
        assertEquals(0, host.register(CSTS));
        host.admin().submit(NvmeEntry.of(0x0a).dword(10, 7));
        assertNull(host.admin().poll());
        host.register(CC, 0);
        host.pass(MILLISECOND);
        assertEquals(0, host.register(CSTS), "it was disabled before");
        host.setAdminQueues();
        host.register(CC, ENABLED);
        host.pass(MILLISECOND);
        assertEquals(READY, host.register(CSTS));
        assertSuccess(host.admin(NvmeEntry.of(0x0a).dword(10, 7)));
    }

    @Test
    void stuck_enable_neverReady() {
        ControllerHost host = host(NvmeFaults.seeded(1).withStuck(Transition.ENABLE));
        host.setAdminQueues();
        host.register(CC, ENABLED);
        host.pass(Duration.ofHours(1));
        assertEquals(0, host.register(CSTS));
    }

    @Test
    void stuck_disable_staysReady() {
        ControllerHost host =
                host(NvmeFaults.seeded(1).withStuck(Transition.DISABLE)).enabled();
        host.register(CC, 0);
        host.pass(Duration.ofHours(1));
        assertEquals(READY, host.register(CSTS));
        host.device().reset();
        assertEquals(0, host.register(CSTS));
    }

    @Test
    void stuck_shutdown_neverComplete() {
        ControllerHost host =
                host(NvmeFaults.seeded(1).withStuck(Transition.SHUTDOWN)).enabled();
        host.register(CC, ENABLED | 1 << 14);
        host.pass(Duration.ofHours(1));
        assertEquals(READY | 1 << 2, host.register(CSTS));
        host.register(CC, 0);
        host.enabled();
    }

    @Test
    void capabilities_seed_flipped() {
        long right = host(NvmeFaults.NONE).register64(ControllerHost.CAP);
        long wrong = host(NvmeFaults.seeded(5).withCapabilityBits(7)).register64(ControllerHost.CAP);
        assertEquals(7, Long.bitCount(right ^ wrong));
        assertEquals(wrong, host(NvmeFaults.seeded(5).withCapabilityBits(7)).register64(ControllerHost.CAP));
        assertEquals(~right, host(NvmeFaults.seeded(5).withCapabilityBits(64)).register64(ControllerHost.CAP));
    }

    @Test
    void randomly_manyCommands_asProbable() {
        ControllerHost host = host(fault(
                        Commands.anyIo(), new Occurrence.Randomly(0.25), new Effect.Status(0, 0x06, true)))
                .enabled();
        NvmeHostQueue queue = host.createQueues(1, 8);
        int failed = 0;
        for (int count = 0; count < 1000; count++) {
            failed += queue.execute(flush()).status() == 0 ? 0 : 1;
        }
        assertTrue(failed > 180 && failed < 320, failed + " of 1000");
    }

    @Test
    void temperature_overThreshold_asyncEvent() {
        ControllerHost host = host(fault(Commands.io(FLUSH), new Occurrence.Nth(1), new Effect.Temperature(400))
                        .with(Commands.io(FLUSH), new Occurrence.Nth(2), new Effect.Temperature(300)))
                .enabled();
        NvmeHostQueue queue = host.createQueues(1, 8);
        assertSuccess(host.admin(NvmeEntry.of(0x09).dword(10, 0x0b).dword(11, 2)));
        host.admin().submit(NvmeEntry.of(0x0c));
        assertSuccess(queue.execute(flush()));
        assertEquals(0x020101, assertSuccess(host.admin().next()).result());
        long log = host.pages(1);
        NvmeEntry health = NvmeEntry.of(0x02).prp(log, 0).dword(10, 127 << 16 | 2);
        assertSuccess(host.admin(health));
        assertEquals(0x019002, host.dword(log) & 0xffffff, "a warning, and 400 kelvin");
        assertSuccess(queue.execute(flush()));
        assertSuccess(host.admin(health));
        assertEquals(0x012c00, host.dword(log) & 0xffffff);
    }

    @Test
    void attachment_detached_asyncEventAndGone() {
        ControllerHost host = host(fault(Commands.io(FLUSH), new Occurrence.Nth(1), new Effect.Attachment(2, false))
                        .with(Commands.io(FLUSH), new Occurrence.Nth(2), new Effect.Attachment(2, true))
                        .with(Commands.io(FLUSH), new Occurrence.Nth(3), new Effect.Attachment(9, true)))
                .enabled();
        NvmeHostQueue queue = host.createQueues(1, 8);
        assertSuccess(host.admin(NvmeEntry.of(0x09).dword(10, 0x0b).dword(11, 1 << 8)));
        host.admin().submit(NvmeEntry.of(0x0c));
        assertSuccess(queue.execute(flush()));
        assertEquals(0x040002, assertSuccess(host.admin().next()).result());
        assertEquals(1, host.qword(host.identify(0x02, 0)), "the active namespaces");
        assertEquals(1L | 2L << 32, host.qword(host.identify(0x10, 0)), "the allocated ones");
        host.assertZeros(host.identify(0x00, 2), PAGE);
        assertEquals(2048, host.qword(host.identify(0x11, 2)));
        assertStatus(
                0x02, queue.execute(NvmeEntry.of(READ).namespace(2).blocks(0, 1).prp(host.pages(1), 0)));
        long log = host.pages(1);
        NvmeEntry changed = NvmeEntry.of(0x02).prp(log, 0).dword(10, 1023 << 16 | 4);
        assertSuccess(host.admin(changed));
        assertEquals(2, host.qword(log));
        assertSuccess(host.admin(changed));
        assertEquals(0, host.qword(log), "told once");
        host.admin().submit(NvmeEntry.of(0x0c));
        assertSuccess(queue.execute(flush()));
        assertNotNull(host.admin().poll());
        host.admin().acknowledge();
        assertEquals(1L | 2L << 32, host.qword(host.identify(0x02, 0)));
        assertSuccess(queue.execute(flush()));
    }

    @Test
    void faults_outOfRange_illegalArgument() {
        assertThrows(IllegalArgumentException.class, () -> Commands.io(256));
        assertThrows(IllegalArgumentException.class, () -> Commands.admin(-1));
        assertThrows(IllegalArgumentException.class, () -> new Occurrence.Nth(0));
        assertThrows(IllegalArgumentException.class, () -> new Occurrence.Every(0));
        assertThrows(IllegalArgumentException.class, () -> new Occurrence.Randomly(1.5));
        assertThrows(IllegalArgumentException.class, () -> new Occurrence.Randomly(Double.NaN));
        assertThrows(IllegalArgumentException.class, () -> new Effect.Status(8, 0, false));
        assertThrows(IllegalArgumentException.class, () -> new Effect.Status(0, 256, false));
        assertThrows(IllegalArgumentException.class, () -> new Effect.Delay(MILLISECOND, Duration.ZERO));
        assertThrows(IllegalArgumentException.class, () -> new Effect.Delay(MILLISECOND, Duration.ofDays(2)));
        assertThrows(IllegalArgumentException.class, () -> new Effect.CompletionBits(0));
        assertThrows(IllegalArgumentException.class, () -> new Effect.CompletionBits(1, -1, 2));
        assertThrows(IllegalArgumentException.class, () -> new Effect.CompletionBits(1, 127, 2));
        assertThrows(IllegalArgumentException.class, () -> new Effect.CompletionBits(1, 0, 0));
        assertThrows(IllegalArgumentException.class, () -> new Effect.CompletionBits(3, 96, 2));
        assertThrows(IllegalArgumentException.class, () -> new Effect.Scribble(0));
        assertThrows(IllegalArgumentException.class, () -> new Effect.DataBits(0));
        assertThrows(IllegalArgumentException.class, () -> new Effect.Temperature(-1));
        assertThrows(IllegalArgumentException.class, () -> NvmeFaults.NONE.withCapabilityBits(65));
        assertThrows(IllegalArgumentException.class, () -> NvmeFaults.NONE.withWrongStatus(1.5, 1));
        assertThrows(IllegalArgumentException.class, () -> NvmeFaults.NONE.withWrongStatus(1, 33));
        assertThrows(IllegalArgumentException.class, () -> NvmeFaults.NONE.withReadyDelay(Duration.ofMillis(-1)));
    }
}
