package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.jvfio.ThreadAllocation;

/** What the driver's calls allocate. NvmeBenchmark measures a request more exactly. */
@Timeout(60)
class NvmeAllocationTest {
    private static final int CALLS = 2000;
    private static final int ROUNDS = 15;

    /** The lowest average allocation of a call over several rounds. */
    private static long bytesOf(Runnable call) {
        long[] rounds = new long[ROUNDS];
        for (int round = 0; round < ROUNDS; round++) {
            long before = ThreadAllocation.bytes();
            for (int i = 0; i < CALLS; i++) {
                call.run();
            }
            rounds[round] = (ThreadAllocation.bytes() - before) / CALLS;
        }
        return Arrays.stream(rounds).min().orElseThrow();
    }

    @Test
    void submit_preparedRequest_allocatesNothing() {
        try (NvmeHost host = new NvmeHost();
                NvmeController nvme = host.open();
                NvmeBuffer buffer = nvme.allocate(4096)) {
            NvmeNamespace disk = nvme.namespace(1);
            NvmeQueue queue = nvme.queue(0);
            NvmeRequest request = new NvmeRequest();
            long ofRequest = bytesOf(() -> {
                request.read(disk, 0, 8, buffer);
                queue.submit(request);
                queue.await(request);
            });
            long ofRead = bytesOf(() -> disk.read(0, 8, buffer));
            assertTrue(ofRead - ofRequest < 1000, "%d bytes, and %d for a request".formatted(ofRead, ofRequest));
        }
    }
}
