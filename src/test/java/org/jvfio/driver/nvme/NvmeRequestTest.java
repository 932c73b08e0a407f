package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class NvmeRequestTest {
    private static final int BLOCK = 512;

    private static void run(NvmeQueue queue, NvmeRequest request) {
        queue.submit(request);
        queue.await(request);
        request.requireSuccess();
    }

    @Test
    void oneRequestDoesOneOperationAfterAnother() {
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
}
