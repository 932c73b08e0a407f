package org.jvfio.cli;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jvfio.ByteSize;
import org.jvfio.driver.nvme.NvmeNamespace;
import org.jvfio.kernel.FileErrors;

/** {@code jvfio nvme read}: copies bytes of a drive to a file or standard output. */
final class NvmeReadCommand extends Command {
    private static final int DEPTH = 32;
    private static final String STANDARD_OUTPUT = "-";

    NvmeReadCommand() {
        super("nvme read", "copy bytes of an NVMe drive to a file or standard output");
    }

    @Override
    void describe(CommandSyntax syntax) {
        NvmeDrive.addTo(syntax);
        Progress.addTo(ByteRange.addTo(syntax, "copy this many bytes (default: all that follows)"))
                .option("output", "FILE", "write to this file; - is standard output (default: -)")
                .json(shape())
                .example("jvfio nvme read --size 1M --output first.img", "copy the first MiB to a file")
                .example("jvfio nvme read --offset 512 --size 512 | xxd", "look at the second block");
    }

    private static JsonShape shape() {
        return JsonShape.object("what was copied")
                .with("offset", JsonShape.integer("where it begins, in bytes"))
                .with("bytes", JsonShape.integer("how much it was, in bytes"))
                .with("output", JsonShape.string("the file"));
    }

    @Override
    int run(Invocation in) throws Failure {
        String output = in.value("output").orElse(STANDARD_OUTPUT);
        boolean isFile = !output.equals(STANDARD_OUTPUT);
        if (!isFile && in.json()) {
            throw Failure.usage("--json needs --output FILE: the drive's bytes go to standard output without it");
        }
        try (NvmeDrive drive = NvmeDrive.open(in, DEPTH, NvmeBytes.BUFFER_BYTES);
                Progress progress = Progress.of(in)) {
            NvmeNamespace namespace = drive.namespace();
            ByteRange range = ByteRange.of(in, namespace, Long.MAX_VALUE);
            try (NvmeBytes bytes = new NvmeBytes(namespace)) {
                if (!isFile) {
                    drive.keepImage();
                    bytes.read(range.offset(), range.size(), in.out().bytes(), progress);
                    return 0;
                }
                if (drive.hasImage(Path.of(output))) {
                    throw new Failure(Failure.FAILED, "cannot write to " + output + ": it backs the emulated drive");
                }
                try (OutputStream file = new BufferedOutputStream(Files.newOutputStream(Path.of(output)))) {
                    drive.keepImage();
                    bytes.read(range.offset(), range.size(), file, progress);
                }
            }
            new Step("read", "Read from " + namespace)
                    .fact("offset", range.offset(), "offset", ByteSize.format(range.offset()))
                    .fact("bytes", range.size(), "bytes", ByteSize.format(range.size()))
                    .fact("output", output, "to", output)
                    .print(in.out(), in.json());
            return 0;
        } catch (IOException e) {
            throw isFile
                    ? Failure.failed("cannot write to " + output + ": " + FileErrors.reason(e))
                    : in.out().failure(e);
        }
    }
}
