package org.jvfio.observe;

import static org.jvfio.observe.RecordFormat.INT;
import static org.jvfio.observe.RecordFormat.LONG;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.Writer;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.zip.GZIPInputStream;

/** A record that has been read: the facts of the host, and what happened in its order. */
public final class Recording {
    private static final int GZIP = 0x8b1f;

    /** An event of a record. */
    sealed interface Event {}

    /** A call begins. */
    record Begin(RecordedCall call) implements Event {}

    /** A call ends. */
    record End(RecordedCall call) implements Event {}

    /** DMA memory has changed since the event before. */
    static final class Memory implements Event {
        private final long address;
        private final byte[] bytes;

        private Memory(long address, byte[] bytes) {
            this.address = address;
            this.bytes = bytes;
        }

        long address() {
            return address;
        }

        byte[] bytes() {
            return bytes;
        }
    }

    /** A chunk of the file: the time of its beginning, and where its frames are. */
    private record Chunk(long sequence, long time, int start, int end) {}

    private final String name;
    private final HostFacts facts;
    private final Instant started;
    private final int flags;
    private final boolean ended;
    private final boolean whole;
    private final List<Event> events;

    private Recording(
            String name,
            HostFacts facts,
            Instant started,
            int flags,
            boolean ended,
            boolean whole,
            List<Event> events) {
        this.name = name;
        this.facts = facts;
        this.started = started;
        this.flags = flags;
        this.ended = ended;
        this.whole = whole;
        this.events = events;
    }

    /**
     * Reads a file, which may be compressed by gzip.
     *
     * @throws RecordException if it is not a record, or is damaged
     * @throws IOException if it cannot be read
     */
    public static Recording read(Path file) throws IOException {
        BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
        if (attributes.isOther()) {
            throw new RecordException(file + " is no record: it is not a regular file");
        }
        if (attributes.size() > RecordOptions.MAX_BYTES + RecordFormat.MAX_FACTS + RecordFormat.PAGE) {
            throw new RecordException(file + " is no record: it is larger than a record can be");
        }
        try (InputStream in = Files.newInputStream(file)) {
            byte[] start = in.readNBytes(Long.BYTES);
            if (!isCompressed(start)) {
                requireRecord(file.toString(), start);
            }
        }
        return read(file.toString(), Files.readAllBytes(file));
    }

    private static boolean isCompressed(byte[] bytes) {
        return bytes.length >= Short.BYTES && ((bytes[0] & 0xff) | (bytes[1] & 0xff) << Byte.SIZE) == GZIP;
    }

    private static void requireRecord(String name, byte[] start) throws RecordException {
        if (start.length < Long.BYTES || MemorySegment.ofArray(start).get(LONG, 0) != RecordFormat.MAGIC) {
            throw new RecordException(name + " is no record: it does not begin as one");
        }
    }

    /**
     * Reads the bytes of a file.
     *
     * @param name the file, for messages
     * @throws RecordException if they are not a record, or are damaged
     */
    static Recording read(String name, byte[] bytes) throws RecordException {
        return parse(name, isCompressed(bytes) ? decompress(name, bytes) : bytes);
    }

    private static byte[] decompress(String name, byte[] compressed) throws RecordException {
        int most = (int) RecordOptions.MAX_BYTES + RecordFormat.MAX_FACTS;
        try (InputStream in = new GZIPInputStream(new ByteArrayInputStream(compressed))) {
            ByteArrayOutputStream all = new ByteArrayOutputStream();
            all.write(in.readNBytes(Long.BYTES));
            // A few bytes of another file can stand for many.
            requireRecord(name, all.toByteArray());
            all.write(in.readNBytes(most));
            if (in.read() >= 0) {
                throw new RecordException(name + " is no record: it is larger than a record can be");
            }
            return all.toByteArray();
        } catch (RecordException e) {
            throw e;
        } catch (IOException e) {
            throw new RecordException(name + " is damaged: it cannot be decompressed: " + e.getMessage());
        }
    }

    private static RecordException damaged(String name, String reason) {
        return new RecordException(name + " is damaged: " + reason);
    }

