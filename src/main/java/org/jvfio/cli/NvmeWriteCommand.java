package org.jvfio.cli;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jvfio.ByteSize;
import org.jvfio.driver.nvme.NvmeNamespace;
import org.jvfio.kernel.FileErrors;

/** {@code jvfio nvme write}: copies a file or standard input to a drive. */
final class NvmeWriteCommand extends Command {
    private static final int DEPTH = 32;
    private static final String STANDARD_INPUT = "-";

    NvmeWriteCommand() {
        super("nvme write", "copy a file or standard input to an NVMe drive");
    }

    @Override
    void describe(CommandSyntax syntax) {
        NvmeDrive.addTo(syntax);
        NvmeDrive.addOverwriteTo(Progress.addTo(
                        ByteRange.addTo(syntax, "copy this many bytes at most (default: all of the input)")))
                .option("input", "FILE", "read from this file; - is standard input (default: -)")
                .json(shape())
                .example("jvfio nvme write --input first.img", "copy a file to the beginning of the drive");
    }

    private static JsonShape shape() {
        return JsonShape.object("what was copied")
                .with("offset", JsonShape.integer("where it begins, in bytes"))
                .with("bytes", JsonShape.integer("how much it was, in bytes"))
                .with("input", JsonShape.string("the file, or - for standard input"));
    }

    @Override
    int run(Invocation in) throws Failure {
        NvmeDrive.requireOverwrite(in, name());
        String input = in.value("input").orElse(STANDARD_INPUT);
        boolean isFile = !input.equals(STANDARD_INPUT);
        try (InputStream from = isFile ? Files.newInputStream(Path.of(input)) : System.in;
                NvmeDrive drive = NvmeDrive.open(in, DEPTH, NvmeBytes.BUFFER_BYTES);
                Progress progress = Progress.of(in)) {
            NvmeNamespace namespace = drive.namespace();
            ByteRange rest = ByteRange.rest(in, namespace);
            long most = in.bytes("size", Long.MAX_VALUE);
            // A file that is too large for the drive is refused before anything is written.
            boolean isKnown = isFile && Files.isRegularFile(Path.of(input));
            if (isKnown) {
                if (drive.hasImage(Path.of(input))) {
                    throw new Failure(Failure.FAILED, "cannot write " + input + ": it backs the emulated drive");
                }
                most = Math.min(most, Files.size(Path.of(input)));
                if (most > rest.size()) {
                    throw new Failure(
                            Failure.FAILED,
                            "cannot write %s of %s at offset %s: %s has %s there; name a --size"
                                    .formatted(
                                            ByteSize.format(most),
                                            input,
                                            ByteSize.format(rest.offset()),
                                            namespace,
                                            ByteSize.format(rest.size())));
                }
            }
            drive.keepImage();
            long written;
            try (NvmeBytes bytes = new NvmeBytes(namespace)) {
                written = bytes.write(rest.offset(), Math.min(most, rest.size()), from, progress);
            }
            if (written == rest.size() && most > written && from.read() >= 0) {
                String name = isFile ? input : "standard input";
                throw Failure.failed(
                        written == 0
                                ? "cannot write %s at offset %s: %s ends there"
                                        .formatted(name, ByteSize.format(rest.offset()), namespace)
                                : "%s has more than %s, which were written, and %s ends there"
                                        .formatted(name, ByteSize.format(written), namespace));
            }
            new Step("write", "Wrote to " + namespace)
                    .fact("offset", rest.offset(), "offset", ByteSize.format(rest.offset()))
                    .fact("bytes", written, "bytes", ByteSize.format(written))
                    .fact("input", input, "from", input)
                    .print(in.out(), in.json());
            return 0;
        } catch (IOException e) {
            throw new Failure(Failure.FAILED, "cannot read " + input + ": " + FileErrors.reason(e));
        }
    }
}
