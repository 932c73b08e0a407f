package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

/**
 * {@code /dev/kmsg}: one message a read, from the oldest on, as {@code priority,sequence,micros,-;message}. A reader whose
 * next message was overwritten is told so once, with EPIPE, and goes on with the oldest one that is left.
 */
final class KernelLogFile extends OpenFile {
    private static final int PRIORITY_INFO = 6;

    private final KernelLog log;
    private final boolean blocks;
    private long next;

    KernelLogFile(KernelLog log, boolean blocks) {
        this.log = log;
        this.blocks = blocks;
        this.next = log.oldest();
    }

    @Override
    boolean blocks() {
        return blocks;
    }

    @Override
    long read(MemorySegment buffer) {
        if (next >= log.end()) {
            return Errno.EAGAIN.negated();
        }
        if (next < log.oldest()) {
            next = log.oldest();
            return Errno.EPIPE.negated();
        }
        KernelLog.Line line = log.line(next);
        byte[] record = "%d,%d,%d,-;%s\n"
                .formatted(PRIORITY_INFO, line.sequence(), line.micros(), line.message())
                .getBytes(StandardCharsets.UTF_8);
        if (record.length > buffer.byteSize()) {
            return Errno.EINVAL.negated();
        }
        MemorySegment.copy(MemorySegment.ofArray(record), 0, buffer, 0, record.length);
        next++;
        return record.length;
    }

    @Override
    int ready() {
        return next < log.end() ? vfio_h.POLLIN : 0;
    }
}
