package org.jvfio.cli;

import org.apache.commons.cli.CommandLine;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.Options;
import org.jvfio.ByteSize;
import org.jvfio.driver.nvme.NvmeNamespace;

/**
 * The part of a namespace that a user means with {@code --offset} and {@code --size}.
 *
 * @param offset where it begins, in bytes
 * @param size how much it is, in bytes
 */
record ByteRange(long offset, long size) {
    /** Adds the options. */
    static Options addTo(Options options, String sizeText) {
        return options.addOption(Option.builder()
                        .longOpt("offset")
                        .hasArg()
                        .argName("BYTES")
                        .desc("where to begin, 0 by default; such as 4096, 64K or 1G")
                        .get())
                .addOption(Option.builder()
                        .longOpt("size")
                        .hasArg()
                        .argName("BYTES")
                        .desc(sizeText)
                        .get());
    }

    /**
     * Reads the options.
     *
     * @param most the size without the option, if the namespace has as much
     * @throws Failure if they make no sense, or the namespace is smaller
     */
    static ByteRange of(CommandLine line, NvmeNamespace namespace, long most) throws Failure {
        long offset = CommandOptions.bytes(line, "offset", 0);
        long size = CommandOptions.bytes(line, "size", Math.min(most, Math.max(0, namespace.bytes() - offset)));
        if (offset > namespace.bytes() || size > namespace.bytes() - offset) {
            throw new Failure(
                    Failure.FAILED,
                    "cannot use %s at offset %s: %s has %s"
                            .formatted(
                                    ByteSize.format(size),
                                    ByteSize.format(offset),
                                    namespace,
                                    ByteSize.format(namespace.bytes())));
        }
        return new ByteRange(offset, size);
    }

    /**
     * The same, of whole blocks.
     *
     * @throws Failure if it is not
     */
    ByteRange requireBlocks(int blockBytes) throws Failure {
        if (offset % blockBytes != 0 || size % blockBytes != 0 || size == 0) {
            throw new Failure(
                    Failure.USAGE,
                    "--offset %d --size %d: use multiples of the drive's blocks of %d bytes, and at least one"
                            .formatted(offset, size, blockBytes));
        }
        return this;
    }
}
