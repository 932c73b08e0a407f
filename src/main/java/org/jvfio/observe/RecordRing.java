package org.jvfio.observe;

import static org.jvfio.observe.RecordFormat.CHUNK_COMPLETE;
import static org.jvfio.observe.RecordFormat.CHUNK_EMPTY;
import static org.jvfio.observe.RecordFormat.CHUNK_FRAMES;
import static org.jvfio.observe.RecordFormat.CHUNK_OPEN;
import static org.jvfio.observe.RecordFormat.CHUNK_SEQUENCE;
import static org.jvfio.observe.RecordFormat.CHUNK_STATE;
import static org.jvfio.observe.RecordFormat.CHUNK_SUM;
import static org.jvfio.observe.RecordFormat.CHUNK_TIME;
import static org.jvfio.observe.RecordFormat.CHUNK_USED;
import static org.jvfio.observe.RecordFormat.DEFAULT_CHUNK;
import static org.jvfio.observe.RecordFormat.INT;
import static org.jvfio.observe.RecordFormat.LONG;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * A record file that is written: a ring of mapped chunks. What was appended is in the page cache of the kernel at once,
 * so that it outlives the process, however that ends. Guarded by its user.
 */
final class RecordRing implements FrameSink {
    private static final VarHandle WORDS = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    /** Frames of up to so many bytes are copied by words, beyond their end. */
    private static final int SHORT = 32;

    private final RecordOptions options;
    private final FileChannel channel;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment header;
    private final List<MemorySegment> chunks = new ArrayList<>();
    private final int maxChunks;
    private @Nullable MemorySegment current;
    private int currentNumber = -1;
    private long sequence;
    private long used;
    private @Nullable IOException failure;

    /**
     * Creates the file.
     *
     * @throws IOException if it cannot be written
     */
    RecordRing(RecordOptions options, String facts) throws IOException {
        this.options = options;
        byte[] encoded = facts.getBytes(StandardCharsets.UTF_8);
        byte[] kept = Arrays.copyOf(encoded, Math.min(encoded.length, RecordFormat.MAX_FACTS));
        int headerBytes = (RecordFormat.FACTS + kept.length + RecordFormat.PAGE - 1) & -RecordFormat.PAGE;
        maxChunks = (int) Math.max(2, (options.maxBytes() - headerBytes) / DEFAULT_CHUNK);
        channel = FileChannel.open(
                options.file(),
                StandardOpenOption.CREATE,
                StandardOpenOption.TRUNCATE_EXISTING,
                StandardOpenOption.READ,
                StandardOpenOption.WRITE);
        try {
            // In one write, so that a process that is killed leaves no half of it.
            header = allocate(0, ByteBuffer.wrap(header(options, headerBytes, kept)));
        } catch (IOException | RuntimeException e) {
            arena.close();
            channel.close();
            throw e;
        }
    }

    private static byte[] header(RecordOptions options, int headerBytes, byte[] facts) {
        byte[] bytes = new byte[headerBytes];
        MemorySegment header = MemorySegment.ofArray(bytes);
        header.set(LONG, 0, RecordFormat.MAGIC);
        header.set(INT, RecordFormat.VERSION_AT, RecordFormat.VERSION);
        header.set(INT, RecordFormat.HEADER_BYTES, headerBytes);
        header.set(INT, RecordFormat.CHUNK_BYTES, DEFAULT_CHUNK);
        header.set(
                INT,
                RecordFormat.FLAGS,
                (options.memory() ? RecordFormat.HAS_MEMORY : 0)
                        | (options.registers() ? RecordFormat.HAS_REGISTERS : 0));
        header.set(LONG, RecordFormat.STARTED, System.currentTimeMillis());
        header.set(INT, RecordFormat.FACTS_BYTES, facts.length);
        header.set(INT, RecordFormat.FACTS_SUM, sum(MemorySegment.ofArray(facts)));
        MemorySegment.copy(facts, 0, header, ValueLayout.JAVA_BYTE, RecordFormat.FACTS, facts.length);
        header.set(INT, RecordFormat.HEADER_SUM, sum(header.asSlice(0, RecordFormat.HEADER_SUM)));
        return bytes;
    }

    static int sum(MemorySegment... parts) {
        CRC32C crc = new CRC32C();
        for (MemorySegment part : parts) {
            crc.update(part.asByteBuffer());
        }
        return (int) crc.getValue();
    }

    /** Writes contents before it maps them: a full file system is an exception then, and no SIGBUS. */
    private MemorySegment allocate(long position, ByteBuffer contents) throws IOException {
        while (contents.hasRemaining()) {
            channel.write(contents, position + contents.position());
        }
        return channel.map(FileChannel.MapMode.READ_WRITE, position, contents.limit(), arena);
    }

