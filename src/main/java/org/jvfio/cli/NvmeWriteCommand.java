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
            ByteRange rest = ByteRange.rest(line, namespace);
            long most = CommandOptions.bytes(line, "size", Long.MAX_VALUE);
            // What a file is too large for the drive is known before anything is written.
            boolean isKnown = isFile && Files.isRegularFile(Path.of(input));
            if (isKnown) {
                if (drive.hasImage(Path.of(input))) {
                    throw new Failure(
                            Failure.FAILED, "cannot write " + input + ": the emulated drive has its data in it");
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
                throw new Failure(
                        Failure.FAILED,
                        "%s has more than %s, which were written, and %s ends there"
                                .formatted(isFile ? input : "standard input", ByteSize.format(written), namespace));
            }
            new Step("write", "Wrote to " + namespace)
                    .fact("offset", rest.offset(), "offset", ByteSize.format(rest.offset()))
                    .fact("bytes", written, "bytes", ByteSize.format(written))
                    .fact("input", input, "from", input)
                    .print(out, line.hasOption("json"));
        } catch (IOException e) {
            throw new Failure(Failure.FAILED, "cannot read " + input + ": " + e);
        }
    }
}
