package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

/**
 * An open {@code /dev/kmsg}: each read returns one message, from the oldest on, as {@code
 * priority,sequence,micros,-;message}. If the next message was overwritten, a read returns EPIPE once, and the
 * following one the oldest message in the log.
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
        String text = PRIORITY_INFO + "," + line.sequence() + "," + line.micros() + ",-;" + line.message() + "\n";
        byte[] record = text.getBytes(StandardCharsets.UTF_8);
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
