package org.jvfio.cli;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import org.jvfio.driver.nvme.NvmeBuffer;
import org.jvfio.driver.nvme.NvmeNamespace;

/** Bytes of a namespace, at any offset and of any number, copied to and from streams. */
final class NvmeBytes implements AutoCloseable {
    /** The memory that it allocates. */
    static final int BUFFER_BYTES = 4 << 20;

    private final NvmeNamespace namespace;
    private final NvmeBuffer buffer;
    private final byte[] copied = new byte[BUFFER_BYTES];

    NvmeBytes(NvmeNamespace namespace) {
        this.namespace = namespace;
        this.buffer = namespace.controller().allocate(BUFFER_BYTES);
    }

    /** Copies bytes to a stream. */
    void read(long offset, long size, OutputStream to, Progress progress) throws IOException {
        for (long done = 0; done < size; ) {
            long at = offset + done;
            int inside = (int) (at % namespace.blockBytes());
            int count = (int) Math.min(size - done, BUFFER_BYTES - inside);
            namespace.read(at / namespace.blockBytes(), blocks(inside + count), buffer);
            MemorySegment.copy(buffer.segment(), JAVA_BYTE, inside, copied, 0, count);
            to.write(copied, 0, count);
            done += count;
            progress.show("read", done, size);
        }
        to.flush();
    }

    /**
     * Copies a stream to the namespace, to its end or as much as asked for, and flushes the drive.
     *
     * @param most what is taken of the stream at most
     * @return how much it was
     */
    long write(long offset, long most, InputStream from, Progress progress) throws IOException {
        long done = 0;
        while (done < most) {
            long at = offset + done;
            int inside = (int) (at % namespace.blockBytes());
            int count = from.readNBytes(copied, 0, (int) Math.min(most - done, BUFFER_BYTES - inside));
            if (count == 0) {
                break;
            }
            writeBlocks(at - inside, inside, count);
            done += count;
            progress.show("written", done, most);
        }
        namespace.flush();
        return done;
    }

    /** Where the first or last block is not written as a whole, the rest of it stays. */
    private void writeBlocks(long start, int inside, int count) {
        int size = namespace.blockBytes();
        long lba = start / size;
        long blocks = blocks(inside + count);
        if (inside != 0) {
            namespace.read(lba, 1, buffer);
        }
        boolean isWhole = (inside + count) % size == 0;
        if (!isWhole && (blocks > 1 || inside == 0)) {
            namespace.read(lba + blocks - 1, 1, buffer.slice((blocks - 1) * size, size));
        }
        MemorySegment.copy(copied, 0, buffer.segment(), JAVA_BYTE, inside, count);
        namespace.write(lba, blocks, buffer);
    }

    private long blocks(long bytes) {
        return Math.ceilDiv(bytes, (long) namespace.blockBytes());
    }

    @Override
    public void close() {
        buffer.close();
    }
}
