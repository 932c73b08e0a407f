package org.jvfio.emulator.nvme;

import java.util.List;

/**
 * An LBA format (NVM Express 1.4, 5.15.2.1).
 *
 * @param shift log2 of the bytes of data in a block (LBADS)
 * @param metadataBytes the bytes of metadata of a block (MS)
 */
record BlockFormat(int shift, int metadataBytes) {
    /** The metadata that protection information takes. */
    static final int PROTECTION_BYTES = 8;

    /** Formats without metadata. */
    static final List<BlockFormat> PLAIN = List.of(new BlockFormat(9, 0), new BlockFormat(12, 0));

    /** The formats of QEMU's controller, in its order. */
    static final List<BlockFormat> ALL = List.of(
            new BlockFormat(9, 0),
            new BlockFormat(9, 8),
            new BlockFormat(9, 16),
            new BlockFormat(9, 64),
            new BlockFormat(12, 0),
            new BlockFormat(12, 8),
            new BlockFormat(12, 16),
            new BlockFormat(12, 64));

    static BlockFormat of(int blockBytes, int metadataBytes) {
        checkBlockBytes(blockBytes);
        checkMetadataBytes(metadataBytes);
        return new BlockFormat(Integer.numberOfTrailingZeros(blockBytes), metadataBytes);
    }

    static void checkBlockBytes(int count) {
        if (count != 512 && count != 4096) {
            throw new IllegalArgumentException("a block size of " + count + " bytes: the sizes are 512 and 4096");
        }
    }

    static void checkMetadataBytes(int count) {
        if (count != 0 && count != 8 && count != 16 && count != 64) {
            throw new IllegalArgumentException(
                    "metadata of " + count + " bytes for a block: the sizes are 0, 8, 16 and 64");
        }
    }

    /** The number of whole blocks with their metadata in a medium. */
    long blocks(long mediumBytes) {
        return mediumBytes / ((1L << shift) + metadataBytes);
    }

    /** The format as a 4-byte entry of Identify Namespace. */
    int entry() {
        return shift << 16 | metadataBytes;
    }

    /** As in {@code 512 bytes and 8 bytes of metadata}. */
    @Override
    public String toString() {
        return (1 << shift) + " bytes"
                + (metadataBytes == 0 ? "" : " and %d bytes of metadata".formatted(metadataBytes));
    }
}
