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
 */
record NamespaceFormat(long blocks, long capacity, long used, int blockShift) {
    private static final int MIN_BLOCK_SHIFT = 9;
    private static final int MAX_BLOCK_SHIFT = 20;
    private static final int FORMATS = 128;
    private static final int FORMAT_BYTES = 4;

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
        if ((word & 0xffff) != 0) {
            throw unusable(
                    Kind.UNSUPPORTED, operation, "its blocks have %d bytes of metadata".formatted(word & 0xffff));
        }
        if (blocks <= 0 || blocks > Long.MAX_VALUE >>> shift) {
            throw unusable(
                    Kind.DEVICE_ERROR,
                    operation,
                    "it has %s blocks of 2^%d bytes".formatted(Long.toUnsignedString(blocks), shift));
        }
        return new NamespaceFormat(blocks, data.longInteger(8), data.longInteger(16), shift);
    }

    private static VfioException unusable(Kind kind, String operation, String reason) {
        return new VfioException(kind, operation, reason, "format the namespace, or use another");
    }
}
