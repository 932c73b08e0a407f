package org.jvfio.emulator.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.jvfio.emulator.nvme.ControllerHost.INTMC;
import static org.jvfio.emulator.nvme.ControllerHost.INTMS;
import static org.jvfio.emulator.nvme.ControllerHost.assertStatus;
import static org.jvfio.emulator.nvme.ControllerHost.assertSuccess;

import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.jvfio.fixture.nvme.NvmeEntry;
import org.jvfio.fixture.nvme.NvmeHostQueue;
import org.jvfio.fixture.nvme.NvmeHostQueue.Completion;

/** Queues, their doorbells and their interrupts: NVM Express 1.4, 4.1, 4.6 and 7.5. */
class NvmeQueuesTest {
    private ControllerHost host = new ControllerHost(EmulatedNvme.builder().namespace(1 << 20)).enabled();

    private static NvmeEntry flush() {
        return NvmeEntry.of(0x00).namespace(1);
    }

    @Test
    void submit_noDoorbell_notExecuted() {
        NvmeHostQueue queue = host.createQueues(1, 4);
        queue.add(flush());
        assertNull(queue.poll());
        queue.ring();
        assertSuccess(queue.next());
        assertNull(queue.poll());
    }

    @Test
    void doorbell_severalCommands_inOrder() {
        NvmeHostQueue queue = host.createQueues(1, 64);
        for (int round = 0; round < 5; round++) {
            int first = queue.add(flush());
            for (int count = 1; count < 40; count++) {
                queue.add(flush());
            }
            queue.ring();
            for (int count = 0; count < 40; count++) {
                Completion completion = assertSuccess(queue.next());
                assertEquals(first + count, completion.command());
                assertEquals(1, completion.queue());
            }
            assertNull(queue.poll());
        }
    }

    @Test
    void completion_sqHead_consumedEntries() {
        NvmeHostQueue queue = host.createQueues(1, 4);
        for (int count = 1; count <= 9; count++) {
            assertEquals(count % 4, queue.execute(flush()).head());
        }
    }

    @Test
    void createQueues_minAndMaxEntries_work() {
        NvmeHostQueue least = host.createQueues(1, 2);
        NvmeHostQueue most = host.createQueues(2, 2048);
        for (int count = 0; count < 5; count++) {
            assertSuccess(least.execute(flush()));
        }
        for (int round = 0; round < 3; round++) {
            for (int count = 0; count < 2047; count++) {
                most.add(flush());
            }
            most.ring();
            for (int count = 0; count < 2047; count++) {
                assertNotNull(most.poll());
            }
            most.acknowledge();
        }
    }

    @Test
    void submit_completionQueueFull_wait() {
        NvmeHostQueue queue = new NvmeHostQueue(host, 1, 16, 4);
        assertSuccess(host.admin(NvmeEntry.createCompletionQueue(1, 4, queue.completions(), 0, 1)));
        assertSuccess(host.admin(NvmeEntry.createSubmissionQueue(1, 16, queue.submissions(), 1, 1)));
        int first = queue.add(flush());
        for (int count = 1; count < 10; count++) {
            queue.add(flush());
        }
        queue.ring();
        int seen = 0;
        while (seen < 10) {
            int room = 0;
            for (Completion each = queue.poll(); each != null; each = queue.poll()) {
                assertEquals(first + seen, each.command());
                seen++;
                room++;
            }
            assertTrue(room > 0 && room <= 3, "a queue of 4 entries has room for 3");
            queue.acknowledge();
        }
        assertNull(queue.poll());
    }

    @Test
    void submit_sharedCompletionQueue_completed() {
        NvmeHostQueue queue = host.createQueues(1, 4);
        long submissions = host.pages(1);
        assertSuccess(host.admin(NvmeEntry.createSubmissionQueue(2, 4, submissions, 1, 1)));
        host.dword(submissions, 0x77 << 16);
        host.dword(submissions + 4, 1);
        host.register(ControllerHost.DOORBELLS + 16, 1);
        Completion other = queue.next();
        assertEquals(2, other.queue());
        assertEquals(0x77, other.command());
        assertEquals(1, queue.execute(flush()).queue());
    }

    @Test
    void deleteQueue_used_ignored() {
        NvmeHostQueue queue = host.createQueues(1, 4);
        assertSuccess(host.admin(NvmeEntry.of(0x00).dword(10, 1)));
        queue.submit(flush());
        assertNull(queue.poll());
    }

