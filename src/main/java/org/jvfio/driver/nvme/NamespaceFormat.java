package org.jvfio.driver.nvme;

import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;

/**
 * The Identify Namespace data structure (CNS 00h), validated.
 *
 * @param blocks the size in logical blocks (NSZE)
 * @param capacity the maximum number of blocks allocated at a time (NCAP)
 * @param used the number of blocks allocated (NUSE)
 * @param blockShift log2 of the logical block size in bytes (LBADS)
 * @param metadataBytes the metadata of a block (MS)
 * @param extended whether metadata is transferred after the data of its block (FLBAS bit 4)
 */
record NamespaceFormat(long blocks, long capacity, long used, int blockShift, int metadataBytes, boolean extended) {
    private static final int MIN_BLOCK_SHIFT = 9;
    private static final int MAX_BLOCK_SHIFT = 20;
    private static final int FORMATS = 128;
    private static final int FORMAT_BYTES = 4;
    private static final int EXTENDED = 1 << 4;
    private static final int PROTECTION_TYPE = 0x7;

    static NamespaceFormat of(String operation, ControllerData data) {
        long blocks = data.longInteger(0);
        int formats = data.unsignedByte(25) + 1;
        int flags = data.unsignedByte(26);
        // FLBAS bits 6:5 are the upper bits of the format index where there are more than 16 formats.
        int format = (flags & 0xf) | (formats > 16 ? (flags >>> 5 & 0x3) << 4 : 0);
        if (format >= formats) {
            throw unusable(Kind.DEVICE_ERROR, operation, "it is in format %d of %d".formatted(format, formats));
        }
        int word = data.integer(FORMATS + FORMAT_BYTES * format);
        int shift = word >>> 16 & 0xff;
        if (shift < MIN_BLOCK_SHIFT || shift > MAX_BLOCK_SHIFT) {
            throw unusable(
                    Kind.UNSUPPORTED,
                    operation,
                    "its blocks have 2^%d bytes, and this driver supports 2^%d to 2^%d"
                            .formatted(shift, MIN_BLOCK_SHIFT, MAX_BLOCK_SHIFT));
        }
        int metadata = word & 0xffff;
        int protection = data.unsignedByte(29) & PROTECTION_TYPE;
        if (protection != 0) {
            throw unusable(
                    Kind.UNSUPPORTED,
                    operation,
                    "its metadata has end-to-end protection information of type %d, which this driver does not support"
                            .formatted(protection));
        }
        if (metadata % Integer.BYTES != 0) {
            throw unusable(
                    Kind.UNSUPPORTED,
                    operation,
                    "its blocks have %d bytes of metadata, and this driver supports multiples of 4"
                            .formatted(metadata));
        }
        if (blocks <= 0 || blocks > Long.MAX_VALUE >>> (shift + 1)) {
            throw unusable(
                    Kind.DEVICE_ERROR,
                    operation,
                    "it has %s blocks of 2^%d bytes".formatted(Long.toUnsignedString(blocks), shift));
        }
        return new NamespaceFormat(
                blocks,
                data.longInteger(8),
                data.longInteger(16),
                shift,
                metadata,
                metadata > 0 && (flags & EXTENDED) != 0);
    }

    /** The bytes that transferring blocks takes in the data buffer. */
    long transferBytes(long count) {
        return (count << blockShift) + (extended ? count * metadataBytes : 0);
    }

    /** The bytes that transferring blocks takes in a metadata buffer of its own. */
    long separateBytes(long count) {
        return extended ? 0 : count * metadataBytes;
    }

    private static VfioException unusable(Kind kind, String operation, String reason) {
        return new VfioException(kind, operation, reason, "format the namespace, or use another");
    }
}
