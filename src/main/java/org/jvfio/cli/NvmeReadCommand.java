package org.jvfio.cli;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.commons.cli.CommandLine;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.Options;
import org.jvfio.ByteSize;
import org.jvfio.driver.nvme.NvmeNamespace;

/** {@code jvfio nvme read}: copies bytes of a drive to a file or standard output. */
final class NvmeReadCommand implements Command {
    private static final int DEPTH = 32;
    private static final String STANDARD_OUTPUT = "-";

    @Override
    public String name() {
        return "nvme read";
    }

    @Override
    public String summary() {
        return "copy bytes of an NVMe drive to a file or standard output";
    }

    @Override
    public Options options() {
        return Progress.addTo(ByteRange.addTo(NvmeDrive.options(), "how much; all that follows by default"))
                .addOption(Option.builder()
                        .longOpt("output")
                        .hasArg()
                        .argName("FILE")
                        .desc("the file to write; - is standard output, the default")
                        .get());
    }

    @Override
    public void run(CommandLine line, StandardOutput out) throws Failure {
        String output = line.getOptionValue("output", STANDARD_OUTPUT);
        boolean isFile = !output.equals(STANDARD_OUTPUT);
        try (NvmeDrive drive = NvmeDrive.open(line, DEPTH);
                Progress progress = Progress.of(line)) {
            NvmeNamespace namespace = drive.namespace();
            ByteRange range = ByteRange.of(line, namespace, Long.MAX_VALUE);
            try (NvmeBytes bytes = new NvmeBytes(namespace)) {
                if (!isFile) {
                    drive.keepImage();
                    bytes.read(range.offset(), range.size(), out.bytes(), progress);
                    return;
                }
                if (drive.hasImage(Path.of(output))) {
                    throw new Failure(
                            Failure.FAILED, "cannot write to " + output + ": the emulated drive has its data in it");
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
                    .print(out, line.hasOption("json"));
        } catch (IOException e) {
            throw isFile
                    ? new Failure(Failure.FAILED, "cannot write to " + output + ": " + e)
                    : StandardOutput.failure(e);
        }
    }
}