    @Test
    void doorbell_beyondQueue_asyncEvent() {
        NvmeHostQueue queue = host.createQueues(1, 4);
        host.admin().submit(NvmeEntry.of(0x0c));
        queue.ring(4);
        assertSuccess(host.admin().next());
        assertNull(queue.poll());
        assertSuccess(queue.execute(flush()));
    }

    @Test
    void doorbell_consumesTooMuch_asyncEvent() {
        NvmeHostQueue queue = host.createQueues(1, 8);
        queue.submit(flush());
        host.admin().submit(NvmeEntry.of(0x0c));
        queue.acknowledge(2);
        assertEquals(0x010100, assertSuccess(host.admin().next()).result());
        assertSuccess(queue.next());
        assertSuccess(queue.execute(flush()));
    }

    @Test
    void doorbell_overFreeSlots_asyncEvent() {
        NvmeHostQueue full = new NvmeHostQueue(host, 1, 4, 2);
        assertSuccess(host.admin(NvmeEntry.createCompletionQueue(1, 2, full.completions(), 0, 1)));
        assertSuccess(host.admin(NvmeEntry.createSubmissionQueue(1, 4, full.submissions(), 1, 1)));
        full.add(flush());
        full.add(flush());
        full.add(flush());
        full.ring();
        host.admin().submit(NvmeEntry.of(0x0c));
        full.ring(2);
        assertEquals(0x010100, assertSuccess(host.admin().next()).result(), "the tail went past the head");
        assertSuccess(full.next());
        assertSuccess(full.next());
        assertSuccess(full.next());
    }

    @Test
    void doorbell_severalCompletions_oneMessage() {
        NvmeHostQueue first = host.createQueues(1, 16, 7, true);
        NvmeHostQueue second = host.createQueues(2, 16, 64, true);
        host.takeMessages();
        for (int count = 0; count < 10; count++) {
            first.add(flush());
        }
        first.ring();
        second.submit(flush());
        assertEquals(List.of(7, 64), host.takeMessages());
        first.acknowledge(5);
        assertEquals(List.of(), host.takeMessages());
        assertFalse(host.line());
    }

    @Test
    void completion_interruptsDisabled_noMessage() {
        NvmeHostQueue queue = host.createQueues(1, 16, 7, false);
        host.takeMessages();
        queue.submit(flush());
        assertSuccess(queue.next());
        assertEquals(List.of(), host.takeMessages());
    }

    @Test
    void completion_adminQueue_vectorZero() {
        host.takeMessages();
        host.admin().submit(NvmeEntry.of(0x0a).dword(10, 7));
        assertEquals(List.of(0), host.takeMessages());
    }

    @Test
    void intx_completionsPending_asserted() {
        host.withLine();
        NvmeHostQueue queue = host.createQueues(1, 16, 0, true);
        assertFalse(host.line());
        queue.add(flush());
        queue.submit(flush());
        assertTrue(host.line());
        assertSuccess(queue.next());
        assertTrue(host.line(), "one more is there");
        assertSuccess(queue.next());
        assertFalse(host.line());
        assertEquals(List.of(), host.takeMessages());
    }

    @Test
    void intx_severalQueues_assertedUntilAllConsumed() {
        host.withLine();
        NvmeHostQueue queue = host.createQueues(1, 16, 0, true);
        queue.submit(flush());
        host.admin().submit(NvmeEntry.of(0x0a).dword(10, 7));
        assertSuccess(queue.next());
        assertTrue(host.line(), "the admin queue's completion is there");
        assertSuccess(host.admin().next());
        assertFalse(host.line());
    }

    @Test
    void intx_maskedVector_notAsserted() {
        host.withLine();
        NvmeHostQueue queue = host.createQueues(1, 16, 0, true);
        host.register(INTMS, 1);
        queue.submit(flush());
        assertFalse(host.line());
        host.register(INTMC, 1);
        assertTrue(host.line());
        host.register(INTMS, 1);
        assertFalse(host.line());
    }

    /** Its mask holds messages of MSI back, too; those of MSI-X have masks in their table. */
    @Test
    void msi_maskedVector_noMessage() {
        host = new ControllerHost(EmulatedNvme.builder().msi(4)).withMsi().enabled();
        NvmeHostQueue queue = host.createQueues(1, 16, 3, true);
        NvmeHostQueue other = host.createQueues(2, 16, 2, true);
        host.takeMessages();
        host.register(INTMS, 1 << 3);
        queue.submit(flush());
        queue.submit(flush());
        other.submit(flush());
        assertEquals(List.of(2), host.takeMessages());
        host.register(INTMC, 1 << 2);
        assertEquals(List.of(), host.takeMessages());
        host.register(INTMC, 1 << 3);
        assertEquals(List.of(3), host.takeMessages());
        host.register(INTMS, 1 << 3);
        assertSuccess(queue.next());
        assertSuccess(queue.next());
        host.register(INTMC, 1 << 3);
        assertEquals(List.of(), host.takeMessages(), "all is consumed");
        assertFalse(host.line());
    }

