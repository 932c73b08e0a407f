package org.jvfio.cli;

import org.jvfio.ByteSize;
import org.jvfio.driver.nvme.NvmeNamespace;

/**
 * The part of a namespace that a user chooses with {@code --offset} and {@code --size}.
 *
 * @param offset where it begins, in bytes
 * @param size how much it is, in bytes
 */
record ByteRange(long offset, long size) {
    /** Adds the options. */
    static CommandSyntax addTo(CommandSyntax syntax, String sizeText) {
        return syntax.option("offset", "BYTES", "begin at this offset, such as 4096, 64K or 1G (default: 0)")
                .option("size", "BYTES", sizeText);
    }

    /**
     * All from {@code --offset} to the end.
     *
     * @throws Failure if the namespace ends before it
     */
    static ByteRange rest(Invocation in, NvmeNamespace namespace) throws Failure {
        long offset = in.bytes("offset", 0);
        if (offset > namespace.bytes()) {
            throw beyond(offset, namespace);
        }
        return new ByteRange(offset, namespace.bytes() - offset);
    }

    /**
     * Reads the options.
     *
     * @param most the size without the option, if the namespace is as large
     * @throws Failure if they are invalid, or the namespace is smaller
     */
    static ByteRange of(Invocation in, NvmeNamespace namespace, long most) throws Failure {
        ByteRange rest = rest(in, namespace);
        long size = in.bytes("size", Math.min(most, rest.size));
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
     * Reads the options for a range of whole blocks, at least one.
     *
     * @throws Failure also if it is not
     */
    static ByteRange ofBlocks(Invocation in, NvmeNamespace namespace, long most) throws Failure {
        ByteRange range = of(in, namespace, most);
        int blockBytes = namespace.blockBytes();
        if (range.offset % blockBytes != 0) {
            throw new Failure(
                    Failure.USAGE,
                    "--offset %s: use a multiple of the block size, %s"
                            .formatted(ByteSize.format(range.offset), ByteSize.format(blockBytes)));
        }
        if (range.size == 0 && !in.has("size")) {
            throw beyond(range.offset, namespace);
        }
        if (range.size % blockBytes != 0 || range.size == 0) {
            throw new Failure(
                    Failure.USAGE,
                    "--size %s: use a multiple of the block size, %s"
                            .formatted(ByteSize.format(range.size), ByteSize.format(blockBytes)));
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
