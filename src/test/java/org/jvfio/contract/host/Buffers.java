package org.jvfio.contract.host;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;

/** Memory for a device to copy: from the first 64K, the source, to the second, the target. */
public final class Buffers {
    /** The size of all of it, in bytes. */
    public static final long BYTES = 128 << 10;

    private static final int COPIED = Edu.BUFFER_BYTES;

    private final long memory;
    private final MemorySegment source;
    private final MemorySegment target;
    private final Random random = new Random(2015);

    public Buffers(VfioProcess process) {
        this(process, process.memory(BYTES));
    }

    /** In memory of the process that begins at an address. */
    public Buffers(VfioProcess process, long memory) {
        this.memory = memory;
        source = process.segment(memory, COPIED);
        target = process.segment(memory + BYTES / 2, COPIED);
        fillSource();
    }

    /** The address of the source; that of the target is 64K higher. */
    public long memory() {
        return memory;
    }

    /** Other bytes in the source, and zeros in the target. */
    public void fillSource() {
        byte[] bytes = new byte[COPIED];
        random.nextBytes(bytes);
        source.copyFrom(MemorySegment.ofArray(bytes));
        target.fill((byte) 0);
    }

    public void assertCopied() {
        assertArrayEquals(source.toArray(ValueLayout.JAVA_BYTE), target.toArray(ValueLayout.JAVA_BYTE));
    }

    public void assertNotCopied() {
        assertFalse(Arrays.equals(source.toArray(ValueLayout.JAVA_BYTE), target.toArray(ValueLayout.JAVA_BYTE)));
    }

    public void assertNothingWritten() {
        assertArrayEquals(new byte[COPIED], target.toArray(ValueLayout.JAVA_BYTE));
    }
}
