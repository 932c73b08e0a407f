package org.jvfio.observe;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

class ReplayMemoryTest {
    private static final long RECORDED = 0x10000;
    private static final byte[] BYTES = {1, 2};

    private final ReplayMemory memory = new ReplayMemory();

    private static byte[] bytes(MemorySegment segment) {
        return segment.toArray(ValueLayout.JAVA_BYTE);
    }

    @Test
    void write_partBehindTheEnd_writesWhatFits() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment segment = arena.allocate(4);
            memory.add(RECORDED, segment);
            memory.write(RECORDED + 3, BYTES);
            assertArrayEquals(new byte[] {0, 0, 0, 1}, bytes(segment));
        }
    }

    @Test
    void write_memoryThatIsMappedReadOnly_leavesIt() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment segment = arena.allocate(4);
            memory.add(RECORDED, segment.asReadOnly());
            memory.write(RECORDED, BYTES);
            assertArrayEquals(new byte[4], bytes(segment));
        }
    }
}
