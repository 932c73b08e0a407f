package org.jvfio.driver.nvme;

import org.jvfio.VfioException;

/**
 * What a controller says of a namespace (Identify, CNS 0), checked.
 *
 * @param blocks its size in blocks
 * @param capacity how many of them can be in use at a time
 * @param used how many of them are in use
 * @param blockShift the size of a block as a shift of bytes
 */
record NamespaceFormat(long blocks, long capacity, long used, int blockShift) {
    private static final int MIN_BLOCK_SHIFT = 9;
    private static final int MAX_BLOCK_SHIFT = 20;
    private static final int FORMATS = 128;
    private static final int FORMAT_BYTES = 4;

    static NamespaceFormat of(String asked, ControllerData data) {
        long blocks = data.longInteger(0);
        int formats = data.unsignedByte(25) + 1;
        int flags = data.unsignedByte(26);
        // More than 16 formats need two more bits.
        int format = (flags & 0xf) | (formats > 16 ? (flags >>> 5 & 0x3) << 4 : 0);
        if (format >= formats) {
            throw unusable(asked, "it is in format %d of %d".formatted(format, formats));
        }
        int word = data.integer(FORMATS + FORMAT_BYTES * format);
        int shift = word >>> 16 & 0xff;
        if (shift < MIN_BLOCK_SHIFT || shift > MAX_BLOCK_SHIFT) {
            throw unusable(
                    asked,
                    "its blocks have 2^%d bytes, and this driver takes 2^%d to 2^%d"
                            .formatted(shift, MIN_BLOCK_SHIFT, MAX_BLOCK_SHIFT));
        }
        if ((word & 0xffff) != 0) {
            throw unusable(asked, "its blocks have %d bytes of metadata".formatted(word & 0xffff));
        }
        if (blocks <= 0 || blocks > Long.MAX_VALUE >>> shift) {
            throw unusable(asked, "it has %s blocks of 2^%d bytes".formatted(Long.toUnsignedString(blocks), shift));
        }
        return new NamespaceFormat(blocks, data.longInteger(8), data.longInteger(16), shift);
    }

    private static VfioException unusable(String asked, String reason) {
        return new VfioException(asked, reason, "format the namespace, or use another");
    }
}
