package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class NvmeRequestTest {
    private static final int BLOCK = 512;

    private static void run(NvmeQueue queue, NvmeRequest request) {
        queue.submit(request);
        queue.await(request);
        request.requireSuccess();
    }

    @Test
    void prepare_otherOperation_replacesTheFormer() {
        try (NvmeHost host = new NvmeHost();
                NvmeController nvme = host.open();
                NvmeBuffer buffer = nvme.allocate(8 * BLOCK)) {
            NvmeNamespace disk = nvme.namespace(1);
            NvmeQueue queue = nvme.queues().getFirst();
            NvmeRequest request = new NvmeRequest();
            buffer.segment().fill((byte) 0x5a);

            run(queue, request.write(disk, 8, 8, buffer));
            run(queue, request.flush(disk));
            run(queue, request.writeZeroes(disk, 10, 2));
            run(queue, request.deallocate(disk, 12, 4));
            run(queue, request.read(disk, 8, 8, buffer));

            byte[] zeroes = new byte[6 * BLOCK];
            byte[] read = buffer.segment().toArray(ValueLayout.JAVA_BYTE);
            assertEquals(0x5a, read[2 * BLOCK - 1]);
            assertArrayEquals(zeroes, Arrays.copyOfRange(read, 2 * BLOCK, 8 * BLOCK));
            assertEquals(disk.blocks(), disk.usedBlocks());
        }
    }

    @Test
    void acquireAndDeliver_request_isNewThenInFlightThenDone() {
        NvmeRequest request = new NvmeRequest();
        assertFalse(request.isDone() || request.isInFlight());
        assertThrows(IllegalStateException.class, request::acquire);
        request.admin("try it", 0, 0, 0, 0);
        for (int time = 0; time < 3; time++) {
            request.acquire();
            assertTrue(request.isInFlight() && !request.isDone());
            assertThrows(IllegalStateException.class, request::acquire);
            assertThrows(IllegalStateException.class, () -> request.onDone(done -> {}));
            request.deliver(true);
            assertTrue(request.isDone() && !request.isInFlight());
        }
    }

    /** Its callback submits it again before the waiter has seen it done. */
    @Test
    void await_requestSubmittedAgain_returnsAfterTheFirstCompletion() {
        try (NvmeHost host = new NvmeHost();
                NvmeController nvme = host.open();
                NvmeBuffer buffer = nvme.allocate(4096)) {
            NvmeQueue queue = nvme.queue(0);
            AtomicInteger done = new AtomicInteger();
            NvmeRequest request = new NvmeRequest()
                    .read(nvme.namespace(1), 0, 1, buffer)
                    .onDone(again -> {
                        if (done.incrementAndGet() < 100) {
                            assertTrue(queue.submit(again));
                        }
                    });
            assertTrue(queue.submit(request));
            for (int time = 1; time <= 100; time++) {
                queue.await(request);
                assertEquals(time, done.get());
            }
            assertTrue(request.isDone());
            queue.await(request);
            assertEquals(100, done.get());
        }
    }
}
