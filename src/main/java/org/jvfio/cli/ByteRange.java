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
     * All from {@code --offset} to the end.
     *
     * @throws Failure if the namespace ends before it
     */
    static ByteRange rest(CommandLine line, NvmeNamespace namespace) throws Failure {
        long offset = CommandOptions.bytes(line, "offset", 0);
        if (offset > namespace.bytes()) {
            throw beyond(offset, namespace);
        }
        return new ByteRange(offset, namespace.bytes() - offset);
    }

    /**
     * Reads the options.
     *
     * @param most the size without the option, if the namespace has as much
     * @throws Failure if they make no sense, or the namespace is smaller
     */
    static ByteRange of(CommandLine line, NvmeNamespace namespace, long most) throws Failure {
        ByteRange rest = rest(line, namespace);
        long size = CommandOptions.bytes(line, "size", Math.min(most, rest.size));
        if (size > rest.size) {
            throw new Failure(
                    Failure.FAILED,
                    "cannot use %s at offset %s: %s has %s"
                            .formatted(
                                    ByteSize.format(size),
                                    ByteSize.format(rest.offset),
                                    namespace,
                                    ByteSize.format(namespace.bytes())));
        }
        return new ByteRange(rest.offset, size);
    }

    /**
     * The same, of whole blocks, at least one.
     *
     * @throws Failure also if it is not
     */
    static ByteRange ofBlocks(CommandLine line, NvmeNamespace namespace, long most) throws Failure {
        ByteRange range = of(line, namespace, most);
        int blockBytes = namespace.blockBytes();
        if (range.offset % blockBytes != 0) {
            throw new Failure(
                    Failure.USAGE,
                    "--offset %d: use a multiple of the drive's blocks of %d bytes"
                            .formatted(range.offset, blockBytes));
        }
        if (range.size == 0 && !line.hasOption("size")) {
            throw beyond(range.offset, namespace);
        }
        if (range.size % blockBytes != 0 || range.size == 0) {
            throw new Failure(
                    Failure.USAGE,
                    "--size %d: use a multiple of the drive's blocks of %d bytes, and at least one of them"
                            .formatted(range.size, blockBytes));
        }
        return range;
    }

    private static Failure beyond(long offset, NvmeNamespace namespace) {
        return new Failure(
                Failure.FAILED,
                "cannot begin at offset %s: %s has %s"
                        .formatted(ByteSize.format(offset), namespace, ByteSize.format(namespace.bytes())));
    }
}
