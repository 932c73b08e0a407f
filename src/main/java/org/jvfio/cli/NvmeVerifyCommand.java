package org.jvfio.cli;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.jvfio.ByteSize;
import org.jvfio.driver.nvme.NvmeBuffer;
import org.jvfio.driver.nvme.NvmeNamespace;

/**
 * {@code jvfio nvme verify}: writes data derived from a seed, in pieces of random sizes and in random order, and reads
 * it back in others; or only reads what an earlier run wrote.
 */
final class NvmeVerifyCommand extends Command {
    private static final int DEPTH = 64;
    private static final long DEFAULT_BYTES = 256L << 20;
    private static final int MAX_PIECE_BYTES = 1 << 20;
    private static final int PIECES_OF_A_PORTION = 1024;
    private static final long SEED = 1;

    NvmeVerifyCommand() {
        super("nvme verify", "write random pieces of an NVMe drive, read them back, and compare");
    }

    @Override
    void describe(CommandSyntax syntax) {
        NvmeDrive.addTo(syntax);
        NvmeDrive.addOverwriteTo(Progress.addTo(ByteRange.addTo(syntax, "verify this many bytes (default: 256M)")))
                .option("seed", "NUMBER", "derive the data from this number (default: 1)")
                .flag("read-only", "write nothing: compare with what an earlier run with the same seed wrote")
                .json(shape())
                .example("jvfio nvme verify", "verify 256 MiB of an emulated drive")
                .example(
                        "jvfio nvme verify --kernel linux --overwrite --size 1G",
                        "verify 1 GiB of the first drive of this host, whose data is lost");
    }

    private static JsonShape shape() {
        JsonShape verification = JsonShape.object("the verification")
                .with("kernel", JsonShape.string("the kernel the drive is used on"))
                .with("offset", JsonShape.integer("where the range begins, in bytes"))
                .with("bytes", JsonShape.integer("size of the range, in bytes"))
                .with("seed", JsonShape.integer("what the data is derived from"))
                .with("queues", JsonShape.integer("pairs of I/O queues in use"))
                .withOptional("written", passShape("writing; missing with --read-only"))
                .with("compared", passShape("reading and comparing"));
        return NvmeDrive.addCompletionTo(verification);
    }

    private static JsonShape passShape(String text) {
        return JsonShape.object(text)
                .with("pieces", JsonShape.integer("number of transfers"))
                .with("millis", JsonShape.integer("duration in milliseconds"));
    }

    /** A piece of the range, in blocks. */
    private record Piece(long lba, long blocks) {}

    @Override
    int run(Invocation in) throws Failure {
        boolean writes = !in.has("read-only");
        if (writes) {
            NvmeDrive.requireOverwrite(in, name());
        }
        long seed = in.number("seed", SEED, 0, Long.MAX_VALUE);
        try (NvmeDrive drive = NvmeDrive.open(in, DEPTH, MAX_PIECE_BYTES);
                Progress progress = Progress.of(in)) {
            NvmeNamespace namespace = drive.namespace();
            ByteRange range = ByteRange.ofBlocks(in, namespace, DEFAULT_BYTES);
            drive.keepImage();
            Step step = new Step("verify", "Verified " + namespace)
                    .fact("kernel", drive.kernelTitle(), "kernel", drive.kernelTitle())
                    .fact("offset", range.offset(), "offset", ByteSize.format(range.offset()))
                    .fact("bytes", range.size(), "bytes", ByteSize.format(range.size()))
                    .fact("seed", seed, "seed", Long.toString(seed))
                    .fact("queues", drive.controller().queues().size(), "queues", drive.queues());
            SeededBytes data = new SeededBytes(seed);
            try (NvmeBuffer buffer = drive.controller().allocate(MAX_PIECE_BYTES)) {
                if (writes) {
                    write(step, namespace, range, data, buffer, progress);
                }
                compare(step, namespace, range, data, buffer, progress);
            }
            // Last: whether interrupts come is known only now.
            step.fact("completion", drive.completionWord(), "completion", drive.completion())
                    .fact("polledQueues", drive.polledQueues(), "polled");
            step.print(in.out(), in.json());
            return 0;
        }
    }

    /** What is done with a piece. */
    private interface Work {
        void on(Piece piece) throws Failure;
    }

    /**
     * Goes through a range in random pieces, which follow from the seed, and in random order within each portion: no
     * range is too long to remember its pieces.
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
                progress.show(what, done, range.size());
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
                Json.object("pieces", pieces, "millis", millis),
                what,
                "in %d pieces, %d.%03d s".formatted(pieces, millis / 1000, millis % 1000));
    }
}