    @Override
    public boolean prepare(int bytes, long nanos) {
        if (failure != null || (current != null && used + bytes <= DEFAULT_CHUNK - CHUNK_FRAMES)) {
            return false;
        }
        complete();
        try {
            begin(next(nanos), nanos);
        } catch (IOException e) {
            failure = e;
            current = null;
        }
        return true;
    }

    /** The chunk to be written next: a new one, or the oldest if that is older than what is kept, or if all exist. */
    private int next(long nanos) throws IOException {
        int oldest = (currentNumber + 1) % Math.max(1, chunks.size());
        if (!chunks.isEmpty()) {
            // What was written in a chunk is at most as old as the beginning of the one behind it.
            int second = (oldest + 1) % chunks.size();
            boolean isOld = oldest != currentNumber
                    && second != currentNumber
                    && nanos - chunks.get(second).get(LONG, CHUNK_TIME)
                            > options.keep().toNanos();
            // The ring is in the order of time only if it grows behind its last chunk.
            boolean mayGrow = chunks.size() < maxChunks && currentNumber == chunks.size() - 1;
            if (isOld || !mayGrow) {
                return oldest;
            }
        }
        chunks.add(
                allocate(header.byteSize() + (long) chunks.size() * DEFAULT_CHUNK, ByteBuffer.allocate(DEFAULT_CHUNK)));
        return chunks.size() - 1;
    }

    private void begin(int number, long nanos) {
        MemorySegment chunk = chunks.get(number);
        chunk.set(INT, CHUNK_STATE, CHUNK_EMPTY);
        chunk.set(INT, CHUNK_USED, 0);
        VarHandle.storeStoreFence();
        chunk.set(LONG, CHUNK_SEQUENCE, ++sequence);
        chunk.set(LONG, CHUNK_TIME, nanos);
        VarHandle.storeStoreFence();
        chunk.set(INT, CHUNK_STATE, CHUNK_OPEN);
        current = chunk;
        currentNumber = number;
        used = 0;
    }

    private void complete() {
        MemorySegment chunk = current;
        if (chunk != null) {
            MemorySegment complete = MemorySegment.ofArray(new byte[CHUNK_SUM]);
            MemorySegment.copy(chunk, 0, complete, 0, CHUNK_SUM);
            complete.set(INT, CHUNK_STATE, CHUNK_COMPLETE);
            // The sum takes long enough for a process to be killed meanwhile: until it is there the chunk is open.
            chunk.set(INT, CHUNK_SUM, sum(complete, chunk.asSlice(CHUNK_FRAMES, used)));
            VarHandle.storeStoreFence();
            chunk.set(INT, CHUNK_STATE, CHUNK_COMPLETE);
        }
    }

    @Override
    public void append(byte[] frame, int length) {
        MemorySegment chunk = current;
        if (chunk == null) {
            return;
        }
        long at = CHUNK_FRAMES + used;
        int left = length;
        while ((left & ~0x7f) != 0) {
            chunk.set(ValueLayout.JAVA_BYTE, at++, (byte) (left | 0x80));
            left >>>= 7;
        }
        chunk.set(ValueLayout.JAVA_BYTE, at++, (byte) left);
        if (length <= SHORT && at + SHORT <= DEFAULT_CHUNK) {
            // Stores of words take a fraction of the time that a call for a copy does. What is behind the frame is not
            // in use yet.
            for (int word = 0; word < length; word += Long.BYTES) {
                chunk.set(LONG, at + word, (long) WORDS.get(frame, word));
            }
        } else {
            MemorySegment.copy(frame, 0, chunk, ValueLayout.JAVA_BYTE, at, length);
        }
        used = at + length - CHUNK_FRAMES;
        // A reader of a record whose process has died must not find a length without its frame.
        VarHandle.storeStoreFence();
        chunk.set(INT, CHUNK_USED, (int) used);
    }

    /** Why the file has not everything: it could not grow. */
    Optional<IOException> failure() {
        return Optional.ofNullable(failure);
    }

    /** Ends the record, and shortens the file to what it has. */
    @Override
    public void close() {
        complete();
        long bytes = header.byteSize() + (long) chunks.size() * DEFAULT_CHUNK;
        if (currentNumber == chunks.size() - 1 && current != null) {
            bytes += CHUNK_FRAMES + used - DEFAULT_CHUNK;
        }
        current = null;
        try (channel;
                arena) {
            channel.truncate(bytes);
            // A process that is killed here leaves a record that has not ended, and is read as that.
            header.set(LONG, RecordFormat.FILE_BYTES, bytes);
            VarHandle.storeStoreFence();
            header.set(INT, RecordFormat.ENDED, 1);
        } catch (IOException e) {
            failure = e;
        }
    }
}