    private static Recording parse(String name, byte[] bytes) throws RecordException {
        requireRecord(name, bytes);
        MemorySegment file = MemorySegment.ofArray(bytes);
        if (bytes.length < RecordFormat.FACTS) {
            throw damaged(name, "it ends in its header");
        }
        int version = file.get(INT, RecordFormat.VERSION_AT);
        if (version != RecordFormat.VERSION) {
            throw new RecordException("%s is a record of version %d, and this program reads version %d"
                    .formatted(name, version, RecordFormat.VERSION));
        }
        boolean ended = file.get(INT, RecordFormat.ENDED) == 1;
        long size = file.get(LONG, RecordFormat.FILE_BYTES);
        requireHeader(name, file);
        if (ended && size != bytes.length) {
            throw damaged(
                    name,
                    size > bytes.length
                            ? "it has %d of its %d bytes".formatted(bytes.length, size)
                            : "there is more behind its %d bytes".formatted(size));
        }
        int headerBytes = file.get(INT, RecordFormat.HEADER_BYTES);
        int factsBytes = file.get(INT, RecordFormat.FACTS_BYTES);
        String facts = new String(bytes, RecordFormat.FACTS, factsBytes, StandardCharsets.UTF_8);
        List<Chunk> chunks = chunks(name, file, headerBytes, file.get(INT, RecordFormat.CHUNK_BYTES), ended);
        Events events = new Events();
        boolean whole = decode(name, bytes, chunks, events);
        return new Recording(
                name,
                HostFacts.parse(facts),
                Instant.ofEpochMilli(file.get(LONG, RecordFormat.STARTED)),
                file.get(INT, RecordFormat.FLAGS),
                ended,
                whole,
                events.all);
    }

    private static void requireHeader(String name, MemorySegment file) throws RecordException {
        MemorySegment header = MemorySegment.ofArray(new byte[RecordFormat.HEADER_SUM]);
        MemorySegment.copy(file, 0, header, 0, header.byteSize());
        header.set(INT, RecordFormat.ENDED, 0);
        header.set(LONG, RecordFormat.FILE_BYTES, 0);
        int headerBytes = file.get(INT, RecordFormat.HEADER_BYTES);
        int factsBytes = file.get(INT, RecordFormat.FACTS_BYTES);
        int chunkBytes = file.get(INT, RecordFormat.CHUNK_BYTES);
        if (RecordRing.sum(header) != file.get(INT, RecordFormat.HEADER_SUM)
                || headerBytes < RecordFormat.FACTS
                || factsBytes < 0
                || factsBytes > headerBytes - RecordFormat.FACTS
                || chunkBytes <= RecordFormat.CHUNK_FRAMES) {
            throw damaged(name, "its header does not have its checksum");
        }
        if (headerBytes > file.byteSize()) {
            throw damaged(name, "it ends in its header");
        }
        if (RecordRing.sum(file.asSlice(RecordFormat.FACTS, factsBytes)) != file.get(INT, RecordFormat.FACTS_SUM)) {
            throw damaged(name, "the facts of the host do not have their checksum");
        }
    }

