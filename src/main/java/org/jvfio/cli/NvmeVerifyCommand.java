package org.jvfio.cli;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.apache.commons.cli.CommandLine;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.Options;
import org.jvfio.ByteSize;
import org.jvfio.driver.nvme.NvmeBuffer;
import org.jvfio.driver.nvme.NvmeNamespace;

/**
 * {@code jvfio nvme verify}: writes data that follows from a seed, in pieces of random sizes and in random order, and reads
 * it back in others; or only reads what an earlier run wrote.
 */
final class NvmeVerifyCommand implements Command {
    private static final int DEPTH = 64;
    private static final long DEFAULT_BYTES = 256L << 20;
    private static final int MAX_PIECE_BYTES = 1 << 20;
    private static final int PIECES_OF_A_PORTION = 1024;
    private static final long SEED = 1;

    @Override
    public String name() {
        return "nvme verify";
    }

    @Override
    public String summary() {
        return "write random pieces of an NVMe drive, read them back, and compare";
    }

    @Override
    public Options options() {
        return NvmeDrive.writing(Progress.addTo(ByteRange.addTo(NvmeDrive.options(), "how much, 256M by default")))
                .addOption(Option.builder()
                        .longOpt("seed")
                        .hasArg()
                        .argName("NUMBER")
                        .desc("what the data follows from, 1 by default")
                        .get())
                .addOption(Option.builder()
                        .longOpt("read-only")
                        .desc("writes nothing: reads and compares what an earlier run with the same seed wrote")
                        .get());
    }

    /** A piece of the range, in blocks. */
    private record Piece(long lba, long blocks) {}

    @Override
    public void run(CommandLine line, StandardOutput out) throws Failure {
        boolean writes = !line.hasOption("read-only");
        if (writes) {
            NvmeDrive.requireOverwrite(line, name());
        }
        long seed = CommandOptions.number(line, "seed", SEED, 0, Long.MAX_VALUE);
        try (NvmeDrive drive = NvmeDrive.open(line, DEPTH);
                Progress progress = Progress.of(line)) {
            NvmeNamespace namespace = drive.namespace();
            ByteRange range = ByteRange.ofBlocks(line, namespace, DEFAULT_BYTES);
            drive.keepImage();
            Step step = new Step("verify", "Verified " + namespace)
                    .fact("kernel", drive.kernelTitle(), "kernel", drive.kernelTitle())
                    .fact("offset", range.offset(), "offset", ByteSize.format(range.offset()))
                    .fact("bytes", range.size(), "bytes", ByteSize.format(range.size()))
                    .fact("seed", seed, "seed", Long.toString(seed))
                    .fact("queues", drive.controller().queues().size(), "queues", drive.queues())
                    .fact(
                            "completion",
                            drive.controller().options().completion().name(),
                            "completion",
                            drive.completion());
            SeededBytes data = new SeededBytes(seed);
            try (NvmeBuffer buffer = drive.controller().allocate(MAX_PIECE_BYTES)) {
                if (writes) {
                    write(step, namespace, range, data, buffer, progress);
                }
                compare(step, namespace, range, data, buffer, progress);
            }
            step.print(out, line.hasOption("json"));
        }
    }

    /** What is done with a piece. */
    private interface Work {
        void on(Piece piece) throws Failure;
    }

    /**
     * Goes through a range in random pieces, which follow from the seed, and in random order within each portion: no range
     * is too long to remember its pieces.
     *
     * @return how many pieces there were
     */
    private static long inPieces(ByteRange range, int blockBytes, long seed, String what, Progress progress, Work work)
            throws Failure {
        Random random = new Random(seed);
        long end = (range.offset() + range.size()) / blockBytes;
        long count = 0;
        long done = 0;
        for (long lba = range.offset() / blockBytes; lba < end; ) {
            List<Piece> portion = new ArrayList<>();
            while (lba < end && portion.size() < PIECES_OF_A_PORTION) {
                // As many small ones as large ones.
                int most = 1 << random.nextInt(1 + Integer.numberOfTrailingZeros(MAX_PIECE_BYTES / blockBytes));
                long blocks = Math.min(end - lba, 1 + random.nextInt(most));
                portion.add(new Piece(lba, blocks));
                lba += blocks;
            }
            Collections.shuffle(portion, random);
            for (Piece piece : portion) {
                work.on(piece);
                done += piece.blocks() * blockBytes;
                progress.tell(what, done, range.size());
            }
            count += portion.size();
        }
        return count;
    }

    private static void write(
            Step step, NvmeNamespace namespace, ByteRange range, SeededBytes data, NvmeBuffer buffer, Progress progress)
            throws Failure {
        long start = System.nanoTime();
        long pieces = inPieces(range, namespace.blockBytes(), data.seed(), "written", progress, piece -> {
            long bytes = piece.blocks() * namespace.blockBytes();
            data.fill(buffer.segment().asSlice(0, bytes), piece.lba() * namespace.blockBytes());
            namespace.write(piece.lba(), piece.blocks(), buffer);
        });
        namespace.flush();
        tell(step, "written", pieces, start);
    }

    private static void compare(
            Step step, NvmeNamespace namespace, ByteRange range, SeededBytes data, NvmeBuffer buffer, Progress progress)
            throws Failure {
        long start = System.nanoTime();
        long pieces = inPieces(range, namespace.blockBytes(), ~data.seed(), "compared", progress, piece -> {
            long offset = piece.lba() * namespace.blockBytes();
            long bytes = piece.blocks() * namespace.blockBytes();
            buffer.segment().asSlice(0, bytes).fill((byte) 0);
            namespace.read(piece.lba(), piece.blocks(), buffer);
            long mismatch = data.mismatch(buffer.segment().asSlice(0, bytes), offset);
            if (mismatch >= 0) {
                throw new Failure(
                        Failure.FAILED,
                        "%s does not hold what seed %d gives: byte %d, in LBA %d, differs"
                                .formatted(
                                        namespace,
                                        data.seed(),
                                        offset + mismatch,
                                        (offset + mismatch) / namespace.blockBytes()));
            }
        });
        tell(step, "compared", pieces, start);
    }

    private static void tell(Step step, String what, long pieces, long start) {
        long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
        step.fact(
                what,
                Step.data("pieces", pieces, "millis", millis),
                what,
                "in %d pieces, %d.%03d s".formatted(pieces, millis / 1000, millis % 1000));
    }
}
