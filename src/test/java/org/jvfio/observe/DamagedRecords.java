package org.jvfio.observe;

import static org.jvfio.observe.RecordFormat.INT;
import static org.jvfio.observe.RecordFormat.LONG;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;
import java.util.zip.GZIPOutputStream;

/** Files that are no records, or damaged ones: what may come by mail, or from a full disk. */
public final class DamagedRecords {
    private static final int FRAME = 64;

    private final byte[] good;
    private final int chunk;
    private final Map<String, byte[]> files = new LinkedHashMap<>();

    private DamagedRecords(byte[] good) {
        this.good = good;
        chunk = MemorySegment.ofArray(good).get(INT, RecordFormat.HEADER_BYTES);
    }

    /**
     * Damages a record in many ways.
     *
     * @param good a record of one chunk that has ended
     * @return the contents of the files, by what they are
     */
    public static Map<String, byte[]> of(byte[] good) {
        DamagedRecords records = new DamagedRecords(good);
        records.addForeign();
        records.addTruncated();
        records.addFlipped();
        records.addWrongNumbers();
        records.addWrongFrames();
        records.addCompressed();
        return records.files;
    }

    private static byte[] text(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] joined(byte[] first, byte[] second) {
        byte[] both = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, both, first.length, second.length);
        return both;
    }

    private void addForeign() {
        files.put("an empty file", new byte[0]);
        files.put("one byte", text("J"));
        files.put("the first bytes of the magic number", text("JVFIO"));
        files.put("the magic number in lower case", joined(text("jvfiorec"), Arrays.copyOfRange(good, 8, good.length)));
        files.put("zeros", new byte[1 << 16]);
        files.put("a line of text", text("0.000010 [main] open(\"/dev/vfio/vfio\", O_RDWR) = 3 <0.000002>\n"));
        files.put("a trace for Perfetto", text("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[]}"));
        files.put("a plan of faults", text("{\"faults\": [{\"on\": \"poll\", \"errno\": \"EINTR\"}]}"));
        files.put("a flight recording", text("FLR\0\0\2\0\1\0\0\0\0\0\0\0\0"));
        files.put("a jar", text("PK\3\4\24\0\10\10\10\0"));
        files.put("a program", text("\u007fELF\2\1\1\0\0\0\0\0\0\0\0\0"));
        files.put("text in UTF-16", "a record of a host".getBytes(StandardCharsets.UTF_16));
        files.put("a record behind a byte order mark", joined(text("\ufeff"), good));
    }

    private void addTruncated() {
        int facts = MemorySegment.ofArray(good).get(INT, RecordFormat.FACTS_BYTES);
        for (int length : new int[] {
            Long.BYTES,
            RecordFormat.VERSION_AT + 4,
            RecordFormat.ENDED,
            RecordFormat.FACTS - 1,
            RecordFormat.FACTS,
            RecordFormat.FACTS + facts,
            chunk,
            chunk + RecordFormat.CHUNK_SUM,
            chunk + RecordFormat.CHUNK_FRAMES,
            chunk + RecordFormat.CHUNK_FRAMES + 1,
            good.length - 1
        }) {
            files.put("cut off after %d bytes".formatted(length), Arrays.copyOf(good, length));
        }
    }

    private byte[] changed(Consumer<MemorySegment> change) {
        byte[] bytes = good.clone();
        change.accept(MemorySegment.ofArray(bytes));
        return bytes;
    }

    private void addFlipped() {
        Map<String, Integer> places = new LinkedHashMap<>();
        places.put("magic number", 3);
        places.put("version", RecordFormat.VERSION_AT);
        places.put("size of the header", RecordFormat.HEADER_BYTES);
        places.put("size of chunks", RecordFormat.CHUNK_BYTES + 2);
        places.put("flags", RecordFormat.FLAGS);
        places.put("time", RecordFormat.STARTED + 4);
        places.put("size of the facts", RecordFormat.FACTS_BYTES);
        places.put("size of the file", RecordFormat.FILE_BYTES + 1);
        places.put("checksum of the facts", RecordFormat.FACTS_SUM);
        places.put("checksum of the header", RecordFormat.HEADER_SUM + 3);
        places.put("facts", RecordFormat.FACTS + 5);
        places.put("state of a chunk", chunk + RecordFormat.CHUNK_STATE);
        places.put("used bytes of a chunk", chunk + RecordFormat.CHUNK_USED);
        places.put("sequence of a chunk", chunk + RecordFormat.CHUNK_SEQUENCE);
        places.put("time of a chunk", chunk + RecordFormat.CHUNK_TIME);
        places.put("checksum of a chunk", chunk + RecordFormat.CHUNK_SUM);
        places.put("first frame", chunk + RecordFormat.CHUNK_FRAMES);
        places.put("last frame", good.length - 1);
        places.forEach((name, place) -> files.put(
                "a flipped bit in the " + name,
                changed(file ->
                        file.set(ValueLayout.JAVA_BYTE, place, (byte) (file.get(ValueLayout.JAVA_BYTE, place) ^ 4)))));
    }

    /** Numbers that are wrong although the checksum is right. */
    private void addWrongNumbers() {
        for (int version : new int[] {0, RecordFormat.VERSION + 1, -1}) {
            files.put(
                    "a record of version " + version, changed(file -> file.set(INT, RecordFormat.VERSION_AT, version)));
        }
        for (int wrong : new int[] {-1, 0, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
            addHeader("%d bytes of facts".formatted(wrong), file -> file.set(INT, RecordFormat.FACTS_BYTES, wrong));
            addHeader("a header of %d bytes".formatted(wrong), file -> file.set(INT, RecordFormat.HEADER_BYTES, wrong));
        }
        for (int wrong : new int[] {-1, 0, RecordFormat.CHUNK_FRAMES, Integer.MIN_VALUE}) {
            addHeader("chunks of %d bytes".formatted(wrong), file -> file.set(INT, RecordFormat.CHUNK_BYTES, wrong));
        }
        for (int wrong : new int[] {-1, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
            files.put(
                    "a chunk that uses %d bytes".formatted(wrong),
                    changed(file -> file.set(INT, chunk + RecordFormat.CHUNK_USED, wrong)));
        }
        files.put("a file of more bytes than it says", joined(good, good));
        files.put(
                "a file of fewer bytes than it says",
                changed(file -> file.set(LONG, RecordFormat.FILE_BYTES, Long.MAX_VALUE)));
    }

    private void addHeader(String name, Consumer<MemorySegment> change) {
        files.put(name, changed(file -> {
            change.accept(file);
            MemorySegment header = MemorySegment.ofArray(new byte[RecordFormat.HEADER_SUM]);
            header.copyFrom(file.asSlice(0, RecordFormat.HEADER_SUM));
            header.set(INT, RecordFormat.ENDED, 0);
            header.set(LONG, RecordFormat.FILE_BYTES, 0);
            file.set(INT, RecordFormat.HEADER_SUM, RecordRing.sum(header));
        }));
    }

    /** Frames that say what cannot be, in a chunk whose checksum is right. */
    private void addWrongFrames() {
        addFrames("a frame of an unknown kind", 2, 99, 0);
        addFrames("a call of an unknown kind", 3, Frame.BEGIN, 99, 0);
        addFrames("a call of a thread without a name", 4, Frame.BEGIN, CallKind.CLOSE.number(), 77, 0);
        addFrames("an end without a beginning", 2, Frame.END, 0);
        addFrames("a frame longer than the chunk", 0xff, 0xff, 0xff, 0xff, 0x7f);
        addFrames("a length of more than 64 bits", 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f);
        addFrames("a name longer than its frame", 6, Frame.THREAD, 0, 0xff, 0xff, 0xff, 0x7f);
        addFrames("a frame longer than its contents", 5, Frame.THREAD, 0, 1, 'x', 0);
        addFrames("a frame without contents", 0);
    }

    private void addFrames(String name, int... octets) {
        byte[] bytes = Arrays.copyOf(good, chunk + RecordFormat.CHUNK_FRAMES + FRAME);
        Arrays.fill(bytes, chunk + RecordFormat.CHUNK_FRAMES, bytes.length, (byte) 0);
        for (int each = 0; each < octets.length; each++) {
            bytes[chunk + RecordFormat.CHUNK_FRAMES + each] = (byte) octets[each];
        }
        MemorySegment file = MemorySegment.ofArray(bytes);
        file.set(LONG, RecordFormat.FILE_BYTES, bytes.length);
        file.set(INT, chunk + RecordFormat.CHUNK_USED, octets.length);
        file.set(
                INT,
                chunk + RecordFormat.CHUNK_SUM,
                RecordRing.sum(
                        file.asSlice(chunk, RecordFormat.CHUNK_SUM),
                        file.asSlice(chunk + RecordFormat.CHUNK_FRAMES, octets.length)));
        files.put(name, bytes);
    }

    private void addCompressed() {
        byte[] compressed = compressed(good);
        files.put("compressed text", compressed(text("a text of some length that is no record")));
        files.put("a record compressed twice", compressed(compressed));
        files.put("a compressed record cut off", Arrays.copyOf(compressed, compressed.length / 2));
        files.put("the beginning of a compressed file", Arrays.copyOf(compressed, 2));
        byte[] wrongSum = compressed.clone();
        wrongSum[wrongSum.length - 5] ^= 1;
        files.put("a compressed record with a wrong checksum", wrongSum);
        byte[] flipped = compressed.clone();
        flipped[flipped.length / 2] ^= 0x10;
        files.put("a compressed record with a flipped bit", flipped);
        files.put("a damaged record, compressed", compressed(Arrays.copyOf(good, good.length - 1)));
        files.put("very many zeros, compressed", zeros(RecordOptions.MAX_BYTES));
    }

    private static byte[] compressed(byte[] bytes) {
        return compressed(out -> out.write(bytes));
    }

    private static byte[] zeros(long count) {
        return compressed(out -> {
            for (long left = count; left > 0; left -= 1 << 20) {
                out.write(new byte[1 << 20]);
            }
        });
    }

    private interface Contents {
        void write(GZIPOutputStream out) throws IOException;
    }

    private static byte[] compressed(Contents contents) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (GZIPOutputStream out = new GZIPOutputStream(bytes)) {
            contents.write(out);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }
}
