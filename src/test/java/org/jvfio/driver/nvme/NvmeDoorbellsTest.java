package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.jvfio.emulator.nvme.EmulatedNvme;

/** When the driver writes the doorbells of an I/O queue. */
@Timeout(60)
class NvmeDoorbellsTest {
    private static final int SUBMISSION = 0x1008;
    private static final int COMPLETION = 0x100c;
    private static final int DEPTH = 16;
    private static final int COMMANDS = 100;

    /** A drive that counts the writes of the doorbells of queue 1. */
    private static final class Counted extends WatchedNvme {
        private final AtomicInteger submissions = new AtomicInteger();
        private final AtomicInteger completions = new AtomicInteger();

        Counted() {
            super(EmulatedNvme.builder().namespace(NvmeHost.BYTES).build());
        }

        @Override
        void written(long offset, long value) {
            if (offset == SUBMISSION) {
                submissions.incrementAndGet();
            } else if (offset == COMPLETION) {
                completions.incrementAndGet();
            }
        }
    }

    private static NvmeOptions options(NvmeCompletion completion) {
        return NvmeOptions.builder().queueDepth(DEPTH).completion(completion).build();
    }

    private static void readOneByOne(NvmeController nvme) {
        try (NvmeBuffer buffer = nvme.allocate(4096)) {
            NvmeRequest request = new NvmeRequest().read(nvme.namespace(1), 0, 1, buffer);
            for (int each = 0; each < COMMANDS; each++) {
                assertTrue(nvme.queue(0).submit(request));
                nvme.queue(0).await(request);
                request.requireSuccess();
            }
        }
    }

    @Test
    void poll_withoutInterrupts_releasesAQuarterOfTheEntriesAtATime() {
        Counted drive = new Counted();
        try (NvmeHost host = new NvmeHost(() -> drive);
                NvmeController nvme = host.open(options(NvmeCompletion.POLLED))) {
            readOneByOne(nvme);
            assertEquals(COMMANDS, drive.submissions.get());
            assertEquals(COMMANDS / (nvme.queue(0).entries() / 4), drive.completions.get());
        }
    }

    /** Fewer doorbell writes, and yet the controller is never left without commands. */
    @Test
    void poll_commandsEnqueuedMeanwhile_ringsOnceThereAreNoCompletions() {
        Counted drive = new Counted();
        try (NvmeHost host = new NvmeHost(() -> drive);
                NvmeController nvme = host.open(options(NvmeCompletion.POLLED));
                NvmeBuffer buffer = nvme.allocate(4096)) {
            NvmeQueue queue = nvme.queue(0);
            for (int each = 0; each < 8; each++) {
                assertTrue(queue.enqueue(new NvmeRequest().read(nvme.namespace(1), each, 1, buffer)));
            }
            queue.ring();
            NvmeRequest later = new NvmeRequest().read(nvme.namespace(1), 0, 1, buffer);
            assertTrue(queue.enqueue(later));
            for (int left = 8; left > 1; left--) {
                assertEquals(1, queue.poll(1));
                assertEquals(1, drive.submissions.get(), "doorbell writes");
            }
            assertEquals(1, queue.poll(1));
            assertEquals(2, drive.submissions.get(), "the controller has one command, and one waits");
            queue.await(later);
            later.requireSuccess();
            assertEquals(2, drive.submissions.get());
        }
    }

    /** A poll is not followed by another one where interrupts report completions. */
    @Test
    void poll_withInterrupts_ringsAtOnce() {
        Counted drive = new Counted();
        try (NvmeHost host = new NvmeHost(() -> drive);
                NvmeController nvme = host.open(options(NvmeCompletion.INTX));
                NvmeBuffer buffer = nvme.allocate(4096)) {
            NvmeQueue queue = nvme.queue(0);
            NvmeRequest request = new NvmeRequest().read(nvme.namespace(1), 0, 1, buffer);
            assertTrue(queue.enqueue(request));
            queue.poll(1);
            assertEquals(1, drive.submissions.get());
            queue.await(request);
        }
    }

    @Test
    void poll_withInterrupts_releasesEachEntryAtOnce() {
        Counted drive = new Counted();
        try (NvmeHost host = new NvmeHost(() -> drive);
                NvmeController nvme = host.open(options(NvmeCompletion.INTX))) {
            readOneByOne(nvme);
            assertEquals(COMMANDS, drive.completions.get());
        }
    }

    @Test
    void poll_queueFullAgainAndAgain_controllerNeverWaitsForFreeEntriesForGood() {
        try (NvmeHost host = new NvmeHost();
                NvmeController nvme = host.open(options(NvmeCompletion.POLLED));
                NvmeBuffer buffer = nvme.allocate(4096)) {
            NvmeQueue queue = nvme.queue(0);
            NvmeRequest[] requests = new NvmeRequest[queue.capacity()];
            for (int each = 0; each < requests.length; each++) {
                requests[each] = new NvmeRequest().read(nvme.namespace(1), each, 1, buffer);
            }
            for (int round = 0; round < COMMANDS; round++) {
                // Another number each time, so that the doorbell has not been written for 0 to 3 entries.
                int count = requests.length - round % 4;
                for (int each = 0; each < count; each++) {
                    assertTrue(queue.enqueue(requests[each]));
                }
                for (int each = 0; each < count; each++) {
                    queue.await(requests[each]);
                    requests[each].requireSuccess();
                }
            }
        }
    }
}
