package org.jvfio.cli;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.commons.cli.CommandLine;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.Options;
import org.jvfio.ByteSize;
import org.jvfio.driver.nvme.NvmeNamespace;

/** {@code jvfio nvme write}: copies a file or standard input to a drive. */
final class NvmeWriteCommand implements Command {
    private static final int DEPTH = 32;
    private static final String STANDARD_INPUT = "-";

    @Override
    public String name() {
        return "nvme write";
    }

    @Override
    public String summary() {
        return "copy a file or standard input to an NVMe drive";
    }

    @Override
    public Options options() {
        return NvmeDrive.writing(Progress.addTo(
                        ByteRange.addTo(NvmeDrive.options(), "how much at most; all of the input by default")))
                .addOption(Option.builder()
                        .longOpt("input")
                        .hasArg()
                        .argName("FILE")
                        .desc("the file to read; - is standard input, the default")
                        .get());
    }

    @Override
    public void run(CommandLine line, StandardOutput out) throws Failure {
        NvmeDrive.requireOverwrite(line, name());
        String input = line.getOptionValue("input", STANDARD_INPUT);
        boolean isFile = !input.equals(STANDARD_INPUT);
        try (InputStream from = isFile ? Files.newInputStream(Path.of(input)) : System.in;
                NvmeDrive drive = NvmeDrive.open(line, DEPTH);
                Progress progress = Progress.of(line)) {
            NvmeNamespace namespace = drive.namespace();
            // What a file is too large for the drive is known before anything is written.
            long known = isFile ? Files.size(Path.of(input)) : Long.MAX_VALUE;
            ByteRange range = ByteRange.of(line, namespace, Long.MAX_VALUE);
            if (!line.hasOption("size") && isFile && known > range.size()) {
                throw new Failure(
                        Failure.FAILED,
                        "cannot write %s of %s at offset %s: %s has %s there; name a --size"
                                .formatted(
                                        ByteSize.format(known),
                                        input,
                                        ByteSize.format(range.offset()),
                                        namespace,
                                        ByteSize.format(range.size())));
            }
            long written;
            try (NvmeBytes bytes = new NvmeBytes(namespace)) {
                written = bytes.write(range.offset(), Math.min(known, range.size()), from, progress);
            }
            if (!isFile && !line.hasOption("size") && from.read() >= 0) {
                throw new Failure(
                        Failure.FAILED,
                        "standard input has more than %s, which were written, and %s ends there"
                                .formatted(ByteSize.format(written), namespace));
            }
            new Step("write", "Wrote to " + namespace)
                    .fact("offset", range.offset(), "offset", ByteSize.format(range.offset()))
                    .fact("bytes", written, "bytes", ByteSize.format(written))
                    .fact("input", input, "from", input)
                    .print(out, line.hasOption("json"));
        } catch (IOException e) {
            throw new Failure(Failure.FAILED, "cannot read " + input + ": " + e);
        }
    }
}