    /**
     * The chunks in the order of time.
     *
     * @param ended whether the record ended as it should: otherwise the process may have died as it began a chunk
     */
    private static List<Chunk> chunks(String name, MemorySegment file, int headerBytes, int chunkBytes, boolean ended)
            throws RecordException {
        List<Chunk> chunks = new ArrayList<>();
        for (long at = headerBytes; at < file.byteSize(); at += chunkBytes) {
            long rest = file.byteSize() - at;
            String which = "chunk " + ((at - headerBytes) / chunkBytes + 1);
            if (rest < RecordFormat.CHUNK_FRAMES && !ended) {
                break;
            }
            if (rest < RecordFormat.CHUNK_FRAMES) {
                throw damaged(name, "it ends in the header of " + which);
            }
            int state = file.get(INT, at + RecordFormat.CHUNK_STATE);
            int used = file.get(INT, at + RecordFormat.CHUNK_USED);
            long sequence = file.get(LONG, at + RecordFormat.CHUNK_SEQUENCE);
            if (state == RecordFormat.CHUNK_EMPTY && used == 0 && (sequence == 0 || !ended)) {
                continue;
            }
            long time = file.get(LONG, at + RecordFormat.CHUNK_TIME);
            long start = at + RecordFormat.CHUNK_FRAMES;
            if ((state != RecordFormat.CHUNK_OPEN && state != RecordFormat.CHUNK_COMPLETE)
                    || sequence < 1
                    || time < 0) {
                throw damaged(name, "the header of " + which + " is malformed");
            }
            if (used < 0 || used > chunkBytes - RecordFormat.CHUNK_FRAMES || used > file.byteSize() - start) {
                throw damaged(name, "%s is not all there".formatted(which));
            }
            if (state == RecordFormat.CHUNK_COMPLETE
                    && RecordRing.sum(file.asSlice(at, RecordFormat.CHUNK_SUM), file.asSlice(start, used))
                            != file.get(INT, at + RecordFormat.CHUNK_SUM)) {
                throw damaged(name, "%s does not have its checksum".formatted(which));
            }
            chunks.add(new Chunk(sequence, time, (int) start, (int) start + used));
        }
        chunks.sort(Comparator.comparingLong(Chunk::sequence));
        return chunks;
    }

    /** Collects events. */
    private static final class Events implements CallDecoder.Listener {
        private final List<Event> all = new ArrayList<>();

        @Override
        public void begun(RecordedCall call) {
            all.add(new Begin(call));
        }

        @Override
        public void ended(RecordedCall call) {
            all.add(new End(call));
        }

        @Override
        public void memory(long address, byte[] bytes) {
            all.add(new Memory(address, bytes));
        }
    }

    /** Decodes all chunks: whether none is missing. */
    private static boolean decode(String name, byte[] bytes, List<Chunk> chunks, Events events) throws RecordException {
        CallDecoder decoder = new CallDecoder(events);
        long expected = 1;
        boolean whole = true;
        for (Chunk chunk : chunks) {
            boolean gap = chunk.sequence != expected;
            whole &= !gap;
            expected = chunk.sequence + 1;
            decoder.chunk(chunk.time, gap);
            FrameReader frames = new FrameReader(name, bytes, chunk.start, chunk.end);
            while (frames.hasMore()) {
                decoder.frame(frames.frame());
            }
        }
        return whole;
    }

    /** The file, for messages. */
    String name() {
        return name;
    }

    /** What the host was, and what was recorded there. */
    public HostFacts facts() {
        return facts;
    }

    /** When the record began. */
    public Instant started() {
        return started;
    }

    /** Whether changes of the memory that devices can access were recorded. */
    public boolean hasMemory() {
        return (flags & RecordFormat.HAS_MEMORY) != 0;
    }

    /** Whether accesses of registers were recorded. */
    public boolean hasRegisters() {
        return (flags & RecordFormat.HAS_REGISTERS) != 0;
    }

    /** Whether the record ended as it should: the process did not die. */
    public boolean hasEnded() {
        return ended;
    }

    /** Whether it begins with the program: no call was overwritten by later ones. */
    public boolean isWhole() {
        return whole;
    }

    /** The number of calls. */
    public long calls() {
        return events.stream().filter(Begin.class::isInstance).count();
    }

    List<Event> events() {
        return events;
    }

    /**
     * Writes the calls as text or for Perfetto, and closes the writer.
     *
     * @throws IOException if they cannot be written
     * @throws IllegalArgumentException if the form is another
     * @throws IllegalStateException if the form needs a library that is missing
     */
    public void write(TraceForm form, Writer out) throws IOException {
        Observer.write(form, out, this::replay);
    }

    /**
     * The calls that changed DMA address spaces, in their order; those before the beginning of the record are missing.
     */
    public List<DmaCall> dmaCalls() {
        DmaCalls dma = new DmaCalls();
        replay(dma);
        return dma.calls();
    }

    /** Passes what happened on to a listener. */
    void replay(CallDecoder.Listener listener) {
        for (Event event : events) {
            switch (event) {
                case Begin begin -> listener.begun(begin.call());
                case End end -> listener.ended(end.call());
                case Memory memory -> listener.memory(memory.address(), memory.bytes());
            }
        }
    }
}
