package org.jvfio.contract.random;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.EmulatedContractHost;
import org.jvfio.contract.host.PciDevice;
import org.jvfio.contract.host.VfioProcess;
import org.jvfio.contract.random.Differential.Difference;
import org.jvfio.contract.random.NvmeCallGenerator.Format;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.nvme.DrivePreset;
import org.jvfio.emulator.nvme.EmulatedNvme;
import org.jvfio.emulator.nvme.NamespaceOptions;
import org.jvfio.emulator.nvme.NamespaceOptions.CopyLimits;

/**
 * Runs the same commands on the NVMe drive of a host and on an emulated one like QEMU's, and compares what each answers
 * and what it writes to memory, command by command.
 */
final class NvmeDifferential implements AutoCloseable {
    private static final int IDENTIFY = 6;
    private static final int GET_LOG_PAGE = 2;
    private static final int GET_FEATURES = 0xa;
    private static final int HEALTH_LOG = 2;
    private static final int EFFECTS_LOG = 5;
    private static final int TIMESTAMP = 0xe;
    private static final int SHOWN_BYTES = 16;
    private static final int SHOWN_ROWS = 8;
    private static final long AREA_BYTES = NvmeSession.AREA_BYTES;
    private static final int SIZE = 0;
    private static final int FORMAT = 26;
    private static final int COPY_RANGE_BLOCKS = 74;
    private static final int COPY_BLOCKS = 76;
    private static final int COPY_RANGES = 80;
    private static final int FORMATS = 128;

    /** Fields of data structures that differ by design, as offsets and lengths. */
    private static final long[][] CONTROLLER_FIELDS = {{64, 8}, {256, 2}, {536, 4}};

    private static final long[][] HEALTH_FIELDS = {{32, 64}, {128, 16}};
    /** Security Send and Receive, which QEMU has from version 11 on. */
    private static final long[][] EFFECTS_FIELDS = {{0x204, 8}};

    private static final long[][] TIMESTAMP_FIELDS = {{0, 6}};

    private final NvmeSession emulated;
    private final NvmeSession other;
    private final long mediumBytes;
    private final Format format;
    private final Map<String, Map<String, Integer>> answers = new TreeMap<>();
    private long commands;

    /** Takes the first NVMe drive of a host, and boots a kernel with an emulated one that has the same namespace. */
    NvmeDifferential(ContractHost host) {
        this(host, UnaryOperator.identity());
    }

    /**
     * With an emulated drive that is not quite like QEMU's.
     *
     * @param change what it has otherwise
     */
    NvmeDifferential(ContractHost host, UnaryOperator<EmulatedNvme.Builder> change) {
        VfioProcess process = host.start();
        PciDevice drive = process.nvmes().getFirst();
        other = new NvmeSession(process, drive);
        other.run("enable %x".formatted(NvmeCallGenerator.ENABLED));
        byte[] namespace = other.identify(1);
        ByteBuffer data = ByteBuffer.wrap(namespace).order(ByteOrder.LITTLE_ENDIAN);
        format = new Format(namespace[FORMAT] & 0xf, (namespace[FORMAT] & 0x10) != 0);
        mediumBytes = data.getLong(SIZE) * ((1L << format.shift()) + format.metadata());
        if (data.get(FORMATS + 4 * format.index() + 2) != format.shift()) {
            throw new IllegalStateException("the drive has other formats than QEMU's");
        }
        CopyLimits copy = new CopyLimits(
                Short.toUnsignedInt(data.getShort(COPY_RANGE_BLOCKS)),
                data.getInt(COPY_BLOCKS),
                Byte.toUnsignedInt(data.get(COPY_RANGES)) + 1);
        EmulatedMachine machine = host.mirror().toBuilder()
                .freezes(false)
                .withoutDevices()
                .device(
                        drive.address(),
                        drive.group(),
                        () -> change.apply(preset(copy)).build())
                .build();
        emulated = new NvmeSession(EmulatedContractHost.process(EmulatedKernel.boot(machine)), drive);
        matchLimits();
    }

    /** A drive that had a format with larger blocks since it was switched on has the limits of that one. */
    private void matchLimits() {
        emulated.run("enable %x".formatted(NvmeCallGenerator.ENABLED));
        if (!emulated.limits().equals(other.limits())) {
            emulated.run("admin 80 nsid=1 d10=%x".formatted(NvmeCallGenerator.LARGE_BLOCKS));
            emulated.run("enable %x".formatted(NvmeCallGenerator.ENABLED));
            emulated.run("admin 80 nsid=1 d10=%x".formatted(format.dword()));
        }
    }

    private EmulatedNvme.Builder preset(CopyLimits copy) {
        return DrivePreset.QEMU
                .builder()
                .namespace(NamespaceOptions.ofMemory(mediumBytes)
                        .blockBytes(1 << format.shift())
                        .metadataBytes(format.metadata())
                        .extended(format.extended())
                        .copyLimits(copy)
                        .build());
    }

    NvmeCallGenerator generator(long seed) {
        return new NvmeCallGenerator(seed, mediumBytes, format);
    }

    /** How often each kind of line got each answer, of all sequences. */
    Map<String, Map<String, Integer>> answers() {
        return answers;
    }

    /** How many commands were run on both. */
    long commands() {
        return commands;
    }

