package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.util.Set;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMemory;

/**
 * Any bytes as completion queue entries: the queue reads at most one for each phase change, and only the identifier of
 * a command in flight finds one.
 */
public final class CompletionFuzz {
    private static final QueueLayout LAYOUT = new QueueLayout(8, 12, 4096);

    private static final NvmeHost HOST = new NvmeHost();
    private static final DmaMemory MEMORY = HOST.device().container().allocate(1 << 16);
    private static final NvmeBuffer RING =
            NvmeBuffer.of(HOST.device().container().defaultWindow().map(MEMORY, DmaDirection.BIDIRECTIONAL));
    private static final ControllerRegisters REGISTERS = ControllerRegisters.of("fuzz", HOST.device(), Set.of());

    private CompletionFuzz() {}

    /** One input: called by the fuzzer, and for each file of the corpus. */
    public static void fuzzerTestOneInput(byte[] bytes) {
        MemorySegment all = RING.segment().asSlice(0, LAYOUT.completionBytes());
        all.fill((byte) 0);
        MemorySegment.copy(MemorySegment.ofArray(bytes), 0, all, 0, Math.min(bytes.length, all.byteSize()));
        CompletionQueue queue = new CompletionQueue(REGISTERS, 1, LAYOUT, RING);
        CommandSlots slots = new CommandSlots(LAYOUT.commands());
        while (!slots.isFull()) {
            assertTrue(slots.allocate(new NvmeRequest()) < LAYOUT.commands());
        }
        int entries = 0;
        int completed = 0;
        while (queue.next()) {
            assertTrue(++entries <= 2 * LAYOUT.entries(), "more entries than two rounds have");
            assertTrue(queue.identifier() >>> 16 == 0 && queue.statusField() >>> 15 == 0);
            assertNotNull(NvmeStatus.of(queue.statusField()).toString());
            NvmeRequest request = queue.defect() == null ? slots.get(queue.identifier()) : null;
            if (request != null) {
                assertEquals(request.identifier, queue.identifier());
                slots.release(queue.identifier());
                completed++;
            }
            queue.advance();
            queue.ring((queue.result() & 1) != 0);
        }
        assertEquals(LAYOUT.commands() - completed, slots.inFlight());
        queue.reset();
        assertFalse(queue.next(), "an empty ring has no entry");
    }
}