    @Test
    void msix_intms_noEffect() {
        NvmeHostQueue queue = host.createQueues(1, 16, 3, true);
        host.takeMessages();
        host.register(INTMS, -1);
        queue.submit(flush());
        assertEquals(List.of(3), host.takeMessages());
        host.register(INTMC, -1);
        assertEquals(List.of(), host.takeMessages());
    }

    @Test
    void createCq_vector_ofTheEnabledType() {
        EmulatedNvme.Builder drive = EmulatedNvme.builder().msi(4).msix(9);
        assertVectors(9, new ControllerHost(drive).enabled());
        assertVectors(4, new ControllerHost(drive).withMsi().enabled());
        assertVectors(1, new ControllerHost(drive).withLine().enabled());
        assertVectors(32, new ControllerHost(drive.msi(32).msix(0)).withMsi().enabled());
    }

    private static void assertVectors(int count, ControllerHost of) {
        NvmeEntry last = NvmeEntry.createCompletionQueue(1, 4, of.pages(1), count - 1, 3);
        NvmeEntry beyond = NvmeEntry.createCompletionQueue(2, 4, of.pages(1), count, 3);
        assertSuccess(of.admin(last));
        assertStatus(1 << 8 | 0x08, of.admin(beyond));
    }

    @Test
    void intx_resetOrDeletedQueue_deasserted() {
        host.withLine();
        NvmeHostQueue queue = host.createQueues(1, 16, 0, true);
        queue.submit(flush());
        assertTrue(host.line());
        assertSuccess(host.admin(NvmeEntry.of(0x00).dword(10, 1)));
        assertSuccess(host.admin(NvmeEntry.of(0x04).dword(10, 1)));
        assertFalse(host.line());
        host.admin().submit(NvmeEntry.of(0x0a).dword(10, 7));
        assertTrue(host.line());
        host.register(ControllerHost.CC, 0);
        assertFalse(host.line());
    }

    @Test
    void readAndWrite_randomOnManyQueues_matchAModel() {
        Random random = new Random(7);
        int blocks = 2048;
        long[] model = new long[blocks];
        NvmeHostQueue[] queues = new NvmeHostQueue[8];
        for (int id = 1; id <= queues.length; id++) {
            queues[id - 1] = host.createQueues(id, 2 + random.nextInt(30));
        }
        long data = host.pages(8);
        long list = host.pages(1);
        for (int page = 1; page < 8; page++) {
            host.qword(list + 8L * (page - 1), data + (long) page * ControllerHost.PAGE);
        }
        for (int round = 0; round < 2000; round++) {
            NvmeHostQueue queue = queues[random.nextInt(queues.length)];
            int count = 17 + random.nextInt(48);
            int first = random.nextInt(blocks - count + 1);
            boolean write = random.nextBoolean();
            for (int block = 0; write && block < count; block++) {
                model[first + block] = random.nextLong();
                host.qword(data + 512L * block, model[first + block]);
            }
            assertSuccess(queue.execute(NvmeEntry.of(write ? 0x01 : 0x02)
                    .namespace(1)
                    .blocks(first, count)
                    .prp(data, list)));
            for (int block = 0; !write && block < count; block++) {
                assertEquals(model[first + block], host.qword(data + 512L * block));
            }
        }
    }

    @Test
    void submit_completedIdentifier_reused() {
        NvmeHostQueue queue = host.createQueues(1, 64);
        Set<Integer> seen = new HashSet<>();
        for (int count = 0; count < 60; count++) {
            queue.addAs(count & 1, flush());
        }
        queue.ring();
        for (int count = 0; count < 60; count++) {
            seen.add(assertSuccess(queue.next()).command());
        }
        assertEquals(Set.of(0, 1), seen);
    }

    @Test
    void submit_unknownOpcode_queueGoesOn() {
        NvmeHostQueue queue = host.createQueues(1, 8);
        queue.add(NvmeEntry.of(0x7f).namespace(1));
        queue.submit(flush());
        assertStatus(0x01, queue.next());
        assertSuccess(queue.next());
    }
}