    /** Runs a sequence from the beginning: the first difference, if there is one. */
    Optional<Difference> run(List<String> sequence) {
        begin();
        for (int step = 0; step < sequence.size(); step++) {
            String line = sequence.get(step);
            String expected = emulated.run(line);
            String actual = other.run(line);
            commands += NvmeCallGenerator.isCommand(line) ? 1 : 0;
            count(line, expected);
            if (!expected.equals(actual)) {
                return Optional.of(new Difference(step, line, expected, actual));
            }
            equalize(line);
            if (emulated.area().mismatch(other.area()) >= 0) {
                return Optional.of(new Difference(step, line, memory(emulated), memory(other)));
            }
        }
        return Optional.empty();
    }

    /**
     * Runs a sequence to its end: both answers to each line, with the first memory that differs, which is made equal
     * then.
     */
    List<Difference> answers(List<String> sequence) {
        begin();
        List<Difference> all = new ArrayList<>();
        for (String line : sequence) {
            String expected = emulated.run(line);
            String actual = other.run(line);
            if (expected.equals(actual)) {
                equalize(line);
            }
            boolean differs = emulated.area().mismatch(other.area()) >= 0;
            all.add(new Difference(
                    all.size(),
                    line,
                    differs ? expected + "; " + memory(emulated) : expected,
                    differs ? actual + "; " + memory(other) : actual));
            if (differs) {
                emulated.area().copyFrom(other.area());
            }
        }
        return all;
    }

    private void begin() {
        begin(emulated);
        begin(other);
        clear(1L << format.shift());
    }

    private void begin(NvmeSession session) {
        generator(0).beginning().forEach(session::run);
        if (session.identify(1)[FORMAT] != (byte) format.dword()) {
            session.run("admin 80 nsid=1 d10=%x".formatted(format.dword()));
        }
        session.run("fill %x %x 0".formatted(NvmeSession.AREA, NvmeSession.AREA_BYTES));
    }

    /** Sets the blocks to zeros that sequences use: the first and the last ones. */
    private void clear(long blockBytes) {
        long blocks = mediumBytes / (blockBytes + format.metadata());
        for (long first : new long[] {0, blocks - 256}) {
            String line = "io 8 nsid=1 d10=%x d11=%x d12=ff".formatted((int) first, first >>> 32);
            emulated.run(line);
            other.run(line);
        }
    }

    private void count(String line, String answer) {
        String[] words = line.split(" ", -1);
        String kind = words[0].equals("admin") || words[0].equals("io") ? words[0] + " " + words[1] : words[0];
        answers.computeIfAbsent(kind, _ -> new TreeMap<>()).merge(answer.replaceAll("[,;].*", ""), 1, Integer::sum);
    }

    /** The first rows of memory that differ, as a session has them. */
    private String memory(NvmeSession session) {
        List<String> rows = new ArrayList<>();
        MemorySegment left = emulated.area();
        MemorySegment right = other.area();
        long start = 0;
        while (rows.size() < SHOWN_ROWS) {
            long mismatch = MemorySegment.mismatch(left, start, AREA_BYTES, right, start, AREA_BYTES);
            if (mismatch < 0) {
                break;
            }
            long row = (start + mismatch) & -SHOWN_BYTES;
            byte[] bytes = session.area().asSlice(row, SHOWN_BYTES).toArray(ValueLayout.JAVA_BYTE);
            rows.add("at %x: %s"
                    .formatted(
                            NvmeSession.AREA + row, HexFormat.ofDelimiter(" ").formatHex(bytes)));
            start = row + SHOWN_BYTES;
        }
        return String.join("; ", rows);
    }

    /** Sets fields to zeros that differ by design. */
    private void equalize(String line) {
        String[] words = line.split(" ", -1);
        if (!emulated.hasSucceeded() || !words[0].equals("admin")) {
            return;
        }
        Map<String, Long> values = NvmeSession.values(words);
        long dword10 = values.getOrDefault("d10", 0L);
        int number = (int) (dword10 & 0xff);
        int opcode = Integer.parseInt(words[1], 16);
        long[][] fields = {};
        if (opcode == IDENTIFY && number == 1) {
            fields = CONTROLLER_FIELDS;
        } else if (opcode == GET_LOG_PAGE && number == HEALTH_LOG) {
            fields = HEALTH_FIELDS;
        } else if (opcode == GET_LOG_PAGE && number == EFFECTS_LOG) {
            fields = EFFECTS_FIELDS;
        } else if (opcode == GET_FEATURES && number == TIMESTAMP) {
            fields = TIMESTAMP_FIELDS;
        }
        long offset = opcode == GET_LOG_PAGE ? values.getOrDefault("d12", 0L) : 0;
        for (long[] field : fields) {
            for (long octet = Math.max(field[0], offset); octet < field[0] + field[1]; octet++) {
                clearOctet(emulated, values, octet - offset);
                clearOctet(other, values, octet - offset);
            }
        }
    }

    /** Clears a byte of a command's data. */
    private static void clearOctet(NvmeSession session, Map<String, Long> values, long index) {
        long first = values.getOrDefault("prp1", 0L);
        long inFirst = session.pageBytes() - (first & (session.pageBytes() - 1));
        long address = index < inFirst ? first + index : values.getOrDefault("prp2", 0L) + index - inFirst;
        MemorySegment area = session.area();
        long at = address - NvmeSession.AREA;
        if (at >= 0 && at < area.byteSize()) {
            area.set(ValueLayout.JAVA_BYTE, at, (byte) 0);
        }
    }

    @Override
    public void close() {
        try (emulated;
                other) {
            begin(other);
        }
    }
}
